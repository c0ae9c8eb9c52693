"""The outbox's states: nothing lost, nothing doubled, and given up only after five days of real attempts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from store import outbox
from store.leases import Holder
from store.states import OutboxState
from store.tables import Base, Outgoing
from store.transaction import open_store, writing

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ME = Holder("host 1 1", lambda _: False, lambda _: False)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with writing(engine) as session:
        yield session


def _queue(session: Session, name: str = "1", now: datetime = NOW) -> Outgoing:
    return outbox.enqueue(
        session,
        recipient="applicant@example.ac.jp",
        template="applicant.received",
        message_id=f"<{name}@ringi.example.ac.jp>",
        number="A-20261122-0001",
        data=b"Subject: frozen\r\n\r\n" + name.encode() + b"\r\n",
        now=now,
    )


def _fail(session: Session, id: int, now: datetime, times: int) -> Outgoing:
    for _ in range(times):
        assert outbox.begin(session, id, now, ME)
        outgoing = outbox.mark_retry(session, id, now, "450 later", 0.0)
        now = outgoing.due_at
    return outgoing


def test_a_mail_queued_by_a_clock_that_ran_ahead_goes_out_once_the_clock_is_right(session: Session) -> None:
    queued = _queue(session, now=NOW + 365 * DAY)
    assert [mail.id for mail in outbox.due(session, NOW, 10)] == [queued.id]
    assert outbox.begin(session, queued.id, NOW, ME)
    retried = outbox.mark_retry(session, queued.id, NOW, "450 later", 0.999)
    assert outbox.due(session, NOW, 10) == []
    assert outbox.begin(session, retried.id, NOW, ME) is None


def test_a_queued_mail_is_due_at_once_with_the_bytes_it_was_frozen_with(session: Session) -> None:
    queued = _queue(session)
    session.expire_all()
    assert [mail.id for mail in outbox.due(session, NOW, 10)] == [queued.id]
    assert queued.data == b"Subject: frozen\r\n\r\n1\r\n"
    assert queued.state is OutboxState.QUEUED
    assert queued.attempts == 0


def test_the_longest_due_goes_first_and_the_limit_holds(session: Session) -> None:
    late = _queue(session, "late", NOW + MINUTE)
    early = _queue(session, "early", NOW)
    assert [mail.id for mail in outbox.due(session, NOW + 2 * MINUTE, 10)] == [early.id, late.id]
    assert [mail.id for mail in outbox.due(session, NOW + 2 * MINUTE, 1)] == [early.id]
    assert [mail.id for mail in outbox.due(session, NOW, 10)] == [early.id]


def test_only_one_of_two_processes_begins_a_mail(session: Session) -> None:
    queued = _queue(session)
    begun = outbox.begin(session, queued.id, NOW, ME)
    assert begun is not None
    assert begun.state is OutboxState.SENDING
    assert begun.attempts == 1
    assert outbox.begin(session, queued.id, NOW, ME) is None
    assert outbox.due(session, NOW, 10) == []


def test_a_mail_that_is_not_due_does_not_begin(session: Session) -> None:
    queued = _queue(session)
    outbox.postpone(session, [queued.id], NOW + MINUTE, "down")
    assert outbox.begin(session, queued.id, NOW, ME) is None
    assert outbox.begin(session, 4711, NOW, ME) is None


def test_a_sent_mail_is_never_due_again(session: Session) -> None:
    queued = _queue(session)
    outbox.begin(session, queued.id, NOW, ME)
    sent = outbox.mark_sent(session, queued.id, NOW)
    assert (sent.state, sent.sent_at, sent.error) == (OutboxState.SENT, NOW, None)
    assert outbox.due(session, NOW + 9 * DAY, 10) == []
    assert outbox.begin(session, queued.id, NOW + 9 * DAY, ME) is None


def test_a_refused_mail_is_never_due_again_and_keeps_the_reason(session: Session) -> None:
    queued = _queue(session)
    outbox.begin(session, queued.id, NOW, ME)
    assert outbox.mark_failed(session, queued.id, NOW, "550 who?").error == "550 who?"
    assert outbox.due(session, NOW + 9 * DAY, 10) == []


def test_the_pauses_double_up_to_an_hour(session: Session) -> None:
    queued, now, pauses = _queue(session), NOW, []
    for _ in range(9):
        assert outbox.begin(session, queued.id, now, ME)
        due_at = outbox.mark_retry(session, queued.id, now, "450 later", 0.0).due_at
        pauses.append((due_at - now) // MINUTE)
        now = due_at
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_jitter_lengthens_a_pause_by_up_to_a_half(session: Session) -> None:
    queued = _queue(session)
    outbox.begin(session, queued.id, NOW, ME)
    assert outbox.mark_unknown(session, queued.id, NOW, "lost", 0.999).due_at - NOW == timedelta(
        seconds=89.97
    )


@pytest.mark.parametrize("mark", [outbox.mark_retry, outbox.mark_unknown])
def test_a_mail_is_given_up_after_five_days(session: Session, mark) -> None:  # type: ignore[no-untyped-def]
    queued = _queue(session)
    _fail(session, queued.id, NOW, 6)
    almost, over = NOW + 5 * DAY - MINUTE, NOW + 5 * DAY
    outbox.begin(session, queued.id, almost, ME)
    assert mark(session, queued.id, almost, "450 later", 0.0).state is not OutboxState.FAILED
    outbox.begin(session, queued.id, over + DAY, ME)
    failed = mark(session, queued.id, over + DAY, "450 later", 0.0)
    assert failed.state is OutboxState.FAILED
    assert "given up after 8 attempts" in (failed.error or "")


def test_a_mail_that_waited_for_a_long_outage_gets_its_attempts_afterwards(session: Session) -> None:
    queued = _queue(session)
    outbox.postpone(session, [queued.id], NOW + 9 * DAY, "connection refused")
    assert _fail(session, queued.id, NOW + 9 * DAY, 4).state is OutboxState.RETRY
    assert _fail(session, queued.id, NOW + 10 * DAY, 1).state is OutboxState.FAILED


def test_postponing_counts_as_no_attempt_and_keeps_the_state(session: Session) -> None:
    first, second, sent = _queue(session, "1"), _queue(session, "2"), _queue(session, "3")
    outbox.begin(session, second.id, NOW, ME)
    outbox.mark_unknown(session, second.id, NOW, "lost", 0.0)
    outbox.begin(session, sent.id, NOW, ME)
    outbox.mark_sent(session, sent.id, NOW)
    outbox.postpone(session, [first.id, second.id, sent.id], NOW + 5 * MINUTE, "connection refused")
    assert (first.state, first.attempts, first.due_at) == (OutboxState.QUEUED, 0, NOW + 5 * MINUTE)
    assert (second.state, second.attempts, second.error) == (OutboxState.UNKNOWN, 1, "connection refused")
    assert sent.state is OutboxState.SENT
    assert sent.error is None


def test_what_a_crash_left_in_sending_is_unknown_and_due_at_once(session: Session) -> None:
    left, other = _queue(session, "1"), _queue(session, "2")
    outbox.begin(session, left.id, NOW, ME)
    assert outbox.recover(session, NOW + MINUTE, ME) == 1
    assert left.state is OutboxState.UNKNOWN
    assert other.state is OutboxState.QUEUED
    assert {mail.id for mail in outbox.due(session, NOW + MINUTE, 10)} == {left.id, other.id}
    assert outbox.recover(session, NOW + MINUTE, ME) == 0


def test_a_rolled_back_transaction_queues_nothing(engine: Engine) -> None:
    def queue_and_crash() -> None:
        with writing(engine) as session:
            _queue(session)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        queue_and_crash()
    with writing(engine) as session:
        assert outbox.due(session, NOW, 10) == []
