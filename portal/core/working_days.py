"""Working days and wall-clock times, as people count them: without weekends and holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

MONDAY_TO_FRIDAY = frozenset(range(5))
_DAY = timedelta(days=1)
_MAX_SEARCHED_DAYS = 3000  # holidays may fill years, but the search ends


@dataclass(frozen=True)
class WorkingCalendar:
    weekdays: frozenset[int] = MONDAY_TO_FRIDAY  # Monday is 0
    holidays: frozenset[date] = frozenset()

    def is_working_day(self, day: date) -> bool:
        return day.weekday() in self.weekdays and day not in self.holidays

    def add_working_days(self, day: date, number: int) -> date:
        """The working day that many working days after `day`, or before it if `number` is negative.
        `day` may itself be a holiday.
        """
        step, remaining_days = (_DAY if number > 0 else -_DAY), abs(number)
        for _ in range(_MAX_SEARCHED_DAYS):
            if not remaining_days or day in (date.min, date.max):
                break
            day += step
            remaining_days -= self.is_working_day(day)
        return day

    def count_working_days(self, after: date, until: date) -> int:
        """Working days after the one day up to the other. Costs the same for any distance."""
        weeks, days = divmod(max((until - after).days, 0), 7)
        rest = range(until.toordinal() - days + 1, until.toordinal() + 1)
        weekdays = weeks * len(self.weekdays) + sum(
            date.fromordinal(day).weekday() in self.weekdays for day in rest
        )
        return weekdays - sum(
            after < day <= until and day.weekday() in self.weekdays for day in self.holidays
        )


def find_local_time(day: date, at: time, zone: tzinfo) -> datetime:
    """The moment of a wall-clock time, in UTC: of a repeated hour the first, of a skipped one as
    long after the change as it would have been.
    """
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
