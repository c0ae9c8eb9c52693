"""Applications, their rows, and what officers decided about them."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import CursorResult, bindparam, exists, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from store.slices import slices
from store.states import APPLICATION_NEXT, ENTRY_NEXT, ApplicationState, EntryState, Kind
from store.tables import (
    Application,
    Approval,
    Decision,
    Entry,
    OtherName,
    PublicKey,
    RefusedSignature,
    VoidSheet,
)

# built once: it is run twice for each application that comes in
_APPROVALS_ON = (
    select(Approval)
    .join(Entry, Entry.id == Approval.entry_id)
    .where(Entry.number == bindparam("number"))
    .order_by(Approval.decision_id)
)


def next_number(session: Session, day: str) -> str:
    """`A-20261122-0007`: counted within the day (`YYYYMMDD`). Call it under the write lock."""
    prefix = f"A-{day}-"
    # a range, which is found by the index (LIKE is not), from digit to digit: where a colon sorts the database says
    today = Application.number.between(f"{prefix}0", f"{prefix}{'9' * 9}")
    newest = session.scalar(select(func.max(Application.number)).where(today))
    taken = int(newest.removeprefix(prefix)) if newest else 0
    if taken > 9998:
        # 10000 sorts before 9999: such a day is counted
        taken = session.scalar(select(func.count()).where(today)) or 0
    return f"{prefix}{taken + 1:04d}"


def by_numbers(session: Session, numbers: Collection[str]) -> Sequence[Application]:
    """Oldest first."""
    query = select(Application).where(Application.number.in_(numbers))
    return session.scalars(query.order_by(Application.received_at, Application.number)).all()


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
    if not serials:
        return set()
    under_way = (EntryState.WAITING, EntryState.APPROVED, EntryState.SIGNING)
    query = select(Entry.old_serial).where(Entry.old_serial.in_(serials), Entry.state.in_(under_way))
    return {serial for serial in session.scalars(query) if serial}


def hold_keys(session: Session, entries: Iterable[Entry]) -> None:
    """Note each entry's public key as seen; one that only a dead entry held passes on."""
    wanted = {e.public_key_sha256: e.id for e in entries if e.public_key_sha256 is not None}
    known: set[str] = set()
    for some in slices(list(wanted)):
        for key in session.scalars(select(PublicKey).where(PublicKey.sha256.in_(some))):
            key.entry_id = wanted[key.sha256]
            known.add(key.sha256)
    session.add_all(PublicKey(sha256=s, entry_id=id) for s, id in wanted.items() if s not in known)


def keep_names(session: Session, entries: Iterable[Entry]) -> None:
    """Let each entry be found by every name of its certificate to be."""
    rows = [
        {"name": name, "entry_id": entry.id}
        for entry in entries
        for name in dict.fromkeys(entry.dns_names.split("\n"))
        if name != entry.fqdn
    ]
    if rows:
        session.execute(insert(OtherName), rows)


def key_holders(session: Session, number: str) -> dict[str, int]:
    """Of the public keys that an application's rows have: the id of the row that each is noted for."""
    query = (
        select(PublicKey.sha256, PublicKey.entry_id)
        .join(Entry, Entry.public_key_sha256 == PublicKey.sha256)
        .where(Entry.number == number)
    )
    return {row.sha256: row.entry_id for row in session.execute(query)}


def materials_of(decision: Decision) -> list[str]:
    """The SHA-256 of what its signature was verified with; what can't be read names nothing that is kept."""
    try:
        return [str(sha256) for sha256 in json.loads(decision.materials).values()]
    except (ValueError, AttributeError):
        return [""]


def move_entries(
    session: Session, entries: Collection[Entry], before: EntryState, after: EntryState
) -> list[Entry]:
    """Change state where it still is `before`; returns those that were changed. First come, first served.

    ValueError for a step that the table of states does not have: a fault of ours, never of a sender.
    """
    if after not in ENTRY_NEXT[before]:
        raise ValueError(f"a row cannot go from {before} to {after}")
    moved: set[int] = set()
    for some in slices([entry.id for entry in entries]):
        statement = update(Entry).where(Entry.id.in_(some), Entry.state == before).values(state=after)
        # what is in memory follows below: SQLAlchemy would compare every row that it knows with every condition
        statement = statement.execution_options(synchronize_session=False)
        moved.update(session.scalars(statement.returning(Entry.id)))
    found = [entry for entry in entries if entry.id in moved]
    for entry in found:
        set_committed_value(entry, "state", after)
    return found


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


