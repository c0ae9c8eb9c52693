"""Leases: one holder at a time, and the dead don't hold."""

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bot.holder import is_dead, is_near, this_process
from store.leases import Holder, release_leases, take_lease, take_leases
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
        return take_lease(session, "round", named(holder, dead=dead), NOW + timedelta(seconds=seconds), 60)


def named(name: str, *, dead: bool = False) -> Holder:
    """One that takes every other for dead, or none."""
    return Holder(name, lambda _: dead, lambda _: dead)


def test_a_lease_is_held_by_one_until_it_ends(engine: Engine) -> None:
    assert take(engine, "a", 0)
    assert not take(engine, "b", 59)
    assert take(engine, "a", 59)
    assert not take(engine, "b", 118)
    assert take(engine, "b", 119)


def test_a_released_lease_is_free(engine: Engine) -> None:
    take(engine, "a", 0)
    with writing(engine) as session:
        release_leases(session, ["round"], named("b"))
    assert not take(engine, "b", 1)
    with writing(engine) as session:
        release_leases(session, ["round"], named("a"))
    assert take(engine, "b", 1)


def test_the_dead_hold_nothing(engine: Engine) -> None:
    assert take(engine, "a", 0)
    assert take(engine, "b", 1, dead=True)


def test_of_several_those_are_taken_that_nobody_has(engine: Engine) -> None:
    with writing(engine) as session:
        assert take_leases(session, ["1", "2"], named("a"), NOW, 60) == {"1", "2"}
        assert take_leases(session, ["2", "3", "3"], named("b"), NOW, 60) == {"3"}
        release_leases(session, ["1", "3"], named("a"))
        assert take_leases(session, ["1", "2", "3"], named("c"), NOW, 60) == {"1"}


def test_a_lease_from_before_the_clock_was_set_back_has_ended(engine: Engine) -> None:
    """Else nobody would work until the day that the wrong clock said, if its holder died elsewhere."""
    assert take(engine, "a", 30 * 86_400)
    assert take(engine, "b", 0)
    assert take(engine, "b", 59)
    assert not take(engine, "a", 60)


def test_a_process_that_ended_is_dead_and_a_running_one_is_not() -> None:
    me = this_process().name
    place, pid, started = me.split(" ")
    with subprocess.Popen(["sleep", "30"]) as other:
        begun = Path(f"/proc/{other.pid}/stat").read_text().split()[21]
        assert not is_dead(f"{place} {other.pid} {begun}")
        other.kill()
        while Path(f"/proc/{other.pid}/stat").read_text().split()[2] != "Z":
            time.sleep(0.01)
        # nobody has waited for it, but it does nothing any more
        assert is_dead(f"{place} {other.pid} {begun}")
    assert is_dead(f"{place} {other.pid} {begun}")
    assert not is_dead(me)
    assert not is_dead(f"elsewhere/1 {other.pid} {begun}")
    assert is_near(me)
    assert not is_near(f"elsewhere/1 {pid} {started}")


def test_a_number_that_was_given_anew_is_another_process() -> None:
    """As to the restarted service in a container, or long after to any program."""
    place, pid, _ = this_process().name.split(" ")
    assert is_dead(f"{place} {pid} 1")
    with subprocess.Popen(["sleep", "30"]) as other:
        assert is_dead(f"{place} {other.pid} 1")
        other.kill()
