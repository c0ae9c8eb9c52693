"""The append-only journal: each entry holds the hash of the one before, so an edit breaks everything after it."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from store.tables import JournalEntry

GENESIS = "0" * 64
_AT_ONCE = 500


class JournalFault(OperationalError):
    """The world's fault: an entry could not be written, so what it tells of must not be done (mail-protocol 6).

    Whatever kept it out, it is met like a store that can't be used: the transaction is lost, and when the journal
    takes entries again, the next round does the work.
    """

    temporary = True


@dataclass(frozen=True)
class Line:
    """One entry as it is stored. `facts`: canonical JSON; hashes in hex."""

    seq: int
    at: datetime
    event: str
    facts: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Chain:
    """What a walk over all entries found. `fault`: what is wrong with the first that does not fit, None if all do.

    `found`: of the hashes that were looked for, those that stand in the chain: the SEQ and the time of the entry.
    """

    length: int
    head: str
    newest: datetime | None
    fault: str | None
    found: Mapping[str, tuple[int, datetime | None]] = field(default_factory=dict)


def canonical(facts: Mapping[str, object]) -> str:
    """JSON with sorted keys, no spaces, all in ASCII: the same facts are always the same bytes."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def entry_hash(seq: int, at: datetime, event: str, facts: str, previous: str) -> str:
    """SHA-256 over the number, the time, the event, the SHA-256 of the facts and the hash before, one a line; hex.

    Of the facts only their digest is in it: the chain can be shown to somebody who must not read them all.
    """
    text = "\n".join((str(seq), written_time(at), event, facts_digest(facts), previous))
    return hashlib.sha256(text.encode()).hexdigest()


def facts_digest(facts: str) -> str:
    return hashlib.sha256(facts.encode()).hexdigest()


def written_time(at: datetime) -> str:
    """As it is hashed: 2026-11-22T03:04:05Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(session: Session) -> str:
    """The hash of the newest entry, or 64 zeros for an empty journal."""
    found = session.scalar(select(JournalEntry.hash).order_by(JournalEntry.seq.desc()).limit(1))
    return found or GENESIS


def append(session: Session, at: datetime, event: str, facts: Mapping[str, object]) -> str:
    """Add one entry and return its hash. Call it under the write lock: two writers must not see the same head.

    Raises JournalFault where the entry can't be written.
    """
    return append_all(session, at, event, [facts])


def append_all(session: Session, at: datetime, event: str, facts: Sequence[Mapping[str, object]]) -> str:
    """The same for several of one kind; the hash of the last."""
    # what others left to be written is theirs to fail with
    session.flush()
    seq, previous = newest_line(session)
    at = at.replace(microsecond=0)
    rows = []
    for each in facts:
        seq, text = seq + 1, canonical(each)
        digest = entry_hash(seq, at, event, text, previous)
        rows.append(
            {"seq": seq, "at": at, "event": event, "facts": text, "previous": previous, "hash": digest}
        )
        previous = digest
    try:
        if rows:
            session.execute(insert(JournalEntry), rows)
    except DatabaseError as error:
        cause = error.orig or Exception(type(error).__name__)
        raise JournalFault(error.statement, None, cause, hide_parameters=True) from error
    return previous


def newest_line(session: Session) -> tuple[int, str]:
    """SEQ and hash of the newest entry; (0, 64 zeros) for an empty journal."""
    last = session.execute(
        select(JournalEntry.seq, JournalEntry.hash).order_by(JournalEntry.seq.desc()).limit(1)
    ).first()
    return (last.seq, last.hash) if last else (0, GENESIS)


def newest(session: Session, event: str) -> JournalEntry | None:
    """The last entry of this kind."""
    query = select(JournalEntry).where(JournalEntry.event == event)
    return session.scalar(query.order_by(JournalEntry.seq.desc()).limit(1))


def entries(session: Session) -> Iterator[JournalEntry]:
    """All entries, oldest first, streamed."""
    yield from session.scalars(
        select(JournalEntry).order_by(JournalEntry.seq).execution_options(yield_per=_AT_ONCE)
    )


def lines(session: Session, first: int | None = 1) -> Iterator[Line]:
    """The entries from SEQ `first` on (None: whatever there is), oldest first, streamed: however many there are, only
    some are in memory."""
    table = JournalEntry.__table__.c
    query = select(table.seq, table.at, table.event, table.facts, table.previous, table.hash)
    if first is not None:
        query = query.where(table.seq >= first)
    query = query.order_by(table.seq).execution_options(yield_per=_AT_ONCE)
    for row in session.execute(query):
        yield Line(*row)


def walk(session: Session, wanted: Collection[str] = ()) -> Chain:
    """Check the whole chain, and look for `wanted` hashes in it. The walk goes on behind a fault: what was saved
    elsewhere may tell more of it."""
    previous, seq, newest, fault = GENESIS, 0, None, None
    found: dict[str, tuple[int, datetime | None]] = {GENESIS: (0, None)} if GENESIS in wanted else {}
    try:
        for seq, line in enumerate(lines(session, first=None), start=1):
            fault = fault or _line_fault(line, seq, previous)
            if line.hash in wanted:
                found[line.hash] = (line.seq, line.at)
            previous, newest = line.hash, line.at
    except (ValueError, TypeError, AttributeError):
        # somebody wrote into it what is no time or no text
        fault = fault or f"entry {seq + 1} can't be read"
    return Chain(seq, previous, newest, fault, found)


def first_fault(session: Session) -> str | None:
    """None if the chain holds, else what is wrong with the first entry that does not fit."""
    return walk(session).fault


def _line_fault(line: Line, seq: int, previous: str) -> str | None:
    if line.seq != seq:
        return f"entry {seq} is missing"
    if line.previous != previous:
        return f"entry {seq} does not follow the one before"
    # a fraction of a second is in no hash
    if line.at.microsecond or line.hash != entry_hash(
        line.seq, line.at, line.event, line.facts, line.previous
    ):
        return f"entry {seq} was changed"
    return None