def is_signature_used(session: Session, signed_sha256: str, fingerprint: str) -> bool:
    """Whether this key's signature over these bytes decided something before."""
    is_same = (Decision.signed_sha256 == signed_sha256, Decision.fingerprint == fingerprint)
    return bool(session.scalar(select(exists().where(*is_same))))


def refuse_signature(
    session: Session, signed: tuple[str, str], number: str | None, reason: str, now: datetime
) -> None:
    """Note that a signature was refused for good; the first reason stays.

    `signed`: hex SHA-256 of the signed bytes, and the fingerprint of the key.
    """
    if session.get(RefusedSignature, signed) is None:
        signed_sha256, fingerprint = signed
        session.add(
            RefusedSignature(
                signed_sha256=signed_sha256,
                fingerprint=fingerprint,
                number=number,
                reason=reason,
                refused_at=now,
            )
        )
        session.flush()


def was_refused(session: Session, signed_sha256: str, fingerprint: str) -> bool:
    return session.get(RefusedSignature, (signed_sha256, fingerprint)) is not None


def decisions_on(session: Session, number: str) -> Sequence[Decision]:
    """All decisions carried out on an application, oldest first."""
    return session.scalars(select(Decision).where(Decision.number == number).order_by(Decision.id)).all()


def approvals_of(session: Session, entry: Entry) -> Sequence[Approval]:
    """Oldest first."""
    query = select(Approval).where(Approval.entry_id == entry.id).order_by(Approval.decision_id)
    return session.scalars(query).all()


def approvals_on(session: Session, number: str) -> dict[int, list[Approval]]:
    """Of every row of an application, by the row's id, oldest first."""
    found: dict[int, list[Approval]] = {}
    for approval in session.scalars(_APPROVALS_ON, {"number": number}):
        found.setdefault(approval.entry_id, []).append(approval)
    return found


def signed_approvals_on(session: Session, number: str) -> dict[int, list[tuple[int, str]]]:
    """By the row's id: (decision, officer) of the approvals that say of their officer and application what the decision
    behind them says, oldest first."""
    query = (
        select(Approval.entry_id, Approval.decision_id, Approval.officer)
        .join(Decision, Decision.id == Approval.decision_id)
        .join(Entry, Entry.id == Approval.entry_id)
        .where(
            Entry.number == number,
            Approval.officer == Decision.officer,
            Decision.number == number,
        )
        .order_by(Approval.decision_id)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for row in session.execute(query):
        found.setdefault(row.entry_id, []).append((row.decision_id, row.officer))
    return found


def void_approvals(session: Session, entries: Collection[Entry]) -> list[str]:
    """Forget every approval of these rows; the signed texts (hex SHA-256) that gave them, oldest first."""
    gone: set[int] = set()
    for entry in entries:
        given = session.scalars(select(Approval).where(Approval.entry_id == entry.id)).all()
        gone.update(approval.decision_id for approval in given)
        for approval in given:
            session.delete(approval)
    session.flush()
    query = select(Decision.signed_sha256).where(Decision.id.in_(gone)).order_by(Decision.id)
    return list(session.scalars(query))


def void_sheet(session: Session, application: Application, now: datetime) -> None:
    """This application's code decides nothing from now on."""
    session.add(VoidSheet(code=application.code, number=application.number, voided_at=now))
    session.flush()


def find_by_void_code(session: Session, code: str) -> Application | None:
    """The application that had a sheet of this code."""
    void = session.get(VoidSheet, code)
    return session.get_one(Application, void.number) if void else None


def undecided(session: Session) -> Sequence[Application]:
    """Those that are open or on hold, oldest first."""
    states = (ApplicationState.OPEN, ApplicationState.HELD)
    query = select(Application).where(Application.state.in_(states))
    return session.scalars(query.order_by(Application.number)).all()


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
            # from the few rows to their applications, not the other way round
            Application.number.in_(select(Entry.number).where(Entry.state == EntryState.APPROVED)),
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
