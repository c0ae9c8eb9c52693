"""Deadlines in working days."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.working_days import (
    add_working_days,
    end_of_day,
    is_working_day,
    local_day,
    working_days_between,
)

NEW_YEAR = frozenset({date(2026, 12, 29), date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1)})
DAYS = st.dates(date(2026, 1, 1), date(2028, 12, 31))


def test_weekends_and_holidays_do_not_count() -> None:
    assert add_working_days(date(2026, 11, 22), 10, frozenset()) == date(2026, 12, 4)
    assert add_working_days(date(2026, 12, 28), 1, NEW_YEAR) == date(2027, 1, 4)


@given(DAYS, st.integers(0, 60))
def test_counting_there_and_back_agrees(day: date, count: int) -> None:
    last = add_working_days(day, count, NEW_YEAR)
    assert is_working_day(last, NEW_YEAR)
    if count:
        assert working_days_between(day, last, NEW_YEAR) == count
        assert working_days_between(day, last - timedelta(days=1), NEW_YEAR) == count - 1


def test_the_day_is_that_of_the_people() -> None:
    late = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    assert local_day(late, 9) == date(2026, 11, 23)
    assert end_of_day(date(2026, 11, 23), 9) == datetime(2026, 11, 23, 14, 59, 59, tzinfo=UTC)
