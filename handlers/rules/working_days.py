"""Counting in working days: how long officers have."""

from collections.abc import Set
from datetime import UTC, date, datetime, time, timedelta, timezone


def is_working_day(day: date, holidays: Set[date]) -> bool:
    return day.weekday() < 5 and day not in holidays


def add_working_days(day: date, count: int, holidays: Set[date]) -> date:
    """The `count`-th working day after `day`; for 0, `day` itself or the next working day."""
    while count > 0 or not is_working_day(day, holidays):
        day += timedelta(days=1)
        if is_working_day(day, holidays):
            count -= 1
    return day


def working_days_between(first: date, last: date, holidays: Set[date]) -> int:
    """Working days after `first` up to and including `last`; 0 if `last` is not later."""
    days = range(1, max(0, (last - first).days) + 1)
    return sum(is_working_day(first + timedelta(days=n), holidays) for n in days)


def local_day(moment: datetime, utc_offset_hours: int) -> date:
    """The date on people's calendars at `moment`."""
    return moment.astimezone(timezone(timedelta(hours=utc_offset_hours))).date()


def end_of_day(day: date, utc_offset_hours: int) -> datetime:
    """23:59:59 of that day on people's clocks, in UTC."""
    zone = timezone(timedelta(hours=utc_offset_hours))
    return datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)
