"""SMTP servers that refuse, hang up or fall silent at each command, for minutes or days: what becomes of the mails."""

import os
import random
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from bot.bench.servers.dovecot import write_secret
from bot.bench.servers.running import ServerFault, free_ports, with_new_ports
from bot.bench.servers.sink import STEPS, Answer, Rude, Sink, sinking
from bot.bench.servers.tls import Tls, make_tls
from bot.config import Smtp
from bot.deliver import DeliveryReport, deliver_due
from store import outbox
from store.states import OutboxState
from store.tables import Base, Outgoing
from store.transaction import open_store, reading, writing
from tests.servers.people import APPLICANT, BOT, OFFICER, OFFICER2
from tests.servers.relay import Cut, relayed

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SENT = OutboxState.SENT


class Box:
    """An outbox with its clock, and how it is sent."""

    def __init__(self, directory: Path) -> None:
        self.engine: Engine = open_store(f"sqlite:///{directory / 'ringi.db'}")
        Base.metadata.create_all(self.engine)
        self.now = NOW
        self.rng = random.Random(1)
        self.raised: list[str] = []

    def queue(self, *recipients: str, body: bytes = b"hello\r\n") -> None:
        with writing(self.engine) as session:
            for place, recipient in enumerate(recipients):
                name = f"<{place}.{recipient}>"
                data = b"From: %s\r\nMessage-ID: %s\r\n\r\n" % (BOT.encode(), name.encode()) + body
                outbox.enqueue(
                    session,
                    recipient=recipient,
                    template="applicant.received",
                    message_id=name,
                    number=None,
                    data=data,
                    now=self.now,
                )

    def deliver(self, settings: Smtp) -> DeliveryReport:
        return deliver_due(
            self.engine,
            settings,
            sender=BOT,
            now=lambda: self.now,
            rng=self.rng.random,
            on_failed=lambda _, outgoing: self.raised.append(outgoing.recipient),
        )

    def deliver_until_quiet(self, settings: Smtp, minutes: int = 60) -> None:
        """A burst each half minute of the clock, until nothing waits."""
        end = self.now + minutes * MINUTE
        while self.now < end and any(row.state not in (SENT, OutboxState.FAILED) for row in self.rows()):
            self.deliver(settings)
            self.now += MINUTE / 2

    def rows(self) -> list[Outgoing]:
        with reading(self.engine) as session:
            return list(session.scalars(select(Outgoing).order_by(Outgoing.id)))

    def states(self) -> list[OutboxState]:
        return [row.state for row in self.rows()]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.engine.dispose()


def _settings(port: int, **changes: object) -> Smtp:
    facts = {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 20}
    return Smtp.model_validate(facts | changes)


def _times(box: Box, sink: Sink) -> list[int]:
    """How often each mail arrived, by the bytes it was frozen with; nothing else may have arrived."""
    times = [sum(mail.data == row.data for mail in sink.taken) for row in box.rows()]
    assert sum(times) == len(sink.taken)
    assert all(
        mail.recipients == (row.recipient,)
        for row in box.rows()
        for mail in sink.taken
        if mail.data == row.data
    )
    return times


def _failing(step: str, answer: Answer, times: int = 1) -> Callable[[str, str], Answer]:
    left = iter([answer] * times)
    return lambda at, _: next(left, None) if at == step else None


# -- each command


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


