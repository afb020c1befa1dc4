"""Working days and local times over weekends, holidays and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.core.working_days import WorkingCalendar, find_local_time

CHRISTMAS = frozenset({date(2026, 12, 24), date(2026, 12, 25)})


@pytest.mark.parametrize(
    ("day", "number", "expected_day"),
    [
        (date(2026, 12, 1), 2, date(2026, 12, 3)),
        (date(2026, 12, 4), 1, date(2026, 12, 7)),  # Friday
        (date(2026, 12, 5), 2, date(2026, 12, 8)),  # Saturday
        (date(2026, 12, 23), 1, date(2026, 12, 28)),  # before holidays and a weekend
        (date(2026, 12, 24), 2, date(2026, 12, 29)),  # on a holiday
    ],
)
def test_working_days_skip_weekends_and_holidays(
    day: date, number: int, expected_day: date
) -> None:
    calendar = WorkingCalendar(holidays=CHRISTMAS)
    assert calendar.add_working_days(day, number) == expected_day


def test_other_weekends_count() -> None:
    sunday_to_thursday = WorkingCalendar(weekdays=frozenset({6, 0, 1, 2, 3}))
    assert sunday_to_thursday.add_working_days(date(2026, 12, 3), 1) == date(2026, 12, 6)


def test_calendar_without_working_days_ends() -> None:
    assert WorkingCalendar(weekdays=frozenset()).add_working_days(date(2026, 12, 3), 1)


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected_moment"),
    [
        ("America/New_York", date(2026, 3, 6), time(9), datetime(2026, 3, 6, 14, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 9), time(9), datetime(2026, 3, 9, 13, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 10, 26), time(9), datetime(2026, 10, 26, 8, tzinfo=UTC)),
        # skipped, and repeated
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (
            "Europe/Berlin",
            date(2026, 10, 25),
            time(2, 30),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ),
    ],
)
def test_local_time_follows_the_clock(
    zone: str, day: date, at: time, expected_moment: datetime
) -> None:
    assert find_local_time(day, at, ZoneInfo(zone)) == expected_moment


@pytest.mark.parametrize("weekdays", [{0, 1, 2, 3, 4}, {6}, set(range(7))])
def test_working_days_are_counted_as_by_hand(weekdays: set[int]) -> None:
    start = date(2026, 12, 20)
    holidays = frozenset({date(2026, 12, 25), date(2026, 12, 27), date(2027, 1, 1)})
    calendar = WorkingCalendar(frozenset(weekdays), holidays)
    for distance in range(-3, 40):
        days = [start + timedelta(days=n) for n in range(1, distance + 1)]
        expected = sum(map(calendar.is_working_day, days))
        assert calendar.count_working_days(start, start + timedelta(days=distance)) == expected
    assert calendar.count_working_days(date.min, date.max) > 500_000
