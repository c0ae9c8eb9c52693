"""What is to be done at a time, each thing once: rows, not timers (threats 9, 'Time').

`what` is an application's number, or a certificate's serial in decimal.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from store.tables import Due


class DueKind(StrEnum):
    """What waits for its time. Each kind has one function in `handlers.remind`."""

    DECIDE = "decide"  # an application: officers have not decided
    FETCH = "not-downloaded"  # a serial: its applicant has not fetched it
    TELEPHONE = "telephone"  # a serial: the same, now the officers are asked to call
    REPLACE = "replace"  # a new serial: its applicant has not said that it is in place
    REVOKE_OLD = "re-notice"  # a new serial: the one it replaces is still valid
    EXPIRY = "expiry"  # a serial: its end comes near, its contact is told
    EXPIRY_OFFICERS = "expiry-officers"  # a serial: the same, the officers are told


def plan_due(session: Session, kind: DueKind, what: str, due_at: datetime) -> None:
    """Note it, unless the very same was ever noted: a thing planned or done twice is done once."""
    known = exists().where(Due.kind == kind, Due.what == what, Due.due_at == due_at)
    if not session.scalar(select(known)):
        session.add(Due(kind=kind, what=what, due_at=due_at))
        session.flush()


def open_dues(session: Session, now: datetime, limit: int) -> Sequence[Due]:
    """What is due, oldest first; of several missed ones of a kind about the same thing only the latest."""
    later = aliased(Due)
    is_overtaken = exists().where(
        later.what == Due.what,
        later.kind == Due.kind,
        later.done_at.is_(None),
        later.due_at <= now,
        later.due_at > Due.due_at,
    )
    query = (
        select(Due)
        .where(Due.done_at.is_(None), Due.due_at <= now, ~is_overtaken)
        .order_by(Due.due_at, Due.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def done(session: Session, due: Due, now: datetime) -> None:
    """Close it, and with it what was missed before it of the same kind about the same thing."""
    session.execute(
        update(Due)
        .where(Due.what == due.what, Due.kind == due.kind, Due.due_at <= due.due_at, Due.done_at.is_(None))
        .values(done_at=now)
    )


def drop_dues(session: Session, what: str, kinds: Collection[DueKind]) -> None:
    """Forget what is still open of these kinds about `what`: its ground is gone."""
    session.execute(delete(Due).where(Due.what == what, Due.kind.in_(kinds), Due.done_at.is_(None)))
