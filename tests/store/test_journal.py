"""The journal: every edit, removal, insertion and reordering breaks the chain."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from store import journal
from store.tables import Base
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


def test_an_honest_journal_holds(engine: Engine) -> None:
    assert fault(engine) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET facts = replace(facts, '\"n\":2', '\"n\":9') WHERE seq = 3",
        "UPDATE journal SET event = 'other' WHERE seq = 3",
        "UPDATE journal SET at = '2026-11-22 00:00:09' WHERE seq = 3",
        "UPDATE journal SET previous = hash WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 1",
        "UPDATE journal SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE seq IN (2, 3);"
        "UPDATE journal SET seq = -seq WHERE seq < 0",
    ],
)
def test_each_tampering_is_found(engine: Engine, change: str) -> None:
    with writing(engine) as session:
        for statement in change.split(";"):
            session.connection().exec_driver_sql(statement)
    assert fault(engine) is not None


def test_the_head_names_the_whole_history(engine: Engine) -> None:
    with reading(engine) as session:
        before = journal.head(session)
    with writing(engine) as session:
        assert journal.append(session, NOW, "event", {}) == journal.head(session) != before


def test_facts_are_the_same_bytes_in_any_order() -> None:
    assert (
        journal.canonical({"b": 1, "a": "鈴"})
        == journal.canonical({"a": "鈴", "b": 1})
        == '{"a":"\\u9234","b":1}'
    )
