"""The outbox: frozen mails, one row a recipient, each sent at least once and again only if the answer was lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, defer

from store.states import OutboxState
from store.tables import Outgoing

_WAITING = (OutboxState.QUEUED, OutboxState.RETRY, OutboxState.UNKNOWN)
_GIVE_UP_AFTER = timedelta(days=5)
# a mail that met a long outage still gets its hour of tries, e.g. against greylisting
_FEWEST_ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0  # seconds
# nothing waits longer (a pause and its jitter): what is due later than that was queued by a clock that ran ahead
_FARTHEST = timedelta(seconds=_LONGEST_PAUSE * 1.5)


def enqueue(
    session: Session,
    *,
    recipient: str,
    template: str,
    message_id: str,
    number: str | None,
    data: bytes,
    now: datetime,
) -> Outgoing:
    """Queue one mail to one recipient, due at once. `data` is the whole mail as it will go over the wire."""
    outgoing = Outgoing(
        recipient=recipient,
        template=template,
        message_id=message_id,
        number=number,
        data=data,
        state=OutboxState.QUEUED,
        attempts=0,
        queued_at=now,
        due_at=now,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def due(session: Session, now: datetime, limit: int) -> list[Outgoing]:
    """What may be sent now, the longest due first; `data` is read when it is touched."""
    found = session.scalars(
        select(Outgoing)
        .where(Outgoing.state.in_(_WAITING), or_(Outgoing.due_at <= now, Outgoing.due_at > now + _FARTHEST))
        .order_by(Outgoing.due_at, Outgoing.id)
        .limit(limit)
        .options(defer(Outgoing.data))
    )
    return list(found)


def begin(session: Session, id: int, now: datetime) -> Outgoing | None:
    """Say that sending starts now; commit before the first byte. None if another process was faster."""
    outgoing = session.get(Outgoing, id)
    if outgoing is None or outgoing.state not in _WAITING or now < outgoing.due_at <= now + _FARTHEST:
        return None
    outgoing.state = OutboxState.SENDING
    outgoing.attempts += 1
    return outgoing


def mark_sent(session: Session, id: int, now: datetime) -> Outgoing:
    """The server has taken it."""
    outgoing = session.get_one(Outgoing, id)
    outgoing.state, outgoing.sent_at, outgoing.error = OutboxState.SENT, now, None
    return outgoing


def mark_retry(session: Session, id: int, now: datetime, error: str, jitter: float) -> Outgoing:
    """The server has surely not taken it: try again later, or FAILED after five days. `jitter` in [0, 1)."""
    return _later(session, id, now, OutboxState.RETRY, error, jitter)


def mark_unknown(session: Session, id: int, now: datetime, error: str, jitter: float) -> Outgoing:
    """The server's answer was lost: send the same bytes again later, or FAILED after five days."""
    return _later(session, id, now, OutboxState.UNKNOWN, error, jitter)


def mark_failed(session: Session, id: int, now: datetime, error: str) -> Outgoing:
    """The server has refused it for good."""
    outgoing = session.get_one(Outgoing, id)
    outgoing.state, outgoing.error = OutboxState.FAILED, error
    return outgoing


def postpone(session: Session, ids: Sequence[int], until: datetime, error: str) -> None:
    """The server as a whole cannot be used: wait until then. Counts as no attempt, and nothing is given up."""
    session.execute(
        update(Outgoing)
        .where(Outgoing.id.in_(ids), Outgoing.state.in_(_WAITING))
        .values(due_at=until, error=error)
    )


def recover(session: Session, now: datetime) -> int:
    """Call when nobody sends, at start or under the lease: what a crash left in SENDING may have been taken.

    Returns how many these were. They are due at once.
    """
    stopped = session.scalars(
        select(Outgoing).where(Outgoing.state == OutboxState.SENDING).options(defer(Outgoing.data))
    ).all()
    for outgoing in stopped:
        outgoing.state, outgoing.due_at, outgoing.error = OutboxState.UNKNOWN, now, "stopped while sending"
    session.flush()
    return len(stopped)


def _later(
    session: Session, id: int, now: datetime, state: OutboxState, error: str, jitter: float
) -> Outgoing:
    outgoing = session.get_one(Outgoing, id)
    outgoing.error = error
    if now - outgoing.queued_at >= _GIVE_UP_AFTER and outgoing.attempts >= _FEWEST_ATTEMPTS:
        outgoing.state = OutboxState.FAILED
        outgoing.error = f"given up after {outgoing.attempts} attempts ({state}): {error}"
        return outgoing
    outgoing.state = state
    outgoing.due_at = now + timedelta(seconds=_pause(outgoing.attempts, jitter))
    return outgoing


def _pause(attempts: int, jitter: float) -> float:
    """1, 2, 4 ... 60 minutes, each longer by up to a half."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10))) * (1 + jitter / 2)
