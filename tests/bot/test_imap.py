"""The IMAP edge against a real Dovecot."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.bench.servers.dovecot import Dovecot, start_dovecot
from bot.bench.servers.running import free_ports
from bot.bench.servers.tls import make_tls
from bot.imap.folder import Folder, ImapFault, backoff
from tests.servers.people import BOT, ODD_PASSWORDS, USERS

pytest_plugins = ("tests.servers.fixtures",)

_MAIL = b"From: applicant@example.ac.jp\r\nSubject: %d\r\n\r\n.one\r\n..two\r\n"


def _never() -> bool:
    return False


def _asked_at_most(times: int) -> Callable[[], bool]:
    """A `stop` that ends the test where the wait goes on and on; it is asked twice a second."""
    asked = iter([False] * times)

    def stop() -> bool:
        assert next(asked, None) is False, "nobody told of the mail"
        return False

    return stop


def _put(dovecot: Dovecot, count: int) -> None:
    for number in range(count):
        dovecot.deliver(BOT, _MAIL % number)


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_each_kind_of_connection_reads_the_same_mail(dovecot: Dovecot, security: str) -> None:
    _put(dovecot, 1)
    with Folder(dovecot.imap(BOT, security=security)) as folder:
        (uid,) = folder.uids()
        look = folder.look(uid)
        assert look is not None
        raw = folder.fetch(uid, look.size)
    assert raw == dovecot.mails(BOT)[0]
    assert raw.endswith(_MAIL % 0)
    assert look.size == len(raw)
    assert look.received_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - look.received_at) < timedelta(minutes=1)


def test_a_folder_says_whose_it_is_and_which_uids_hold(dovecot: Dovecot) -> None:
    with Folder(dovecot.imap(BOT)) as first, Folder(dovecot.imap(BOT)) as second:
        assert first.account == "bot@example.ac.jp@127.0.0.1"
        assert first.uidvalidity == second.uidvalidity > 0


def test_the_three_folders_are_made_once(dovecot: Dovecot) -> None:
    settings = dovecot.imap(BOT, done="済", refused="Refused/今年", quarantine="Q & A")
    for _ in range(2):
        with Folder(settings):
            pass
    assert {p.name for p in (dovecot.directory / "mail" / BOT).iterdir() if p.is_dir() and p.name[0] == "."} == {
        ".&bgg-",
        ".Refused.&TspedA-",
        ".Q &- A",
    }  # fmt: skip


def test_a_mail_moves_into_a_folder_with_a_japanese_name(dovecot: Dovecot) -> None:
    _put(dovecot, 2)
    settings = dovecot.imap(BOT, done="処理済み")
    with Folder(settings) as folder:
        first, second = folder.uids()
        folder.move(first, settings.done)
        assert folder.uids() == [second]
    with Folder(dovecot.imap(BOT, folder="処理済み")) as done:
        (moved,) = done.uids()
        assert (done.fetch(moved) or b"").endswith(_MAIL % 0)


def test_a_move_makes_a_folder_that_was_removed_meanwhile(dovecot: Dovecot) -> None:
    _put(dovecot, 1)
    with Folder(dovecot.imap(BOT)) as folder:
        (uid,) = folder.uids()
        folder.move(uid, "Elsewhere")
        assert folder.uids() == []
    assert len(dovecot.mails(BOT, "Elsewhere")) == 1


def test_reading_leaves_a_mail_unmarked(dovecot: Dovecot) -> None:
    _put(dovecot, 1)
    with Folder(dovecot.imap(BOT)) as folder:
        (uid,) = folder.uids()
        folder.looks([uid])
        folder.fetch(uid)
        folder.fetch_header(uid, 100)
        assert (
            folder._client.get_flags([uid]) == {uid: ()}
            or b"\\Seen" not in folder._client.get_flags([uid])[uid]
        )


def test_a_header_is_cut_at_the_limit(dovecot: Dovecot) -> None:
    _put(dovecot, 1)
    with Folder(dovecot.imap(BOT)) as folder:
        (uid,) = folder.uids()
        header = folder.fetch_header(uid, 10_000)
        assert header is not None
        assert header.endswith(b"Subject: 0\r\n\r\n")
        assert folder.fetch_header(uid, 20) == header[:20]


def test_a_mail_that_another_client_removed_is_passed_over(dovecot: Dovecot) -> None:
    _put(dovecot, 3)
    settings = dovecot.imap(BOT)
    with Folder(settings) as folder, Folder(settings) as other:
        first, second, third = folder.uids()
        other.move(first, settings.done)
        other.move(second, settings.done)
        assert folder.fetch(first) is None
        assert folder.fetch_header(first, 100) is None
        assert folder.look(second) is None
        folder.move(second, settings.refused)
        assert set(folder.looks([first, second, third])) == {third}
        assert folder.uids() == [third]


def test_a_thousand_looks_need_few_commands(dovecot: Dovecot) -> None:
    with Folder(dovecot.imap(BOT)) as folder:
        for number in range(12):
            folder.append("INBOX", _MAIL % number)
        uids = folder.uids()
        # UIDs that do not exist cost nothing and are left out
        looks = folder.looks(list(range(1, 1001)))
    assert list(looks) == uids
    assert len(uids) == 12


def test_uids_come_in_order_and_only_once(dovecot: Dovecot) -> None:
    _put(dovecot, 5)
    with Folder(dovecot.imap(BOT)) as folder:
        uids = folder.uids()
        assert uids == sorted(set(uids))
        assert folder.uids() == uids


def test_no_mail_is_lost_between_the_last_command_and_idle(dovecot: Dovecot) -> None:
    settings = dovecot.imap(BOT)
    with Folder(settings) as folder, Folder(settings) as other:
        for number in range(20):
            known = folder.uids()
            if number % 2:
                dovecot.deliver(BOT, _MAIL % number)
            else:
                other.append("INBOX", _MAIL % number)
            assert folder.wait(3600, _asked_at_most(60))
            assert len(folder.uids()) == len(known) + 1


def test_a_mail_told_of_in_the_answer_to_another_command_ends_the_wait(dovecot: Dovecot) -> None:
    _put(dovecot, 1)
    settings = dovecot.imap(BOT)
    with Folder(settings) as folder:
        (uid,) = folder.uids()
        _put(dovecot, 1)
        # Dovecot tells of the second mail in the answer to MOVE, and then never again
        folder.move(uid, settings.done)
        assert folder.wait(3600, _asked_at_most(3))
        assert len(folder.uids()) == 1


def test_a_wait_without_mail_ends_after_its_time(dovecot: Dovecot) -> None:
    with Folder(dovecot.imap(BOT)) as folder:
        folder.uids()
        assert folder.wait(0.2, _never) is False
        assert folder.uids() == []


def test_a_stop_ends_the_wait(dovecot: Dovecot) -> None:
    stopping = threading.Event()
    with Folder(dovecot.imap(BOT)) as folder:
        folder.uids()
        timer = threading.Timer(0.2, stopping.set)
        timer.start()
        assert folder.wait(3600, stopping.is_set) is False
        timer.join()


def test_a_good_token_logs_in(dovecot: Dovecot) -> None:
    with Folder(dovecot.imap(BOT, token_command=f"echo {dovecot.token(BOT)}")) as folder:
        assert folder.uids() == []


@pytest.mark.parametrize("fault", ["expired", "forged", "somebody else's"])
def test_a_bad_token_is_a_temporary_fault_that_says_so(dovecot: Dovecot, fault: str) -> None:
    token = {
        "expired": dovecot.token(BOT, seconds=-60),
        "forged": dovecot.token(BOT, key=b"x" * 40),
        "somebody else's": dovecot.token("officer@example.ac.jp"),
    }[fault]
    with (
        pytest.raises(ImapFault, match="OAuth2 token was refused") as caught,
        Folder(dovecot.imap(BOT, token_command=f"echo {token}")),
    ):
        pass  # fmt: skip
    assert caught.value.temporary


def test_a_token_command_that_fails_is_a_temporary_fault(dovecot: Dovecot) -> None:
    with (
        pytest.raises(ImapFault, match="token_command ended with 3") as caught,
        Folder(dovecot.imap(BOT, token_command="exit 3")),
    ):
        pass  # fmt: skip
    assert caught.value.temporary


def test_a_wrong_password_is_permanent_and_names_the_user(dovecot: Dovecot, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("wrong\n")
    with (
        pytest.raises(ImapFault, match=r"login as bot@example\.ac\.jp was refused") as caught,
        Folder(dovecot.imap(BOT, password_file=secret)),
    ):
        pass  # fmt: skip
    assert not caught.value.temporary
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("user", ODD_PASSWORDS)
def test_any_password_logs_in(dovecot: Dovecot, user: str) -> None:
    with Folder(dovecot.imap(user)) as folder:
        assert folder.uids() == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_an_unknown_ca_is_permanent_and_says_what_to_do(
    dovecot: Dovecot, tmp_path: Path, security: str
) -> None:
    other = make_tls(tmp_path)
    with (
        pytest.raises(ImapFault, match="is not trusted.*ca_file") as caught,
        Folder(dovecot.imap(BOT, security=security, ca_file=other.ca_file)),
    ):
        pass  # fmt: skip
    assert not caught.value.temporary


def test_a_certificate_for_another_name_is_refused(
    need: Callable[[str], str], server_directory: Path, tmp_path: Path
) -> None:
    other = make_tls(tmp_path, names=("mail.example.ac.jp",))
    server = start_dovecot(server_directory / "o", USERS, other, program=need("dovecot"))
    try:
        with pytest.raises(ImapFault, match="is not trusted.*IP address mismatch"), Folder(server.imap(BOT)):
            pass
    finally:
        server.stop()


def test_a_ca_file_that_is_missing_is_permanent(dovecot: Dovecot, tmp_path: Path) -> None:
    with (
        pytest.raises(ImapFault, match="ca_file .*No such file") as caught,
        Folder(dovecot.imap(BOT, ca_file=tmp_path / "none.pem")),
    ):
        pass  # fmt: skip
    assert not caught.value.temporary


def test_a_folder_that_is_not_there_is_permanent(dovecot: Dovecot) -> None:
    with (
        pytest.raises(ImapFault, match="opening the folders failed.*Nowhere") as caught,
        Folder(dovecot.imap(BOT, folder="Nowhere")),
    ):
        pass  # fmt: skip
    assert not caught.value.temporary


def test_a_closed_port_is_temporary(dovecot: Dovecot) -> None:
    (port,) = free_ports(1)
    with pytest.raises(ImapFault, match="connecting failed") as caught, Folder(dovecot.imap(BOT, port=port)):
        pass
    assert caught.value.temporary


def test_speaking_tls_to_the_starttls_port_is_a_fault_and_no_hang(dovecot: Dovecot) -> None:
    with (
        pytest.raises(ImapFault, match="connecting failed"),
        Folder(dovecot.imap(BOT, port=dovecot.imap_port)),
    ):
        pass


def test_the_pauses_between_attempts_grow_to_five_minutes() -> None:
    assert [backoff(attempt, 0.0) for attempt in (1, 2, 3, 4, 9, 10, 1000)] == [1, 2, 4, 8, 256, 300, 300]
    assert backoff(3, 0.5) == 5.0


def test_what_a_person_must_mend_is_tried_rarely() -> None:
    pauses = [backoff(attempt, 0.0, temporary=False) for attempt in range(1, 9)]
    assert pauses == [60, 120, 240, 480, 600, 600, 600, 600]
    assert backoff(1, 0.5, temporary=False) == 75
