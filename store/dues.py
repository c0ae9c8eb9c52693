"""What is to be done at a time, each thing once: rows, not timers (threats 9, 'Time').

`what` is an application's number, a certificate's serial in decimal, a key's fingerprint, an institution's id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from store.slices import slices
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
    BATCH = "batch"  # an institution's id: all that is open, in one mail
    KEY_ENDING = "key-ending"  # a fingerprint: the end of an officer's key comes near
    DIGEST = "digest"  # "monitors": what the last day brought


_KINDS = tuple(kind.value for kind in DueKind)


@dataclass(frozen=True)
class Plan:
    """What is to be done: its kind, about what, when."""

    kind: DueKind
    what: str
    due_at: datetime


def plan_due(session: Session, kind: DueKind, what: str, due_at: datetime) -> None:
    """Note it, unless the very same was ever noted: a thing planned or done twice is done once."""
    plan_dues(session, [Plan(kind, what, due_at)])


def plan_dues(session: Session, plans: Collection[Plan]) -> None:
    """The same for several."""
    known: set[tuple[str, str, datetime]] = set()
    for some in slices(list({plan.what for plan in plans})):
        # some things come again for ever: their past is left alone
        is_one = (Due.what.in_(some), Due.due_at >= min(plan.due_at for plan in plans))
        query = select(Due.kind, Due.what, Due.due_at).where(*is_one)
        known.update((row.kind, row.what, row.due_at) for row in session.execute(query))
    new = [plan for plan in dict.fromkeys(plans) if (plan.kind.value, plan.what, plan.due_at) not in known]
    rows = [{"kind": plan.kind.value, "what": plan.what, "due_at": plan.due_at} for plan in new]
    if rows:
        session.execute(insert(Due), rows)


def open_dues(session: Session, now: datetime, limit: int) -> Sequence[Due]:
    """What is due, oldest first; of several missed ones of a kind about the same thing only the latest."""
    later = aliased(Due)
    is_overtaken = exists().where(
        later.what == Due.what,
        later.kind == Due.kind,
        # said in a way that keeps SQLite from going through all that is open of the kind
        later.done_at.is_not(None).is_(False),
        later.due_at <= now,
        later.due_at > Due.due_at,
    )
    query = (
        select(Due)
        .where(Due.kind.in_(_KINDS), Due.done_at.is_(None), Due.due_at <= now, ~is_overtaken)
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


def drop_future(session: Session, kind: DueKind, now: datetime) -> None:
    """Forget what is planned of this kind for later than `now`; what was missed stays."""
    session.execute(delete(Due).where(Due.kind == kind, Due.done_at.is_(None), Due.due_at > now))


def last_done(session: Session, kind: DueKind, what: str, before: datetime) -> datetime | None:
    """For when the last of this kind about `what` that is done was planned, if that was earlier than `before`."""
    is_same = (Due.kind == kind, Due.what == what, Due.done_at.is_not(None), Due.due_at < before)
    return session.scalar(select(func.max(Due.due_at)).where(*is_same))


def drop_kind(session: Session, kind: DueKind) -> None:
    """Forget all that is still open of this kind: it is about to be planned anew."""
    session.execute(delete(Due).where(Due.kind == kind, Due.done_at.is_(None)))