@contextmanager
def _with_login(tls: Tls, directory: Path, fault: str) -> Iterator[tuple[Sink, Smtp]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    secret = write_secret(directory / "password", "secret-word")
    with sinking(context) as sink:
        login: dict[str, object] = {"security": "starttls", "user": BOT, "password_file": secret}
        login |= {"ca_file": tls.ca_file, "timeout": 2 if fault == "silence" else 20}
        yield sink, _settings(sink.port, **login)


_FAULTS: dict[str, Answer] = {
    "4xx": b"451 4.3.0 not now",
    "5xx": b"554 5.7.1 not you",
    "hang up": Rude.HANG_UP,
    "silence": Rude.SILENCE,
    "421": b"421 4.3.2 shutting down",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", _FAULTS)
def test_a_server_that_fails_once_at_any_command_gets_each_mail_once(
    box: Box, tls: Tls, tmp_path: Path, step: str, fault: str
) -> None:
    """Only a mail that the server had whole, and gave no answer to, comes twice; only a 5xx about a mail fails it."""
    box.queue(APPLICANT, OFFICER, OFFICER2)
    with _with_login(tls, tmp_path, fault) as (sink, settings):
        sink.answer = _failing(step, _FAULTS[fault])
        box.deliver(settings)
        box.deliver_until_quiet(settings)
        times = _times(box, sink)
    is_about_the_mail = fault == "5xx" and step in ("RCPT", "DATA", ".")
    is_ambiguous = step == "." and fault in ("hang up", "silence")
    assert box.states() == [OutboxState.FAILED if is_about_the_mail else SENT, SENT, SENT]
    assert box.raised == ([APPLICANT] if is_about_the_mail else [])
    assert times == [0 if is_about_the_mail else 2 if is_ambiguous else 1, 1, 1]
    assert sink.connections <= 3


@pytest.mark.parametrize("step", STEPS[:-1])
@pytest.mark.parametrize("fault", ["hang up", "silence"])
def test_a_server_that_is_broken_for_half_an_hour_is_asked_rarely_and_then_gets_all(
    box: Box, tls: Tls, tmp_path: Path, step: str, fault: str
) -> None:
    recipients = [f"user{n}@example.ac.jp" for n in range(6)]
    box.queue(*recipients)
    with _with_login(tls, tmp_path, fault) as (sink, settings):
        sink.answer = _failing(step, _FAULTS[fault], 1000)
        begin = time.monotonic()
        box.deliver(settings)
        # silence costs one time-out a burst, and not one a mail
        assert time.monotonic() - begin < 8
        assert sink.connections <= 2
        box.now = NOW + 30 * MINUTE
        sink.answer = _failing("", None)
        sink.taken.clear()
        box.deliver_until_quiet(settings, 90)
        assert _times(box, sink) == [1] * 6
    assert box.states() == [SENT] * 6


def test_a_mail_that_a_server_is_silent_about_holds_up_no_other(box: Box) -> None:
    """A scanner that hangs on one mail must not be met first, for ever."""
    box.queue(APPLICANT, OFFICER, OFFICER2)
    box.rng.random = lambda: 0.0  # type: ignore[method-assign]
    with sinking() as sink:
        sink.answer = lambda step, who: Rude.SILENCE if (step, who) == ("RCPT", APPLICANT) else None
        for _ in range(8):
            box.deliver(_settings(sink.port, timeout=2))
            box.now += MINUTE
    assert box.states() == [OutboxState.RETRY, SENT, SENT]


# -- answers that people know


def test_greylisting_delays_by_minutes_and_counts_few_attempts(box: Box) -> None:
    box.queue(APPLICANT)
    with sinking() as sink:
        opens = NOW + 5 * MINUTE
        sink.answer = lambda step, _: b"450 4.2.0 Greylisted" if step == "RCPT" and box.now < opens else None
        box.deliver_until_quiet(_settings(sink.port))
        assert _times(box, sink) == [1]
    (row,) = box.rows()
    assert (row.state, row.attempts) == (SENT, 4)
    assert row.sent_at
    assert opens <= row.sent_at <= opens + 8 * MINUTE


def test_a_full_mailbox_is_retried_and_a_mailbox_that_is_too_small_is_raised(box: Box) -> None:
    box.queue(APPLICANT, OFFICER)
    with sinking() as sink:
        answers = {APPLICANT: b"452 4.2.2 mailbox full", OFFICER: b"552 5.2.2 over quota"}
        sink.answer = lambda step, who: (
            answers.get(who) if step == "RCPT" and box.now < NOW + MINUTE else None
        )
        box.deliver_until_quiet(_settings(sink.port))
        assert _times(box, sink) == [1, 0]
    assert box.states() == [SENT, OutboxState.FAILED]
    assert box.raised == [OFFICER]


def test_552_to_the_text_fails_that_mail_alone(box: Box) -> None:
    box.queue(APPLICANT, OFFICER)
    with sinking() as sink:
        sink.answer = _failing(".", b"552 5.3.4 message too big")
        assert box.deliver(_settings(sink.port)) == DeliveryReport(sent=1, failed=1)
        assert (_times(box, sink), sink.connections) == ([0, 1], 1)
    assert box.raised == [APPLICANT]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_recipient_among_three_is_raised_and_the_others_get_theirs(box: Box, place: int) -> None:
    people = [APPLICANT, OFFICER, OFFICER2]
    box.queue(*people)
    with sinking() as sink:
        sink.answer = lambda step, who: b"550 5.1.1 who?" if (step, who) == ("RCPT", people[place]) else None
        box.deliver(_settings(sink.port))
        assert _times(box, sink) == [int(n != place) for n in range(3)]
        assert sink.connections == 1
    assert box.raised == [people[place]]


# -- half-open connections


@pytest.mark.parametrize("where", ["greeting", "MAIL", "text", "answer"])
def test_a_server_that_vanishes_without_a_word_costs_one_time_out_and_no_mail(box: Box, where: str) -> None:
    # over 4 MB: more than the kernel takes off our hands
    box.queue(APPLICANT, OFFICER, body=(b"x" * 998 + b"\r\n") * (5000 if where == "text" else 1))
    with sinking() as sink, relayed(sink.port) as relay:
        settings = _settings(relay.port, timeout=3)
        relay.arm(_vanishing(where))
        begin = time.monotonic()
        report = box.deliver(settings)
        assert time.monotonic() - begin < 10
        assert relay.is_broken
        assert report.fault
        box.deliver_until_quiet(settings)
        assert box.states() == [SENT, SENT]
        assert _times(box, sink) == [2 if where == "answer" else 1, 1]


def _vanishing(where: str) -> Cut:
    before_answer = (
        b"220 sink.example.ac.jp\r\n250-sink\r\n250 8BITMIME\r\n250 yes\r\n250 yes\r\n354 go on\r\n"
    )
    cuts = {
        "greeting": Cut("server", 0, "vanish"),
        "MAIL": Cut("client", 20, "vanish"),
        "text": Cut("client", 100_000, "vanish"),
        "answer": Cut("server", len(before_answer) + 1, "vanish"),
    }
    return cuts[where]


# -- Postfix's own


@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data", ".", "rset", "quit"])
@pytest.mark.parametrize("option", ["-q", "-r", "-f"])
def test_smtp_sink_hangs_up_or_refuses_at_each_command(
    box: Box, need: Callable[[str], str], step: str, option: str
) -> None:
    """-q hangs up, -r refuses with 4xx, -f with 5xx; then another one takes everything."""
    program = need("smtp-sink")
    box.queue(APPLICANT, OFFICER)
    # without EHLO it would offer more than we ask; hang-ups are asked of both forms of the greeting
    names = "ehlo,helo" if step == "ehlo" else step
    with _running(program, option, names) as port:
        box.deliver(_settings(port))
    is_about_the_mail = option == "-f" and step in ("rcpt", "data", ".")
    waiting = {OutboxState.QUEUED, OutboxState.RETRY, OutboxState.UNKNOWN}
    if step in ("rset", "quit"):
        assert box.states() == [SENT, SENT]
    elif is_about_the_mail:
        assert box.states() == [OutboxState.FAILED] * 2
    else:
        assert set(box.states()) <= waiting
        assert OutboxState.UNKNOWN not in box.states() or step in ("data", ".")
    with _running(program) as port:
        box.deliver_until_quiet(_settings(port))
    assert box.states() == [OutboxState.FAILED if is_about_the_mail else SENT] * 2


@contextmanager
def _running(program: str, *options: str) -> Iterator[int]:
    process, port = with_new_ports(lambda: _start(program, *options))
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def _start(program: str, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    (port,) = free_ports(1)
    # root may not run it as root
    process = subprocess.Popen(
        [program, *options, f"127.0.0.1:{port}", "10"],
        user="nobody" if os.geteuid() == 0 else None,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            is_there = probe.connect_ex(("127.0.0.1", port)) == 0
        time.sleep(0.05)
        if process.poll() is not None:
            # somebody else may be there, whom our mails are not for
            raise ServerFault("in use")
        if is_there:
            return process, port
    raise ServerFault("it did not start")


# -- the whole life of the outbox


def test_a_burst_of_120_mails_takes_three_connections(box: Box) -> None:
    box.queue(*(f"user{n}@example.ac.jp" for n in range(120)))
    with sinking() as sink:
        while box.deliver(_settings(sink.port)).sent:
            pass
        assert _times(box, sink) == [1] * 120
        assert sink.connections == 3


def test_five_days_of_refusals_are_tried_with_growing_pauses_and_given_up_visibly(box: Box) -> None:
    box.queue(APPLICANT)
    tried: list[datetime] = []
    with sinking() as sink:

        def refuse(step: str, _: str) -> Answer:
            if step != "RCPT":
                return None
            tried.append(box.now)
            return b"451 4.7.1 try again later"

        sink.answer = refuse
        while box.states() == [OutboxState.QUEUED] or box.states() == [OutboxState.RETRY]:
            box.deliver(_settings(sink.port))
            if (row := box.rows()[0]).state is OutboxState.RETRY:
                box.now = row.due_at
    pauses = [(later - earlier) / MINUTE for earlier, later in zip(tried, tried[1:], strict=False)]
    assert all(
        least <= pause <= least * 1.5
        for pause, least in zip(pauses, [1, 2, 4, 8, 16, 32, *[60] * len(pauses)], strict=False)
    )
    # jitter, in whole seconds
    assert len(set(pauses[6:])) > 80
    assert timedelta(days=5) <= tried[-1] - NOW < timedelta(days=5, hours=1.5)
    (row,) = box.rows()
    assert row.state is OutboxState.FAILED
    assert row.error
    assert row.error.startswith(f"given up after {len(tried)} attempts")
    assert box.raised == [APPLICANT]
    assert 80 < len(tried) < 130
