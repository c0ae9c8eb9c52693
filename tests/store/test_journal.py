"""The journal: every edit, removal and reordering breaks the chain, and what can't be written is not done."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.exc import OperationalError

from store import inbox, journal
from store.journal import GENESIS
from store.tables import Base, JournalEntry
from store.transaction import open_store, reading, writing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    with writing(engine) as session:
        for n in range(5):
            journal.append(session, NOW + timedelta(seconds=n), "event", {"n": n, "who": "鈴木"})
    yield engine
    engine.dispose()


def fault(engine: Engine) -> str | None:
    with reading(engine) as session:
        return journal.first_fault(session)


def run(engine: Engine, *statements: str) -> None:
    with writing(engine) as session:
        for statement in statements:
            session.connection().exec_driver_sql(statement)


def test_an_honest_journal_holds(engine: Engine) -> None:
    assert fault(engine) is None


SWAP = (
    "UPDATE journal SET seq = CASE seq WHEN {0} THEN -{1} WHEN {1} THEN -{0} END WHERE seq IN ({0}, {1})",
    "UPDATE journal SET seq = -seq WHERE seq < 0",
)


@pytest.mark.parametrize(
    "change",
    [
        ("UPDATE journal SET facts = replace(facts, '\"n\":2', '\"n\":9') WHERE seq = 3",),
        ("UPDATE journal SET facts = facts || ' ' WHERE seq = 3",),
        ("UPDATE journal SET facts = x'ff' WHERE seq = 3",),
        ("UPDATE journal SET event = 'other' WHERE seq = 3",),
        ("UPDATE journal SET at = '2026-11-22 00:00:09.000000' WHERE seq = 3",),
        ("UPDATE journal SET at = '2026-11-22 00:00:02.500000' WHERE seq = 3",),
        ("UPDATE journal SET at = 'never' WHERE seq = 3",),
        ("UPDATE journal SET previous = upper(previous) WHERE seq = 3",),
        ("UPDATE journal SET previous = hash WHERE seq = 3",),
        ("UPDATE journal SET hash = upper(hash) WHERE seq = 3",),
        ("UPDATE journal SET hash = previous || hash WHERE seq = 5",),
        ("UPDATE journal SET seq = 9 WHERE seq = 5",),
        ("UPDATE journal SET seq = 0 WHERE seq = 1",),
        ("UPDATE journal SET seq = -4 WHERE seq = 1",),
        ("DELETE FROM journal WHERE seq = 1",),
        ("DELETE FROM journal WHERE seq = 3",),
        ("DELETE FROM journal WHERE seq = 3", "UPDATE journal SET seq = seq - 1 WHERE seq > 3"),
        tuple(s.format(1, 2) for s in SWAP),
        tuple(s.format(2, 3) for s in SWAP),
        tuple(s.format(4, 5) for s in SWAP),
    ],
)
def test_each_tampering_is_found(engine: Engine, change: tuple[str, ...]) -> None:
    run(engine, *change)
    assert fault(engine) is not None


@pytest.mark.parametrize("column", ["at", "event", "facts", "previous"])
def test_a_hash_made_anew_over_an_edited_entry_breaks_the_next(engine: Engine, column: str) -> None:
    """Whoever edits an entry and its hash too has to go on to the end."""
    with writing(engine) as session:
        entry = session.get_one(JournalEntry, 3)
        changed = {"at": NOW, "event": "x", "facts": "{}", "previous": "1" * 64}[column]
        setattr(entry, column, changed)
        entry.hash = journal.entry_hash(entry.seq, entry.at, entry.event, entry.facts, entry.previous)
    broken = 3 if column == "previous" else 4
    assert fault(engine) == f"entry {broken} does not follow the one before"


def test_a_removed_end_and_a_rebuilt_chain_hold_by_themselves_and_lack_the_heads_they_had(
    engine: Engine,
) -> None:
    """What only a saved mail finds."""
    with reading(engine) as session:
        before = journal.head(session)
        assert journal.walk(session, [before]).found == {before: (5, NOW + timedelta(seconds=4))}
    run(engine, "DELETE FROM journal WHERE seq = 5")
    with reading(engine) as session:
        chain = journal.walk(session, [before, GENESIS])
        assert (chain.fault, chain.length, chain.found) == (None, 4, {GENESIS: (0, None)})


def test_the_head_names_the_whole_history(engine: Engine) -> None:
    with reading(engine) as session:
        before = journal.head(session)
    with writing(engine) as session:
        assert journal.append(session, NOW, "event", {}) == journal.head(session) != before


def test_a_link_can_be_checked_without_its_facts() -> None:
    """The form that the evidence's script computes with sha256sum."""
    facts = journal.canonical({"number": "A-20261122-0001"})
    text = f"7\n2026-11-22T00:00:00Z\ntaken\n{hex_digest(facts.encode())}\n{GENESIS}"
    assert journal.entry_hash(7, NOW, "taken", facts, GENESIS) == hex_digest(text.encode())


def hex_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_facts_are_the_same_bytes_in_any_order() -> None:
    assert (
        journal.canonical({"b": 1, "a": "鈴"})
        == journal.canonical({"a": "鈴", "b": 1})
        == '{"a":"\\u9234","b":1}'
    )


BROKEN = {
    "trigger": "CREATE TRIGGER no_journal BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no'); END",
    "fail": "CREATE TRIGGER no_journal BEFORE INSERT ON journal BEGIN SELECT RAISE(FAIL, 'no'); END",
    "gone": "ALTER TABLE journal RENAME COLUMN facts TO lost",
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_the_journal_does_not_take_is_undone_and_is_the_worlds_fault(engine: Engine, how: str) -> None:
    """A refusing trigger raises IntegrityError, which else would be a fault of ours with the mail at hand."""
    run(engine, BROKEN[how])
    with pytest.raises(OperationalError) as raised:
        work(engine)
    assert "of a person" not in str(raised.value)
    with reading(engine) as session, pytest.raises(KeyError):
        inbox.blob(session, hex_digest(b"what the entry tells of"))


def work(engine: Engine) -> None:
    with writing(engine) as session:
        inbox.keep_blob(session, b"what the entry tells of")
        journal.append(session, NOW, "event", {"secret": "of a person"})


def test_the_walk_takes_no_more_memory_for_a_long_journal(engine: Engine) -> None:
    peaks = []
    for count in (5_000, 50_000):
        grow(engine, count)
        with reading(engine) as session:
            tracemalloc.start()
            chain = journal.walk(session, [GENESIS])
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert (chain.length, chain.fault) == (count, None)
    assert peaks[1] < peaks[0] * 1.5 + 100_000


def grow(engine: Engine, count: int) -> None:
    with writing(engine) as session:
        seq, previous, rows = session.query(JournalEntry).count(), journal.head(session), []
        while seq < count:
            seq += 1
            facts = journal.canonical({"n": seq, "padding": "x" * 200})
            digest = journal.entry_hash(seq, NOW, "event", facts, previous)
            rows.append({"seq": seq, "at": NOW, "event": "event", "facts": facts, "previous": previous,
                         "hash": digest})  # fmt: skip
            previous = digest
        session.execute(insert(JournalEntry), rows)
