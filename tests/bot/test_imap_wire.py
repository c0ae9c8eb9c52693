"""The IMAP edge against servers that a real one cannot be made to be: slow, silent, cut, poor or hostile."""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.bench.servers.dovecot import Dovecot, write_secret
from bot.bench.servers.tls import Tls, make_tls
from bot.config import Imap
from bot.imap.folder import Folder, ImapFault
from tests.servers.people import BOT
from tests.servers.scripted import Line, served

pytest_plugins = ("tests.servers.fixtures",)

_ALL = "IMAP4rev1 IDLE MOVE UIDPLUS"


def _never() -> bool:
    return False


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Imap]:
    def make(port: int, **changes: object) -> Imap:
        facts = {"host": "127.0.0.1", "port": port, "security": "none", "user": BOT, "timeout": 600}
        secret = write_secret(tmp_path / "password", "secret-word")
        return Imap.model_validate(facts | {"password_file": secret} | changes)

    return make


def _answer(line: Line, command: bytes, abilities: str) -> None:
    tag, name = command.split()[:2]
    told = {
        b"CAPABILITY": b"* CAPABILITY %s\r\n" % abilities.encode(),
        b"LIST": b'* LIST () "/" "x"\r\n',
        b"SELECT": b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] yes\r\n",
        b"LOGOUT": b"* BYE\r\n",
    }
    line.say(told.get(name, b"") + tag + b" OK done\r\n")


def _until(line: Line, name: bytes, abilities: str = _ALL) -> bytes:
    """Answer like any server until the client sends `name`; returns that command's tag."""
    while True:
        command = line.hear()
        if not command:
            raise AssertionError(f"the client left without {name!r}")
        tag, _, rest = command.partition(b" ")
        if rest.startswith(name):
            return tag
        _answer(line, command, abilities)


def _greet(line: Line) -> None:
    line.say(b"* OK ready\r\n")


def _finish(line: Line, abilities: str = _ALL) -> None:
    while command := line.hear():
        _answer(line, command, abilities)


@contextlib.contextmanager
def _folder_in_idle(
    settings: Callable[..., Imap], play: Callable[[Line, bytes], None], **changes: object
) -> Iterator[Folder]:
    """A folder whose server speaks as usual up to IDLE, and from there as `play` says."""

    def whole(line: Line) -> None:
        _greet(line)
        play(line, _until(line, b"IDLE"))

    with served(whole) as port, Folder(settings(port, **changes)) as folder:
        folder.uids()
        yield folder


# -- the six ways in which imapclient's own IDLE fails


