"""Leases: one holder at a time, and the dead don't hold."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bot.holder import is_dead, name_holder
from store.leases import release_lease, take_lease
from store.tables import Base
from store.transaction import open_store, writing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def take(engine: Engine, holder: str, seconds: int, *, dead: bool = False) -> bool:
    with writing(engine) as session:
        return take_lease(session, "round", holder, NOW + timedelta(seconds=seconds), 60, lambda _: dead)


def test_a_lease_is_held_by_one_until_it_ends(engine: Engine) -> None:
    assert take(engine, "a", 0)
    assert not take(engine, "b", 59)
    assert take(engine, "a", 59)
    assert not take(engine, "b", 118)
    assert take(engine, "b", 119)


def test_a_released_lease_is_free(engine: Engine) -> None:
    take(engine, "a", 0)
    with writing(engine) as session:
        release_lease(session, "round", "b")
    assert not take(engine, "b", 1)
    with writing(engine) as session:
        release_lease(session, "round", "a")
    assert take(engine, "b", 1)


def test_the_dead_hold_nothing(engine: Engine) -> None:
    assert take(engine, "a", 0)
    assert take(engine, "b", 1, dead=True)


def test_a_process_that_ended_is_dead_and_a_running_one_is_not() -> None:
    place, pid, nonce = name_holder().split(" ")
    with subprocess.Popen(["sleep", "30"]) as other:
        assert not is_dead(f"{place} {other.pid} {nonce}")
        other.kill()
    assert is_dead(f"{place} {other.pid} {nonce}")
    assert is_dead(f"{place} {pid} another")
    assert not is_dead(f"elsewhere/1 {other.pid} {nonce}")
