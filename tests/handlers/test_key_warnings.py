"""Officers' keys that come to their end: warned of 30, 14 and 7 days before, each once, and not for nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from handlers.context import Context
from handlers.key_warnings import plan_key_warnings
from handlers.notices import Notice
from handlers.remind import is_anything_due, remind
from handlers.rules.key_ends import OfficerKey
from handlers.rules.scheme import Scheme
from store.transaction import writing
from tests.applications import SUZUKI, TANAKA, DeskWorld

END = datetime(2027, 3, 31, 14, 59, 59, tzinfo=UTC)  # the last second of a day in Japan
MONITOR = "monitor@example.ac.jp"
_MORNING = timedelta(hours=9)


def a_key(ends_at: datetime | None, fingerprint: str = SUZUKI, officer: str = "suzuki") -> OfficerKey:
    return OfficerKey("testkikan", officer, Scheme.OPENPGP, fingerprint, None, ends_at)


TANAKAS = a_key(None, TANAKA, "tanaka")


def morning(days_before: int) -> datetime:
    """9 o'clock in Japan, so many days before the key's last day."""
    return datetime(2027, 3, 31, 0, 0, tzinfo=UTC) - timedelta(days=days_before)


def days(world: DeskWorld, start: datetime, count: int, *keys: OfficerKey) -> list[tuple[datetime, Notice]]:
    """A sweep and a round on each morning, and one more round a little later."""
    told = []
    for day in range(count):
        now = start + timedelta(days=day)
        for moment in (now, now + timedelta(hours=1)):
            told += [(now, notice) for notice in sweep(world, moment, *keys)]
    return told


def sweep(world: DeskWorld, now: datetime, *keys: OfficerKey) -> list[Notice]:
    with writing(world.engine) as session:
        ctx: Context = replace(world.context(session), now=now, officer_keys=keys)
        plan_key_warnings(ctx)
        notices = remind(ctx)
        assert not is_anything_due(ctx)
    return notices


def test_officer_and_monitors_are_told_30_14_and_7_days_before_each_once(world: DeskWorld) -> None:
    told = days(world, morning(60), 90, a_key(END), TANAKAS)
    assert [(at, notice.to, notice.letter.template) for at, notice in told] == [
        (morning(n), *whom)
        for n in (30, 14, 7)
        for whom in (("suzuki@example.ac.jp", "officer.key_ending"), (MONITOR, "monitor.alarm"))
    ]
    letters = [notice.letter for _, notice in told if notice.letter.template == "officer.key_ending"]
    assert [(x.days_left, x.fingerprint, x.ends_at) for x in letters] == [
        (n, SUZUKI, END) for n in (30, 14, 7)
    ]
    assert all(notice.sign is Scheme.OPENPGP for _, notice in told if notice.to != MONITOR)


def test_nothing_is_said_before_the_morning_of_the_thirtieth_day(world: DeskWorld) -> None:
    assert sweep(world, morning(30) - timedelta(seconds=1), a_key(END), TANAKAS) == []
    assert len(sweep(world, morning(30), a_key(END), TANAKAS)) == 2


def test_a_key_pinned_ten_days_before_its_end_is_told_at_once_and_a_week_before(world: DeskWorld) -> None:
    told = days(world, morning(10), 12, a_key(END), TANAKAS)
    assert [at for at, notice in told if notice.to != MONITOR] == [morning(10), morning(7)]


def test_a_successor_silences_and_its_removal_speaks_again(world: DeskWorld) -> None:
    new = a_key(None, "6" * 40)
    assert days(world, morning(31), 40, a_key(END), new, TANAKAS) == []
    told = sweep(world, morning(5), a_key(END), TANAKAS)
    assert [notice.letter.template for notice in told] == ["officer.key_ending", "monitor.alarm"]
    assert sweep(world, morning(4), a_key(END), TANAKAS) == []


def test_a_key_that_was_extended_is_warned_of_before_its_new_end(world: DeskWorld) -> None:
    assert len(sweep(world, morning(30), a_key(END), TANAKAS)) == 2
    later = a_key(END + timedelta(days=100))
    told = days(world, morning(29), 130, later, TANAKAS)
    assert [at for at, notice in told if notice.to != MONITOR] == [
        morning(n) + timedelta(days=100) for n in (30, 14, 7)
    ]


def test_a_key_that_left_the_register_before_its_morning_is_not_spoken_of(world: DeskWorld) -> None:
    assert sweep(world, morning(40), a_key(END), TANAKAS) == []
    assert days(world, morning(39), 40, TANAKAS) == []


def test_an_institution_that_is_not_active_is_not_written_to(world: DeskWorld) -> None:
    world.change_institution(active=False)
    assert days(world, morning(31), 40, a_key(END), TANAKAS) == []
