"""The SMTP edge: against a real Postfix, and against servers that say exactly the wrong thing."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.bench.servers.dovecot import write_secret
from bot.bench.servers.running import free_ports
from bot.bench.servers.tls import make_tls
from bot.config import Smtp
from bot.deliver import DeliveryReport, deliver_due
from bot.smtp import SmtpFault, probe_smtp
from store import outbox
from store.states import OutboxState
from store.tables import Base, Outgoing
from store.transaction import open_store, reading, writing
from tests.servers.people import APPLICANT, BOT, ODD_PASSWORDS, OFFICER
from tests.servers.postfix import MailServers
from tests.servers.scripted import Line, served

pytest_plugins = ("tests.servers.fixtures",)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def _queue(engine: Engine, *recipients: str, body: bytes = b"hello\r\n") -> None:
    with writing(engine) as session:
        for place, recipient in enumerate(recipients):
            message_id = f"<{place}.{recipient}>"
            outbox.enqueue(
                session,
                recipient=recipient,
                template="applicant.received",
                message_id=message_id,
                number=None,
                data=b"From: %s\r\nMessage-ID: %s\r\n\r\n" % (BOT.encode(), message_id.encode()) + body,
                now=NOW,
            )


def _deliver(
    engine: Engine,
    settings: Smtp,
    now: datetime = NOW,
    on_failed: Callable[[Session, Outgoing], None] | None = None,
) -> DeliveryReport:
    return deliver_due(engine, settings, sender=BOT, now=lambda: now, rng=lambda: 0.0, on_failed=on_failed)


def _rows(engine: Engine) -> list[Outgoing]:
    with reading(engine) as session:
        return list(session.scalars(select(Outgoing).order_by(Outgoing.id)))


def _states(engine: Engine) -> list[OutboxState]:
    return [row.state for row in _rows(engine)]


def _arrived(servers: MailServers, user: str, count: int = 1) -> list[bytes]:
    deadline = time.monotonic() + 20
    while len(mails := servers.dovecot.mails(user)) < count:
        assert time.monotonic() < deadline, f"{len(mails)} of {count} mails came"
        time.sleep(0.02)
    return mails


# -- a real server


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_each_kind_of_connection_delivers_after_a_login(
    engine: Engine, mail_servers: MailServers, security: str
) -> None:
    _queue(engine, APPLICANT, f"{OFFICER[:7]}+issue@example.ac.jp")
    assert _deliver(engine, mail_servers.postfix.smtp(BOT, security=security)) == DeliveryReport(sent=2)
    (mail,) = _arrived(mail_servers, APPLICANT)
    assert mail.startswith(b"Return-Path: <bot@example.ac.jp>\r\n")
    assert b"ESMTPSA" in mail or b"ESMTPS" in mail
    assert len(_arrived(mail_servers, OFFICER)) == 1
    assert [row.sent_at for row in _rows(engine)] == [NOW, NOW]


def test_a_server_on_loopback_needs_no_login(engine: Engine, mail_servers: MailServers) -> None:
    _queue(engine, APPLICANT)
    settings = Smtp(host="127.0.0.1", port=mail_servers.postfix.smtp_port, security="none")
    assert _deliver(engine, settings) == DeliveryReport(sent=1)
    assert len(_arrived(mail_servers, APPLICANT)) == 1


def test_a_token_logs_in(engine: Engine, mail_servers: MailServers) -> None:
    _queue(engine, APPLICANT)
    token = mail_servers.dovecot.token(BOT)
    settings = mail_servers.postfix.smtp(BOT, token_command=f"echo {token}")
    assert _deliver(engine, settings) == DeliveryReport(sent=1)


@pytest.mark.parametrize("user", ODD_PASSWORDS)
def test_any_password_logs_in(mail_servers: MailServers, user: str) -> None:
    probe_smtp(mail_servers.postfix.smtp(user))


def test_the_frozen_bytes_arrive_unchanged(engine: Engine, mail_servers: MailServers) -> None:
    body = b".\r\n..\r\n.dot\r\n" + b"x" * 998 + b"\r\n \r\n\tend \r\n-- \r\n"
    _queue(engine, APPLICANT, body=body)
    _deliver(engine, mail_servers.postfix.smtp(BOT))
    (mail,) = _arrived(mail_servers, APPLICANT)
    assert mail.endswith(b"\r\n\r\n" + body)


def test_an_unknown_recipient_fails_at_once_and_the_others_get_theirs(
    engine: Engine, mail_servers: MailServers
) -> None:
    told: list[tuple[str, OutboxState]] = []

    def tell(session: Session, outgoing: Outgoing) -> None:
        told.append((outgoing.recipient, outgoing.state))
        assert session.in_transaction()

    _queue(engine, "nobody@example.ac.jp", APPLICANT)
    report = _deliver(engine, mail_servers.postfix.smtp(BOT), on_failed=tell)
    assert report == DeliveryReport(sent=1, failed=1)
    assert "550 5.1.1" in (_rows(engine)[0].error or "")
    assert told == [("nobody@example.ac.jp", OutboxState.FAILED)]
    assert len(_arrived(mail_servers, APPLICANT)) == 1


@pytest.mark.parametrize("address", ["利用者@example.ac.jp", "a b@example.ac.jp", "a@b>\r\nRCPT TO:<c@d"])
def test_an_address_that_smtp_cannot_carry_fails_and_the_others_get_theirs(
    engine: Engine, mail_servers: MailServers, address: str
) -> None:
    _queue(engine, address, APPLICANT)
    assert _deliver(engine, mail_servers.postfix.smtp(BOT)) == DeliveryReport(sent=1, failed=1)
    assert _states(engine) == [OutboxState.FAILED, OutboxState.SENT]


def test_while_the_server_is_down_nothing_is_lost_and_nothing_counts(
    engine: Engine, mail_servers: MailServers
) -> None:
    (port,) = free_ports(1)
    _queue(engine, APPLICANT, OFFICER)
    report = _deliver(engine, mail_servers.postfix.smtp(BOT, port=port))
    assert "connecting failed" in (report.fault or "")
    assert report.retry == 0
    rows = _rows(engine)
    assert [(row.attempts, row.due_at) for row in rows] == [(0, NOW + timedelta(minutes=1))] * 2
    assert all("connecting failed" in (row.error or "") for row in rows)
    settings = mail_servers.postfix.smtp(BOT)
    assert _deliver(engine, settings) == DeliveryReport()
    assert _deliver(engine, settings, NOW + timedelta(minutes=1)) == DeliveryReport(sent=2)
    assert len(_arrived(mail_servers, APPLICANT)) == 1
    assert [row.error for row in _rows(engine)] == [None, None]


def test_a_wrong_password_loses_nothing_and_is_tried_rarely(
    engine: Engine, mail_servers: MailServers, tmp_path: Path
) -> None:
    secret = write_secret(tmp_path / "password", "wrong")
    _queue(engine, APPLICANT)
    report = _deliver(engine, mail_servers.postfix.smtp(BOT, password_file=secret))
    assert "login as bot@example.ac.jp failed: 535" in (report.fault or "")
    assert _states(engine) == [OutboxState.QUEUED]
    assert _rows(engine)[0].due_at == NOW + timedelta(minutes=10)
    with pytest.raises(SmtpFault) as caught:
        probe_smtp(mail_servers.postfix.smtp(BOT, password_file=secret))
    assert not caught.value.temporary


def test_an_expired_token_is_a_temporary_fault(mail_servers: MailServers) -> None:
    token = mail_servers.dovecot.token(BOT, seconds=-60)
    with pytest.raises(SmtpFault, match="login as .* failed: 535") as caught:
        probe_smtp(mail_servers.postfix.smtp(BOT, token_command=f"echo {token}"))
    assert caught.value.temporary


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_an_unknown_ca_is_permanent_and_says_what_to_do(
    mail_servers: MailServers, tmp_path: Path, security: str
) -> None:
    other = make_tls(tmp_path)
    with pytest.raises(SmtpFault, match="is not trusted.*ca_file") as caught:
        probe_smtp(mail_servers.postfix.smtp(BOT, security=security, ca_file=other.ca_file))
    assert not caught.value.temporary


def test_the_probe_logs_in(mail_servers: MailServers) -> None:
    probe_smtp(mail_servers.postfix.smtp(BOT))


# -- servers that say exactly the wrong thing


def _settings(port: int, **changes: object) -> Smtp:
    return Smtp.model_validate(
        {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 600} | changes
    )


def _greet(line: Line) -> None:
    line.say(b"220 ready\r\n")
    assert line.hear().startswith(b"EHLO ")
    line.say(b"250-here\r\n250 PIPELINING\r\n")


def _hear(line: Line, expected: bytes, answer: bytes) -> None:
    assert line.hear() == expected
    line.say(answer + b"\r\n")


def _hear_data(line: Line, answer: bytes | None) -> bytes:
    _hear(line, b"DATA", b"354 go on")
    lines = []
    while (text := line.hear()) != b".":
        lines.append(text)
    if answer:
        line.say(answer + b"\r\n")
    return b"\r\n".join(lines) + b"\r\n"


def _mail_and_rcpt(line: Line, recipient: str = APPLICANT, answer: bytes = b"250 yes") -> None:
    _hear(line, b"MAIL FROM:<bot@example.ac.jp>", b"250 yes")
    _hear(line, f"RCPT TO:<{recipient}>".encode(), answer)


def _quit(line: Line) -> None:
    _hear(line, b"QUIT", b"221 bye")


def test_a_lost_answer_to_data_is_unknown_and_the_same_bytes_go_out_again(engine: Engine) -> None:
    taken: list[bytes] = []

    def loses_the_answer(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        taken.append(_hear_data(line, None))

    def answers(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        taken.append(_hear_data(line, b"250 taken"))
        _quit(line)

    _queue(engine, APPLICANT, body=b"one\r\n")
    with served(loses_the_answer, answers) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(unknown=1)
        (row,) = _rows(engine)
        assert (row.state, row.attempts) == (OutboxState.UNKNOWN, 1)
        assert _deliver(engine, _settings(port), row.due_at) == DeliveryReport(sent=1)
    assert taken[0] == taken[1] == row.data
    assert row.message_id.encode() in taken[1]


def test_a_burst_ends_between_two_mails_when_the_round_must(engine: Engine) -> None:
    """A lease would run out, and a SIGTERM wait, while a slow server takes fifty mails."""

    def takes_one(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    asked = iter((True, False))
    with served(takes_one) as port:
        report = deliver_due(
            engine,
            _settings(port),
            sender=BOT,
            now=lambda: NOW,
            rng=lambda: 0.0,
            is_wanted=lambda: next(asked),
        )
    assert report == DeliveryReport(sent=1)
    assert _states(engine) == [OutboxState.SENT, OutboxState.QUEUED]


def test_silence_after_data_is_unknown(engine: Engine) -> None:
    def is_silent(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        _hear_data(line, None)
        line.wait_for_end()

    _queue(engine, APPLICANT)
    with served(is_silent) as port:
        report = _deliver(engine, _settings(port, timeout=1))
    assert (report.unknown, _states(engine)) == (1, [OutboxState.UNKNOWN])


@pytest.mark.parametrize("answer", [b"xyz", b"250", b"299 maybe", b"354 more"])
def test_an_answer_to_data_that_is_neither_yes_nor_no_is_never_taken_for_a_no(
    engine: Engine, answer: bytes
) -> None:
    def mumbles(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        _hear_data(line, answer)
        while command := line.hear():
            line.say(b"221 bye\r\n" if command == b"QUIT" else b"250 yes\r\n")

    _queue(engine, APPLICANT)
    with served(mumbles) as port:
        _deliver(engine, _settings(port))
    assert _states(engine) == [OutboxState.SENT if answer == b"250" else OutboxState.UNKNOWN]


@pytest.mark.parametrize(
    ("answer", "state"), [(b"451 later", OutboxState.RETRY), (b"554 spam", OutboxState.FAILED)]
)
def test_a_refusal_of_the_text_is_what_its_first_digit_says(
    engine: Engine, answer: bytes, state: OutboxState
) -> None:
    def refuses(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        _hear_data(line, answer)
        _hear(line, b"RSET", b"250 yes")
        _mail_and_rcpt(line, OFFICER)
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    with served(refuses) as port:
        _deliver(engine, _settings(port))
    first, second = _rows(engine)
    assert (first.state, first.error) == (state, answer.decode())
    assert second.state is OutboxState.SENT


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"450 greylisted", OutboxState.RETRY),
        (b"550 who?", OutboxState.FAILED),
    ],
)
def test_a_refused_recipient_does_not_touch_the_next_one(
    engine: Engine, answer: bytes, state: OutboxState
) -> None:
    def refuses(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line, APPLICANT, answer)
        _hear(line, b"RSET", b"250 yes")
        _mail_and_rcpt(line, OFFICER)
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    with served(refuses) as port:
        _deliver(engine, _settings(port))
    assert _states(engine) == [state, OutboxState.SENT]


def test_an_answer_that_is_no_smtp_is_a_retry_on_a_new_connection(engine: Engine) -> None:
    def mumbles(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line, APPLICANT, b"xyz")
        line.wait_for_end()

    def takes(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line, OFFICER)
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    with served(mumbles, takes) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=1, retry=1)
    assert _states(engine) == [OutboxState.RETRY, OutboxState.SENT]


def test_a_connection_lost_before_data_is_a_retry_and_the_next_mail_gets_a_new_one(engine: Engine) -> None:
    def hangs_up(line: Line) -> None:
        _greet(line)
        _hear(line, b"MAIL FROM:<bot@example.ac.jp>", b"250 yes")
        line.hear()

    def takes(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line, OFFICER)
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    with served(hangs_up, takes) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=1, retry=1)
    assert _states(engine) == [OutboxState.RETRY, OutboxState.SENT]


@pytest.mark.parametrize(
    ("answer", "minutes"), [(b"421 too many mails", 1), (b"451 busy", 1), (b"553 not your address", 10)]
)
def test_a_refused_sender_stops_the_burst_and_counts_for_one_mail_only(
    engine: Engine, answer: bytes, minutes: int
) -> None:
    def refuses(line: Line) -> None:
        _greet(line)
        _hear(line, b"MAIL FROM:<bot@example.ac.jp>", answer)
        if not answer.startswith(b"421"):
            _quit(line)

    _queue(engine, APPLICANT, OFFICER)
    with served(refuses) as port:
        report = _deliver(engine, _settings(port))
    assert (report.retry, report.sent) == (1, 0)
    assert "the sender was refused" in (report.fault or "")
    assert [(row.attempts, row.due_at) for row in _rows(engine)] == [
        (1, NOW + timedelta(minutes=minutes)),
        (0, NOW + timedelta(minutes=minutes)),
    ]


def test_a_missing_login_is_our_fault_and_no_mail_is_lost(engine: Engine) -> None:
    def wants_a_login(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line, APPLICANT, b"530 5.7.0 authentication required")
        _hear(line, b"RSET", b"250 yes")
        _quit(line)

    _queue(engine, APPLICANT)
    with served(wants_a_login) as port:
        assert "wants a login" in (_deliver(engine, _settings(port)).fault or "")
    assert _states(engine) == [OutboxState.RETRY]


@pytest.mark.parametrize(
    ("greeting", "temporary"), [(b"421 full", True), (b"554 go away", False), (b"", True)]
)
def test_a_greeting_that_is_no_welcome_is_a_fault(greeting: bytes, temporary: bool) -> None:
    def refuses(line: Line) -> None:
        if greeting:
            line.say(greeting + b"\r\n")

    with served(refuses) as port, pytest.raises(SmtpFault, match="connecting failed") as caught:
        probe_smtp(_settings(port))
    assert caught.value.temporary is temporary


def test_without_STARTTLS_no_password_is_sent(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def offers_no_tls(line: Line) -> None:
        line.say(b"220 ready\r\n")
        line.hear()
        line.say(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
        while command := line.hear():
            heard.append(command)
            line.say(b"221 bye\r\n")

    secret = write_secret(tmp_path / "password", "secret-word")
    with served(offers_no_tls) as port, pytest.raises(SmtpFault, match="STARTTLS") as caught:
        probe_smtp(_settings(port, security="starttls", user=BOT, password_file=secret))
    assert not caught.value.temporary
    assert not any(command.startswith(b"AUTH") for command in heard)


def test_sending_is_committed_before_the_first_byte_goes_out(engine: Engine) -> None:
    seen: list[OutboxState] = []

    def looks_into_the_store(line: Line) -> None:
        _greet(line)
        assert line.hear().startswith(b"MAIL")
        seen.extend(_states(engine))
        line.say(b"250 yes\r\n")
        _hear(line, b"RCPT TO:<%s>" % APPLICANT.encode(), b"250 yes")
        _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, APPLICANT)
    with served(looks_into_the_store) as port:
        _deliver(engine, _settings(port))
    assert seen == [OutboxState.SENDING]


def test_a_yes_is_committed_with_the_next_mails_beginning_and_the_last_by_itself(engine: Engine) -> None:
    seen: list[list[OutboxState]] = []

    def looks_into_the_store(line: Line) -> None:
        _greet(line)
        for recipient in ("a@example.ac.jp", "b@example.ac.jp"):
            assert line.hear().startswith(b"MAIL")
            seen.append(_states(engine))
            line.say(b"250 yes\r\n")
            _hear(line, b"RCPT TO:<%s>" % recipient.encode(), b"250 yes")
            _hear_data(line, b"250 taken")
        assert line.hear() == b"QUIT"
        seen.append(_states(engine))
        line.say(b"221 bye\r\n")

    _queue(engine, "a@example.ac.jp", "b@example.ac.jp")
    with served(looks_into_the_store) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=2)
    assert seen == [
        [OutboxState.SENDING, OutboxState.QUEUED],
        [OutboxState.SENT, OutboxState.SENDING],
        [OutboxState.SENT, OutboxState.SENT],
    ]


@pytest.mark.parametrize("moment", ["before_cursor_execute", "commit"])
def test_a_yes_is_written_down_at_last_where_the_store_fails(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A database that is restarted between the server's yes and our record of it: each mail goes out once."""

    def takes_both(line: Line) -> None:
        _greet(line)
        for recipient in ("a@example.ac.jp", "b@example.ac.jp"):
            _mail_and_rcpt(line, recipient)
            _hear_data(line, None)
            failures.extend(["the database is starting up", "the database is gone"])
            line.say(b"250 taken\r\n")
        _quit(line)

    def fail(_connection: object, _cursor: object = None, statement: str = "UPDATE", *_rest: object) -> None:
        if failures and statement.startswith("UPDATE"):
            raise OperationalError(statement, None, Exception(failures.pop()))

    _queue(engine, "a@example.ac.jp", "b@example.ac.jp")
    monkeypatch.setattr("bot.deliver._SETTLE_PAUSE", 0.0)
    failures: list[str] = []
    event.listen(engine, moment, fail)
    with served(takes_both) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=2)
    assert _states(engine) == [OutboxState.SENT, OutboxState.SENT]
    assert not failures


def test_a_burst_uses_one_connection(engine: Engine) -> None:
    recipients = [f"user{n}@example.ac.jp" for n in range(20)]

    def takes_all(line: Line) -> None:
        _greet(line)
        for recipient in recipients:
            _mail_and_rcpt(line, recipient)
            _hear_data(line, b"250 taken")
        _quit(line)

    _queue(engine, *recipients)
    with served(takes_all) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=20)


def test_nothing_due_opens_no_connection(engine: Engine) -> None:
    assert _deliver(engine, _settings(1)) == DeliveryReport()


def test_a_server_that_answers_quit_with_silence_does_not_hold_us(engine: Engine) -> None:
    def never_says_bye(line: Line) -> None:
        _greet(line)
        _mail_and_rcpt(line)
        _hear_data(line, b"250 taken")
        # the time-out of an answer is ten minutes; this play loses patience long before
        line.wait_for_end()

    _queue(engine, APPLICANT)
    with served(never_says_bye) as port:
        assert _deliver(engine, _settings(port)) == DeliveryReport(sent=1)
