"""The outbox: frozen mails, one row a recipient, each sent at least once and again only if the answer was lost."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, defer

from store.leases import Holder, clock
from store.states import OutboxState
from store.tables import Outgoing

_WAITING = (OutboxState.QUEUED, OutboxState.RETRY, OutboxState.UNKNOWN)
# what a server may have taken; the others have surely not been on the way
_ON_THE_WAY = (OutboxState.SENDING, OutboxState.SENT, OutboxState.UNKNOWN)
_GIVE_UP_AFTER = timedelta(days=5)
# a mail that met a long outage still gets its hour of tries, e.g. against greylisting
_FEWEST_ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0  # seconds
# nothing waits longer (a pause and its jitter): what is due later than that was queued by a clock that ran ahead
_FARTHEST = timedelta(seconds=_LONGEST_PAUSE * 1.5)
_LONGEST_SENDING = timedelta(hours=1)  # nobody is believed to send one mail for longer


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
        counted=False,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def count_answers(session: Session, recipient: str, since: datetime) -> int:
    """How many answers that anybody could cause were queued for this address after `since`."""
    query = select(func.count()).where(
        Outgoing.recipient == recipient, Outgoing.queued_at > since, Outgoing.counted
    )
    return session.scalar(query) or 0


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


def begin(
    session: Session, id: int, now: datetime, holder: Holder, lasts: timedelta = _LONGEST_SENDING
) -> Outgoing | None:
    """Say that sending starts now; commit before the first byte. None if another process was faster, or just is.

    `lasts`: as long as sending may take, answers that never come included.
    """
    outgoing = session.get(Outgoing, id, with_for_update={"skip_locked": True}, populate_existing=True)
    if outgoing is None or outgoing.state not in _WAITING or now < outgoing.due_at <= now + _FARTHEST:
        return None
    outgoing.state, outgoing.holder = OutboxState.SENDING, holder.name
    outgoing.held_until = clock(session, now) + min(lasts, _LONGEST_SENDING)
    outgoing.attempts += 1
    return outgoing


def mark_sent(session: Session, id: int, now: datetime) -> Outgoing:
    """The server has taken it. Where it came back since, that stays."""
    outgoing = _locked(session, id)
    if outgoing.state is not OutboxState.FAILED:
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
    outgoing = _locked(session, id)
    if outgoing.state is OutboxState.SENDING:
        outgoing.state, outgoing.error = OutboxState.FAILED, error
    return outgoing


def with_message_ids(session: Session, message_ids: Collection[str]) -> list[Outgoing]:
    """The mails of ours that have these Message-IDs, oldest first."""
    found = session.scalars(
        select(Outgoing)
        .where(Outgoing.message_id.in_(message_ids))
        .order_by(Outgoing.id)
        .options(defer(Outgoing.data))
    )
    return list(found)


def mark_returned(outgoing: Outgoing, error: str) -> bool:
    """A server says that it took the mail and then gave it up: FAILED. False, and nothing changes, for a mail that
    failed already or that no server can have taken: only what was on the way comes back."""
    if outgoing.state not in _ON_THE_WAY:
        return False
    outgoing.state, outgoing.error = OutboxState.FAILED, error
    return True


def note_delay(outgoing: Outgoing, error: str) -> bool:
    """A server says that it took the mail and still tries: only noted. False where it is not SENT."""
    if outgoing.state is not OutboxState.SENT:
        return False
    outgoing.error = error
    return True


def has_failed_before(
    session: Session, outgoing: Outgoing, *, number: str | None = None, since: datetime | None = None
) -> bool:
    """Whether another mail to this recipient FAILED: of the application `number` where given, and only among those
    queued after `since` where given."""
    query = select(Outgoing.id).where(
        Outgoing.recipient == outgoing.recipient,
        Outgoing.state == OutboxState.FAILED,
        Outgoing.id != outgoing.id,
    )
    if number is not None:
        query = query.where(Outgoing.number == number)
    if since is not None:
        query = query.where(Outgoing.queued_at > since)
    return session.scalar(query.limit(1)) is not None


def postpone(session: Session, ids: Sequence[int], until: datetime, error: str) -> None:
    """The server as a whole cannot be used: wait until then. Counts as no attempt, and nothing is given up.

    A mail that waits longer by itself goes on doing so: were it the cause, it would hold up the others for ever.
    """
    is_sooner = or_(Outgoing.due_at < until, Outgoing.due_at > until + _FARTHEST)
    session.execute(
        update(Outgoing)
        .where(Outgoing.id.in_(ids), Outgoing.state.in_(_WAITING), is_sooner)
        .values(due_at=until, error=error)
    )


def recover(session: Session, now: datetime, holder: Holder) -> int:
    """Call when this process sends nothing: what it, or one that died, left in SENDING may have been taken.

    Returns how many these were. They are due at once. What another process on this machine sends is left alone as long
    as that lives, elsewhere as long as sending can last.
    """
    query = select(Outgoing).where(Outgoing.state == OutboxState.SENDING).options(defer(Outgoing.data))
    at = clock(session, now)
    stopped = [
        outgoing
        for outgoing in session.scalars(query.with_for_update(skip_locked=True))
        if _is_left(outgoing, at, holder)
    ]
    for outgoing in stopped:
        outgoing.state, outgoing.due_at, outgoing.error = OutboxState.UNKNOWN, now, "stopped while sending"
    session.flush()
    return len(stopped)


def _is_left(outgoing: Outgoing, now: datetime, holder: Holder) -> bool:
    if outgoing.holder is None or outgoing.held_until is None or outgoing.holder == holder.name:
        return True
    if holder.is_near(outgoing.holder):
        return holder.is_dead(outgoing.holder)
    # one that ends later than any begun now was begun before the clock was set back
    return not now < outgoing.held_until <= now + _LONGEST_SENDING


def _later(
    session: Session, id: int, now: datetime, state: OutboxState, error: str, jitter: float
) -> Outgoing:
    outgoing = _locked(session, id)
    if outgoing.state is not OutboxState.SENDING:
        return outgoing
    outgoing.error = error
    if now - outgoing.queued_at >= _GIVE_UP_AFTER and outgoing.attempts >= _FEWEST_ATTEMPTS:
        outgoing.state = OutboxState.FAILED
        outgoing.error = f"given up after {outgoing.attempts} attempts ({state}): {error}"
        return outgoing
    outgoing.state = state
    outgoing.due_at = now + timedelta(seconds=_pause(outgoing.attempts, jitter))
    return outgoing


def _locked(session: Session, id: int) -> Outgoing:
    """The row as it is now: a delivery report, or who took it over, may have been at it meanwhile."""
    unread = [defer(Outgoing.data)]
    return session.get_one(Outgoing, id, with_for_update=True, populate_existing=True, options=unread)


def _pause(attempts: int, jitter: float) -> float:
    """1, 2, 4 ... 60 minutes, each longer by up to a half."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10))) * (1 + jitter / 2)