def test_an_EXISTS_in_the_same_segment_as_the_continuation_is_seen(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n* 1 EXISTS\r\n")
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")
        _finish(line)

    with _folder_in_idle(settings, play) as folder:
        assert folder.wait(3600, _never)


@pytest.mark.parametrize("last_words", [b"", b"* BYE shutting down\r\n", b"* 1 EX"])
def test_a_server_that_hangs_up_in_idle_is_a_temporary_fault(
    settings: Callable[..., Imap], last_words: bytes
) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n" + last_words)

    with (
        pytest.raises(ImapFault, match="waiting for mail failed") as caught,
        _folder_in_idle(settings, play) as folder,
    ):
        folder.wait(3600, _never)
    assert caught.value.temporary


def test_a_BYE_without_an_end_of_the_connection_is_a_temporary_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n* BYE idle for too long\r\n")
        line.wait_for_end()

    with (
        pytest.raises(ImapFault, match="idle for too long") as caught,
        _folder_in_idle(settings, play) as folder,
    ):
        folder.wait(3600, _never)
    assert caught.value.temporary


def test_a_line_cut_over_two_segments_is_read_whole(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        for piece in (b"+ idl", b"ing\r\n* OK Still", b" here\r\n* 1 EXI", b"STS\r", b"\n"):
            line.say(piece)
            time.sleep(0.05)
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")
        search = _until(line, b"UID SEARCH")
        line.say(b"* SEARCH 9\r\n" + search + b" OK done\r\n")
        _finish(line)

    with _folder_in_idle(settings, play) as folder:
        assert folder.wait(3600, _never)
        assert folder.uids() == [9]


def test_an_EXISTS_before_the_continuation_is_seen(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"* 1 EXISTS\r\n+ idling\r\n")
        assert line.hear() == b"DONE"
        line.say(tag + b" OK done\r\n")
        _finish(line)

    with _folder_in_idle(settings, play) as folder:
        assert folder.wait(3600, _never)


def test_silence_after_DONE_is_a_temporary_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n* 1 EXISTS\r\n")
        line.wait_for_end()

    with (
        pytest.raises(ImapFault, match="timed out") as caught,
        _folder_in_idle(settings, play, timeout=1) as folder,
    ):
        folder.wait(3600, _never)
    assert caught.value.temporary


# -- more of IDLE


def test_a_stop_in_idle_does_not_wait_for_a_silent_server(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n")
        assert line.hear() == b"DONE"
        # the client's time-out is ten minutes; this play loses patience long before
        line.wait_for_end()

    asked = iter([False, True])
    with pytest.raises(ImapFault), _folder_in_idle(settings, play) as folder:
        folder.wait(3600, lambda: next(asked, True))


def test_a_stop_in_idle_does_not_wait_for_the_rest_of_a_line(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n")
        time.sleep(0.1)
        line.say(b"* 1 EX")
        assert line.hear() == b"DONE"
        line.say(b"PUNGE\r\n" + tag + b" OK done\r\n")
        _finish(line)

    asked = iter([False, False, False])
    with _folder_in_idle(settings, play) as folder:
        assert folder.wait(3600, lambda: next(asked, True)) is False


def test_keep_alives_and_removed_mails_do_not_end_the_wait(settings: Callable[..., Imap]) -> None:
    told: list[bool] = []

    def play(line: Line, tag: bytes) -> None:
        line.say(b"+ idling\r\n* OK Still here\r\n* 4 EXPUNGE\r\n* 3 FETCH (FLAGS (\\Seen))\r\n")
        assert line.hear() == b"DONE"
        told.append(True)
        line.say(tag + b" OK done\r\n")
        _finish(line)

    with _folder_in_idle(settings, play) as folder:
        assert folder.wait(1, _never) is False
        assert told == [True]


def test_a_refused_idle_is_a_temporary_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line, tag: bytes) -> None:
        line.say(tag + b" BAD not now\r\n")
        line.wait_for_end()

    with (
        pytest.raises(ImapFault, match="IDLE was refused") as caught,
        _folder_in_idle(settings, play) as folder,
    ):
        folder.wait(3600, _never)
    assert caught.value.temporary


def test_a_server_without_idle_is_polled(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        _until(line, b"LOGOUT", "IMAP4rev1")

    with served(play) as port, Folder(settings(port, poll_seconds=1)) as folder:
        assert folder.wait(3600, _never) is True
        assert folder.wait(3600, lambda: True) is False


# -- login and TLS


def test_a_connection_lost_during_login_names_both_causes_and_is_temporary(
    settings: Callable[..., Imap],
) -> None:
    def play(line: Line) -> None:
        _greet(line)
        _until(line, b"LOGIN")

    with (
        served(play) as port,
        pytest.raises(ImapFault, match="lost during login.*trouble.*wrong password") as caught,
        Folder(settings(port)),
    ):
        pass
    assert caught.value.temporary


def test_a_login_that_is_unavailable_now_is_temporary(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        line.say(_until(line, b"LOGIN") + b" NO [UNAVAILABLE] the directory is down\r\n")
        line.wait_for_end()

    with (
        served(play) as port,
        pytest.raises(ImapFault, match="the directory is down") as caught,
        Folder(settings(port)),
    ):
        pass
    assert caught.value.temporary


def test_without_STARTTLS_no_password_is_sent(settings: Callable[..., Imap]) -> None:
    heard: list[bytes] = []

    def play(line: Line) -> None:
        _greet(line)
        while command := line.hear():
            heard.append(command)
            _answer(line, command, _ALL)

    with (
        served(play) as port,
        pytest.raises(ImapFault, match="STARTTLS") as caught,
        Folder(settings(port, security="starttls")),
    ):
        pass
    assert not caught.value.temporary
    assert b"secret-word" not in b"".join(heard)


def test_what_is_slipped_in_before_the_handshake_is_thrown_away(
    settings: Callable[..., Imap], tmp_path: Path
) -> None:
    tls = make_tls(tmp_path)

    def play(line: Line) -> None:
        _greet(line)
        tag = _until(line, b"STARTTLS", "IMAP4rev1 STARTTLS")
        line.say(tag + b" OK begin\r\n* BYE slipped in\r\n")
        line.start_tls(_server_context(tls))
        _finish(line)

    with (
        served(play) as port,
        Folder(settings(port, security="starttls", ca_file=tls.ca_file)) as folder,
    ):
        assert folder.uidvalidity == 7


def _server_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def test_a_server_without_lasting_uids_is_a_permanent_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        line.say(b"* 0 EXISTS\r\n" + _until(line, b"SELECT") + b" OK done\r\n")
        line.wait_for_end()

    with (
        served(play) as port,
        pytest.raises(ImapFault, match="no lasting UIDs") as caught,
        Folder(settings(port)),
    ):
        pass
    assert not caught.value.temporary


# -- searching, reading, moving


def test_a_folder_of_two_hundred_thousand_mails_is_searched_in_one_command(
    settings: Callable[..., Imap],
) -> None:
    many = list(range(1_000_000, 1_200_000))

    def play(line: Line) -> None:
        _greet(line)
        tag = _until(line, b"UID SEARCH")
        line.say(b"* SEARCH " + b" ".join(b"%d" % n for n in many) + b"\r\n" + tag + b" OK done\r\n")
        _finish(line)

    with served(play) as port, Folder(settings(port)) as folder:
        assert folder.uids() == many


def test_an_answer_in_several_SEARCH_lines_is_read_whole(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        tag = _until(line, b"UID SEARCH")
        line.say(b"* SEARCH 5 3\r\n* SEARCH\r\n* SEARCH 9 3\r\n" + tag + b" OK done\r\n")
        _finish(line)

    with served(play) as port, Folder(settings(port)) as folder:
        assert folder.uids() == [3, 5, 9]


def test_a_mail_far_larger_than_announced_is_not_taken(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        _until(line, b"UID FETCH")
        line.say(b"* 1 FETCH (UID 4 BODY[] {4000000000}\r\n")
        line.wait_for_end()

    with (
        served(play) as port,
        pytest.raises(ImapFault, match="literal of 4000000000 bytes"),
        Folder(settings(port)) as folder,
    ):
        folder.fetch(4, 1000)


def test_a_mail_removed_while_it_is_read_is_gone_and_no_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        line.say(_until(line, b"UID FETCH") + b" NO [EXPUNGEISSUED] some are gone\r\n")
        line.say(b"* 1 FETCH (UID 4 BODY[] NIL)\r\n" + _until(line, b"UID FETCH") + b" OK done\r\n")
        line.say(b"* 1 EXPUNGE\r\n" + _until(line, b"NOOP") + b" OK done\r\n")
        line.say(_until(line, b"UID FETCH") + b" OK done\r\n")
        _finish(line)

    with served(play) as port, Folder(settings(port)) as folder:
        assert folder.fetch(4, 1000) is None


@pytest.mark.parametrize(
    ("abilities", "expected"),
    [
        ("IMAP4rev1 MOVE UIDPLUS", [b'UID MOVE 4 "Done"']),
        (
            "IMAP4rev1 UIDPLUS",
            [b'UID COPY 4 "Done"', b"UID STORE 4 +FLAGS.SILENT (\\Deleted)", b"UID EXPUNGE 4"],
        ),
        ("IMAP4rev1", []),
    ],
)
def test_a_mail_is_moved_by_what_the_server_can_do(
    settings: Callable[..., Imap], abilities: str, expected: list[bytes]
) -> None:
    heard: list[bytes] = []

    def play(line: Line) -> None:
        _greet(line)
        while command := line.hear():
            heard.append(command.partition(b" ")[2])
            _answer(line, command, abilities)

    with served(play) as port, Folder(settings(port)) as folder:
        folder.move(4, "Done")
    assert [command for command in heard if command.startswith(b"UID ")] == expected


def test_a_refused_move_is_no_fault(settings: Callable[..., Imap]) -> None:
    def play(line: Line) -> None:
        _greet(line)
        line.say(_until(line, b"UID MOVE") + b" NO [OVERQUOTA] full\r\n")
        _finish(line)

    with served(play) as port, Folder(settings(port)) as folder:
        folder.move(4, "Done")
        assert folder.uids() == []


@pytest.mark.parametrize(("recent", "times"), [(b"", 1), (b"* 0 RECENT\r\n", 1), (b"* 3 RECENT\r\n", 2)])
def test_a_folder_with_recent_mails_is_opened_twice(
    settings: Callable[..., Imap], recent: bytes, times: int
) -> None:
    heard: list[bytes] = []

    def play(line: Line) -> None:
        _greet(line)
        while command := line.hear():
            if command.split()[1] == b"SELECT":
                heard.append(command)
                line.say(recent)
            _answer(line, command, _ALL)

    with served(play) as port, Folder(settings(port)) as folder:
        assert folder.uidvalidity == 7
    assert len(heard) == times


def test_mails_are_read_ahead_by_one_command_and_a_missing_one_by_another(
    settings: Callable[..., Imap],
) -> None:
    heard: list[bytes] = []

    def play(line: Line) -> None:
        _greet(line)
        while command := line.hear():
            tag, _, words = command.partition(b" ")
            if words.startswith(b"UID FETCH"):
                heard.append(words)
                if words.startswith(b"UID FETCH 4,5"):
                    line.say(b"* 1 FETCH (UID 4 BODY[] {5}\r\nfour\n)\r\n")
                line.say(tag + b" OK fetched\r\n")
            else:
                _answer(line, command, _ALL)

    with served(play) as port, Folder(settings(port)) as folder:
        folder.read_ahead({4: 5, 5: 5})
        assert folder.fetch(4, 5) == b"four\n"
        assert folder.fetch(5, 5) is None
        # it was kept for one reader only
        assert folder.fetch(4, 5) is None
    assert heard == [b"UID FETCH %b (BODY.PEEK[])" % uids for uids in (b"4,5", b"5", b"4")]


def test_where_mails_are_refused_together_each_is_tried(settings: Callable[..., Imap]) -> None:
    heard: list[bytes] = []

    def play(line: Line) -> None:
        _greet(line)
        while command := line.hear():
            tag, _, words = command.partition(b" ")
            if words.startswith(b"UID MOVE"):
                heard.append(words)
                is_small = words == b'UID MOVE 5 "Done"'
                line.say(tag + (b" OK moved\r\n" if is_small else b" NO [OVERQUOTA] full\r\n"))
            else:
                _answer(line, command, "IMAP4rev1 MOVE UIDPLUS")

    with served(play) as port, Folder(settings(port)) as folder:
        folder.move_all([4, 5], "Done")
    assert heard == [b'UID MOVE 4,5 "Done"', b'UID MOVE 4 "Done"', b'UID MOVE 5 "Done"']


@pytest.mark.parametrize(
    "limit", [0, 1, 60, 130, 300, 700, 900, 1000, 1100, 1250, 1400, 1600, 1800, 2000, 2300]
)
def test_a_connection_cut_anywhere_is_a_temporary_fault(dovecot: Dovecot, limit: int) -> None:
    for number in range(2):
        dovecot.deliver(BOT, b"Subject: %d\r\n\r\nhello\r\n" % number)
    with (
        served(lambda line: line.forward(dovecot.imap_port, limit)) as port,
        pytest.raises(ImapFault) as caught,
        Folder(dovecot.imap(BOT, security="none", port=port)) as folder,
    ):
        _read_for_ever(folder, dovecot.mails(BOT))
    assert caught.value.temporary, caught.value


def _read_for_ever(folder: Folder, mails: list[bytes]) -> None:
    while True:
        for uid in folder.uids():
            look = folder.look(uid)
            assert look is not None
            assert folder.fetch(uid, look.size) == mails[uid - 1]
        folder.wait(0.01, _never)
