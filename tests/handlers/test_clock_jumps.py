"""The clock jumps, forward and back: nothing is said twice, forgotten, or done before its time (threats 9, 'Time')."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.digest import plan_digest
from handlers.key_warnings import plan_key_warnings
from handlers.lapse import end_holds, lapse_overdue
from handlers.refreeze import refreeze_changed
from handlers.remind import is_anything_due, remind
from handlers.rules.working_days import local_day
from store import journal
from store.tables import Application
from store.transaction import reading, writing
from tests.applications import NOW, DeskWorld, open_world, tsv_line

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = {
    "an hour back": -HOUR,
    "a day back": -DAY,
    "a month back": -30 * DAY,
    "an hour": HOUR,
    "three days": 3 * DAY,
    "a month": 30 * DAY,
    "a year": 365 * DAY,
}
_fqdns = itertools.count(1)


@dataclass
class Clocked:
    """A desk whose clock is set at will. `said`: letter, reader and application -> how often. The monitors hear every
    morning of what is wrong, and are left out but for the digest."""

    world: DeskWorld
    said: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    digests: list[datetime] = field(default_factory=list)

    def round(self) -> None:
        """The sweep and what is due, as a round does them."""
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            plan_key_warnings(ctx)
            plan_digest(ctx)
            notices = [*end_holds(ctx), *lapse_overdue(ctx), *refreeze_changed(ctx)]
            while is_anything_due(ctx):
                notices += remind(ctx)
        for notice in notices:
            if notice.letter.template == "monitor.digest":
                self.digests.append(self.world.now)
            elif notice.number:
                self.said[notice.letter.template, notice.to, notice.number] += 1

    def take(self) -> str:
        return self.world.take(tsv_line(f"test{next(_fqdns)}.example.ac.jp"))


@pytest.fixture
def desk(tmp_path: Path):  # type: ignore[no-untyped-def]
    world = open_world(tmp_path)
    yield Clocked(world)
    world.engine.dispose()


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS.keys())
def test_a_jump_and_the_way_back_say_nothing_twice(desk: Clocked, jump: timedelta) -> None:
    number = desk.take()
    for moment in (NOW, NOW + jump, NOW, NOW + jump, NOW + HOUR, NOW + jump + HOUR):
        desk.world.now = moment
        desk.round()
        desk.round()
    assert [key for key, count in desk.said.items() if count > 1] == []
    # who lapsed by a clock that ran ahead stays lapsed, and heard it once
    lapsed = [key for key in desk.said if key[0] == "applicant.lapsed"]
    assert (len(lapsed) == 1) == (desk.world.states(number) == ["lapsed"]) == (jump >= 30 * DAY)
    with reading(desk.world.engine) as session:
        assert journal.walk(session).fault is None


def test_after_a_jump_back_what_is_due_is_said_on_its_day(desk: Clocked) -> None:
    """The day comes again, and the reminder with it; not before, and once."""
    desk.world.now = NOW + 30 * DAY
    desk.round()
    desk.world.now = NOW
    desk.take()
    days = []
    for day in range(30):
        desk.world.now, before = NOW + day * DAY, desk.said.total()
        desk.round()
        days += [day] if desk.said.total() > before else []
    assert len(days) > 1
    assert days[0] > 0
    assert {count for key, count in desk.said.items() if key[0] == "applicant.lapsed"} == {1}


def test_a_year_missed_is_one_reminder_and_one_digest(desk: Clocked) -> None:
    desk.round()
    desk.take()
    digests = len(desk.digests)
    desk.world.now += 365 * DAY
    desk.round()
    desk.round()
    assert len(desk.digests) == digests + 1
    assert max(desk.said.values()) == 1


def test_an_application_on_a_leap_day_ends_at_the_end_of_a_day(desk: Clocked) -> None:
    """29 February 2028 is a Tuesday; the deadline is counted over it and over its eve."""
    for moment in (datetime(2028, 2, 28, 1, 0, tzinfo=UTC), datetime(2028, 2, 29, 1, 0, tzinfo=UTC)):
        desk.world.now = moment
        number = desk.take()
        with reading(desk.world.engine) as session:
            deadline = session.get_one(Application, number).deadline
        assert (deadline + timedelta(hours=9)).strftime("%H:%M:%S") == "23:59:59"
        assert local_day(deadline, 9) > date(2028, 2, 29)
        desk.world.now = deadline
        desk.round()
        assert desk.world.states(number) == ["waiting"]
        desk.world.now = deadline + timedelta(seconds=1)
        desk.round()
        assert desk.world.states(number) == ["lapsed"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-60 * 24, 60 * 24), min_size=1, max_size=6))
def test_wherever_the_clock_goes_nobody_hears_a_thing_twice(desk: Clocked, hours: list[int]) -> None:
    desk.world.now, desk.said = NOW, Counter()
    desk.take()
    for jump in hours:
        desk.world.now += jump * HOUR
        desk.round()
    assert {count for key, count in desk.said.items() if "lapsed" in key[0]} <= {1}
