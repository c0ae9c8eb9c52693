"""The append-only journal: each entry holds the hash of the one before, so an edit breaks everything after it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.tables import JournalEntry

GENESIS = "0" * 64


def canonical(facts: Mapping[str, object]) -> str:
    """JSON with sorted keys, no spaces, all in ASCII: the same facts are always the same bytes."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def entry_hash(seq: int, at: datetime, event: str, facts: str, previous: str) -> str:
    """SHA-256 over the five fields, one a line; hex."""
    text = "\n".join((str(seq), at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), event, facts, previous))
    return hashlib.sha256(text.encode()).hexdigest()


def head(session: Session) -> str:
    """The hash of the newest entry, or 64 zeros for an empty journal."""
    found = session.scalar(select(JournalEntry.hash).order_by(JournalEntry.seq.desc()).limit(1))
    return found or GENESIS


def append(session: Session, at: datetime, event: str, facts: Mapping[str, object]) -> str:
    """Add one entry and return its hash. Call it under the write lock: two writers must not see the same head."""
    last = session.execute(
        select(JournalEntry.seq, JournalEntry.hash).order_by(JournalEntry.seq.desc()).limit(1)
    ).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    at = at.replace(microsecond=0)
    text = canonical(facts)
    digest = entry_hash(seq, at, event, text, previous)
    session.add(JournalEntry(seq=seq, at=at, event=event, facts=text, previous=previous, hash=digest))
    session.flush()
    return digest


def entries(session: Session) -> Iterator[JournalEntry]:
    """All entries, oldest first, streamed."""
    yield from session.scalars(
        select(JournalEntry).order_by(JournalEntry.seq).execution_options(yield_per=500)
    )


def first_fault(session: Session) -> str | None:
    """None if the chain holds, else what is wrong with the first entry that does not fit."""
    previous = GENESIS
    for seq, entry in enumerate(entries(session), start=1):
        if entry.seq != seq:
            return f"entry {seq} is missing"
        if entry.previous != previous:
            return f"entry {seq} does not follow the one before"
        if entry.hash != entry_hash(entry.seq, entry.at, entry.event, entry.facts, entry.previous):
            return f"entry {seq} was changed"
        previous = entry.hash
    return None
