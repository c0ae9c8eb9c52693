"""Opening the store: durable, locked from the start, brought to the newest schema."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import store.transaction
from store import meta
from store.tables import Base, Lease, Meta
from store.transaction import newest_revision, open_store, reading, upgrade, writing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_the_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_the_newest_revision_is_the_last_migration() -> None:
    scripts = ScriptDirectory(str(Path(store.transaction.__file__).with_name("migrations")))
    assert [newest_revision()] == scripts.get_heads()


def test_a_store_that_is_the_newest_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    monkeypatch.setattr(store.transaction, "_upgrade", lambda _: pytest.fail("it has nothing to do"))
    upgrade(engine)
    engine.dispose()


def test_sqlite_is_durable_and_keeps_foreign_keys(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    names = ("journal_mode", "synchronous", "foreign_keys")
    with reading(engine) as session:
        found = [session.execute(text(f"PRAGMA {name}")).scalar() for name in names]
    assert found == ["wal", 2, 1]
    engine.dispose()


def test_INJ4_an_error_of_the_store_does_not_carry_the_values(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    with pytest.raises(IntegrityError) as error, writing(engine) as session:
        session.add_all(Meta(name="twice", value="https://ra.example.ac.jp/d/secret") for _ in range(2))
    assert "secret" not in str(error.value)
    engine.dispose()


def test_a_write_takes_its_lock_at_the_start(tmp_path: Path) -> None:
    """Two writers that each read a counter first: with a late lock one of them would count from an old value."""
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)

    def count() -> None:
        for _ in range(25):
            with writing(engine) as session:
                meta.keep(session, "count", str(int(meta.find(session, "count") or 0) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert meta.find(session, "count") == "100"
    engine.dispose()


def test_an_error_rolls_everything_back(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)

    def fail() -> None:
        with writing(engine) as session:
            meta.keep(session, "a", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with reading(engine) as session:
        assert meta.find(session, "a") is None
    engine.dispose()


def test_reading_has_no_effect(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    with reading(engine) as session:
        meta.keep(session, "a", "1")
        assert meta.find(session, "a") == "1"
    with reading(engine) as session:
        assert meta.find(session, "a") is None
    engine.dispose()


def test_times_come_back_aware_and_naive_ones_are_refused(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    upgrade(engine)
    with writing(engine) as session:
        session.add(Lease(name="a", holder="b", until=NOW))
    with reading(engine) as session:
        assert session.get_one(Lease, "a").until == NOW
    with pytest.raises(Exception, match="naive"), writing(engine) as session:
        session.add(Lease(name="c", holder="b", until=NOW.replace(tzinfo=None)))
    engine.dispose()
