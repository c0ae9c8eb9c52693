"""Asking WHOIS over a real socket: what is read, and that nothing a server does can hang or fool us."""

import socket
from collections.abc import Callable, Iterator

import pytest

from bot.whois import WhoisClient, WhoisFault, decode_answer, question, read_registrants
from tests.whois_server import GENERAL, NO_MATCH, WhoisServer, jprs, reset, say, whois_server

DOMAIN = "example.ac.jp"


@pytest.fixture
def server() -> Iterator[WhoisServer]:
    with whois_server() as running:
        yield running


class Clock:
    """Time that passes only by sleeping; `slept` are the pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client(server: WhoisServer, clock: Clock, timeout: float = 30) -> WhoisClient:
    return WhoisClient("127.0.0.1", server.port, timeout, clock, clock.sleep)


def test_the_names_of_an_organisation_are_read_in_both_languages(server: WhoisServer) -> None:
    assert client(server, Clock()).registrants(DOMAIN) == ("テスト機関", "Testkikan")
    assert server.questions == ["DOM example.ac.jp\r\n"]


def test_the_registrant_of_a_general_domain_is_read_and_its_contact_is_not(server: WhoisServer) -> None:
    server.behaviour = say(jprs("example.jp", form=GENERAL))
    assert client(server, Clock()).registrants("example.jp") == ("テスト機関", "Testkikan")


def test_a_generic_domain_is_asked_for_and_read_in_the_generic_form(server: WhoisServer) -> None:
    server.behaviour = say(
        b"   Domain Name: EXAMPLE.COM\r\n   Registrar: Some Registrar\r\nRegistrant Name: Taro\r\n"
        b"Registrant Organization: Testkikan\r\nTech Organization: Other\r\n"
    )
    assert client(server, Clock()).registrants("example.com") == ("Taro", "Testkikan")
    assert server.questions == ["example.com\r\n"]


def test_a_domain_that_nobody_holds_has_no_registrant(server: WhoisServer) -> None:
    server.behaviour = say(NO_MATCH.encode())
    assert client(server, Clock()).registrants(DOMAIN) == ()


def test_an_answer_in_utf8_is_read_too() -> None:
    text = decode_answer(jprs(DOMAIN).decode("iso2022_jp").encode())
    assert read_registrants(DOMAIN, text) == ("テスト機関", "Testkikan")


def test_a_letter_that_cannot_be_read_spoils_its_own_name_only() -> None:
    answer = jprs(DOMAIN).replace("テスト機関".encode("iso2022_jp"), b"\x1b$B\x2d\x6a5!4X\x1b(B")
    names = read_registrants(DOMAIN, decode_answer(answer))
    assert names[1:] == ("Testkikan",)
    assert "\ufffd" in names[0]


def test_a_server_that_fails_once_is_asked_again_after_a_pause(server: WhoisServer) -> None:
    def fail_once(connection: socket.socket, asked: str) -> None:
        server.behaviour = say(jprs(DOMAIN))
        reset(connection, asked)

    server.behaviour = fail_once
    clock = Clock()
    assert client(server, clock).registrants(DOMAIN) == ("テスト機関", "Testkikan")
    assert clock.slept == [1.0]


def fault_of(call: Callable[[], object]) -> WhoisFault:
    with pytest.raises(WhoisFault) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("length", range(0, len(jprs(DOMAIN)) - 4, 7))
def test_an_answer_cut_anywhere_is_no_answer(length: int) -> None:
    """Least of all another registrant: a cut name or a missing one must not fail a row."""
    assert fault_of(lambda: read_registrants(DOMAIN, decode_answer(jprs(DOMAIN)[:length])))


@pytest.mark.parametrize("lines", range(len(jprs(DOMAIN).splitlines()) - 2))
def test_an_answer_cut_between_two_lines_is_no_answer(lines: int) -> None:
    cut = b"".join(jprs(DOMAIN).splitlines(keepends=True)[:lines])
    assert fault_of(lambda: read_registrants(DOMAIN, decode_answer(cut)))


def test_a_cut_answer_is_asked_for_three_times(server: WhoisServer) -> None:
    server.behaviour = say(jprs(DOMAIN)[:-60])
    clock = Clock()
    fault = fault_of(lambda: client(server, clock).registrants(DOMAIN))
    assert fault.temporary
    assert (clock.slept, len(server.questions)) == ([1.0, 3.0], 3)


def test_no_pause_outlasts_the_limit_of_the_call(server: WhoisServer) -> None:
    server.behaviour = reset
    clock = Clock()
    assert fault_of(lambda: client(server, clock, timeout=3).registrants(DOMAIN)).temporary
    assert clock.slept == [1.0]


class Ticking(Clock):
    """Every look at the clock takes a tenth of a second: nothing has to wait for real."""

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_a_server_that_drips_is_left_after_the_limit(server: WhoisServer) -> None:
    server.behaviour = server.drip
    clock = Ticking()
    assert "time" in str(fault_of(lambda: client(server, clock, timeout=9).registrants(DOMAIN)))
    assert clock.now < 10


def test_a_silent_server_is_a_temporary_fault(server: WhoisServer) -> None:
    server.behaviour = server.stay_silent
    clock = Clock()
    patient = WhoisClient("127.0.0.1", server.port, 0.3, clock, clock.sleep)
    assert fault_of(lambda: patient.registrants(DOMAIN)).temporary


def test_a_flood_is_cut_and_not_asked_for_again(server: WhoisServer) -> None:
    server.behaviour = server.flood
    fault = fault_of(lambda: client(server, Clock()).registrants(DOMAIN))
    assert "more than 65536 bytes" in str(fault)
    assert (fault.temporary, len(server.questions)) == (False, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xfe\x00garbage\n",
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        b"Query rate limit exceeded. Try again later.\r\n",
        jprs("other.ac.jp"),
        jprs(DOMAIN, "", ""),
        b"Domain Name: OTHER.AC.JP\nRegistrant Organization: Testkikan\n",
        b"Domain Name: EXAMPLE.AC.JP\nRegistrar: Testkikan\n",
        b"[Registrant] Testkikan\n",
    ],
    ids=[
        "bytes",
        "http",
        "limit",
        "another domain",
        "no names",
        "another generic",
        "no registrant",
        "no domain",
    ],
)
def test_an_answer_without_the_domains_registrant_is_no_answer(server: WhoisServer, answer: bytes) -> None:
    server.behaviour = say(answer)
    fault = fault_of(lambda: client(server, Clock()).registrants(DOMAIN))
    assert (fault.temporary, len(server.questions)) == (False, 1)


def test_a_name_that_says_no_match_is_still_a_name() -> None:
    answer = jprs(DOMAIN, "No match!!", "not found")
    assert read_registrants(DOMAIN, decode_answer(answer)) == ("No match!!", "not found")


def test_nobody_listening_is_a_temporary_fault(server: WhoisServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clock = Clock()
        alone = WhoisClient("127.0.0.1", taken.getsockname()[1], 30, clock, clock.sleep)
        fault = fault_of(lambda: alone.registrants(DOMAIN))
    assert fault.temporary
    assert "refused" in str(fault)


def test_a_question_is_one_line() -> None:
    assert [question(d) for d in ("example.jp", "example.jp.example.com")] == [
        b"DOM example.jp\r\n",
        b"example.jp.example.com\r\n",
    ]
