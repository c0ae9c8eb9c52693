"""Applications, their rows, and what officers decided about them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import CursorResult, exists, func, select, update
from sqlalchemy.orm import Session

from store.states import APPLICATION_NEXT, ENTRY_NEXT, ApplicationState, EntryState, Kind
from store.tables import Application, Approval, Decision, Entry, PublicKey, RefusedSignature


def next_number(session: Session, day: str) -> str:
    """`A-20261122-0007`: counted within the day (`YYYYMMDD`). Call it under the write lock."""
    prefix = f"A-{day}-"
    count = session.scalar(select(func.count()).where(Application.number.startswith(prefix, autoescape=True)))
    return f"{prefix}{(count or 0) + 1:04d}"


def find_by_code(session: Session, code: str) -> Application | None:
    return session.scalar(select(Application).where(Application.code == code))


def keys_in_use(session: Session, sha256s: Collection[str], free_states: Collection[EntryState]) -> set[str]:
    """Those public keys that an entry outside `free_states` holds."""
    query = (
        select(PublicKey.sha256)
        .join(Entry, Entry.id == PublicKey.entry_id)
        .where(PublicKey.sha256.in_(sha256s), Entry.state.not_in(free_states))
    )
    return set(session.scalars(query))


def names_in_use(
    session: Session, institution: str, match_keys: Collection[str], free_states: Collection[EntryState]
) -> set[str]:
    """Those match keys (CN and OU) for which the institution has an entry outside `free_states`."""
    query = (
        select(Entry.match_key)
        .join(Application, Application.number == Entry.number)
        .where(
            Application.institution == institution,
            Entry.match_key.in_(match_keys),
            Entry.state.not_in(free_states),
        )
    )
    return set(session.scalars(query))


def serials_asked_for(session: Session, serials: Collection[str]) -> set[str]:
    """Those old serials that an undecided or unfinished row names already."""
    under_way = (EntryState.WAITING, EntryState.APPROVED, EntryState.SIGNING)
    query = select(Entry.old_serial).where(Entry.old_serial.in_(serials), Entry.state.in_(under_way))
    return {serial for serial in session.scalars(query) if serial}


def hold_keys(session: Session, entries: Iterable[Entry]) -> None:
    """Note each entry's public key as seen; one that only a dead entry held passes on."""
    for entry in entries:
        if entry.public_key_sha256 is None:
            continue
        known = session.get(PublicKey, entry.public_key_sha256)
        if known is None:
            session.add(PublicKey(sha256=entry.public_key_sha256, entry_id=entry.id))
        else:
            known.entry_id = entry.id


def move_entries(
    session: Session, entries: Collection[Entry], before: EntryState, after: EntryState
) -> list[Entry]:
    """Change state where it still is `before`; returns those that were changed. First come, first served.

    ValueError for a step that the table of states does not have: a fault of ours, never of a sender.
    """
    if after not in ENTRY_NEXT[before]:
        raise ValueError(f"a row cannot go from {before} to {after}")
    moved = []
    for entry in entries:
        statement = update(Entry).where(Entry.id == entry.id, Entry.state == before).values(state=after)
        result = session.execute(statement)
        assert isinstance(result, CursorResult)
        if result.rowcount:
            moved.append(entry)
    return moved


def move_application(
    session: Session, application: Application, before: ApplicationState, after: ApplicationState
) -> bool:
    """Change state where it still is `before`; False if somebody was faster. ValueError as in `move_entries`."""
    if after not in APPLICATION_NEXT[before]:
        raise ValueError(f"an application cannot go from {before} to {after}")
    statement = (
        update(Application)
        .where(Application.number == application.number, Application.state == before)
        .values(state=after)
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)


def is_signature_used(session: Session, signed_sha256: str) -> bool:
    return bool(session.scalar(select(exists().where(Decision.signed_sha256 == signed_sha256))))


def refuse_signature(session: Session, signed_sha256: str, number: str, reason: str, now: datetime) -> None:
    """Note that this signed text was refused for good; the first reason stays."""
    if session.get(RefusedSignature, signed_sha256) is None:
        session.add(
            RefusedSignature(signed_sha256=signed_sha256, number=number, reason=reason, refused_at=now)
        )
        session.flush()


def was_refused(session: Session, signed_sha256: str) -> bool:
    return session.get(RefusedSignature, signed_sha256) is not None


def decisions_on(session: Session, number: str) -> Sequence[Decision]:
    """All decisions carried out on an application, oldest first."""
    return session.scalars(select(Decision).where(Decision.number == number).order_by(Decision.id)).all()


def approvals_of(session: Session, entry: Entry) -> Sequence[Approval]:
    return session.scalars(select(Approval).where(Approval.entry_id == entry.id)).all()


def last_approved_at(session: Session, entry: Entry) -> datetime | None:
    """When the newest approval of this row was taken."""
    query = (
        select(func.max(Decision.decided_at))
        .join(Approval, Approval.decision_id == Decision.id)
        .where(Approval.entry_id == entry.id)
    )
    return session.scalar(query)


def with_approved_entries(
    session: Session, limit: int, kinds: Collection[Kind], without: Collection[str] = ()
) -> Sequence[Application]:
    """Applications with rows that officers approved and nobody has asked the CA for, oldest first.

    `without`: numbers to leave out, as those that were looked at already and must wait.
    """
    query = (
        select(Application)
        .where(
            Application.kind.in_(kinds),
            Application.number.not_in(without),
            exists().where(Entry.number == Application.number, Entry.state == EntryState.APPROVED),
        )
        .order_by(Application.received_at, Application.number)
        .limit(limit)
    )
    return session.scalars(query).all()


def past_deadline(session: Session, now: datetime) -> Sequence[Application]:
    query = select(Application).where(Application.state == ApplicationState.OPEN, Application.deadline < now)
    return session.scalars(query.order_by(Application.number)).all()


def held_since_before(session: Session, moment: datetime) -> Sequence[Application]:
    query = select(Application).where(
        Application.state == ApplicationState.HELD, Application.held_at < moment
    )
    return session.scalars(query.order_by(Application.number)).all()
