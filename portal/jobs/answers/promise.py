"""The organization's promise: an answer within some working days, in its time zone and calendar.

The day on which an application begins to need a decision doesn't count. The answer is due at the
end of the last working day. So the due time depends on the local day alone and never decreases
with it: the order of due times is that of `decision_needed_at`, and what is overdue began to wait
before one moment. Nothing is stored per application, or anew when the promise changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import QuerySet
from django.utils import timezone

from portal.core.database.compiled_queries import compile_once
from portal.core.working_days import MONDAY_TO_FRIDAY, WorkingCalendar
from portal.jobs.models import AnswerPromise
from portal.web.time_zones import find_start_of_day, format_time_zone, parse_time_zone

MAX_DAYS = 60
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Promise:
    days: int
    zone_name: str
    calendar: WorkingCalendar
    changed_at: datetime | None = None  # None: it is the default

    @property
    def zone(self) -> tzinfo:
        return parse_time_zone(self.zone_name)

    @property
    def label(self) -> str:
        return f"{self.days} working day{'' if self.days == 1 else 's'}"

    @property
    def zone_label(self) -> str:
        return format_time_zone(self.zone_name)

    def get_local_day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def find_due_day(self, day: date) -> date:
        """The last local day of the promise for what began to wait on `day`."""
        return self.calendar.add_working_days(day, self.days)

    def get_due_at(self, needed_at: datetime) -> datetime:
        """The first instant after the promise."""
        due_day = self.find_due_day(self.get_local_day(needed_at))
        return find_start_of_day(due_day + _DAY, self.zone)

    def is_in_time(self, needed_on: date, answered_on: date) -> bool:
        return answered_on <= self.find_due_day(needed_on)

    def find_earliest_pending_day(self, day: date) -> date:
        """The earliest day whose answers are not overdue on `day`."""
        return self.calendar.add_working_days(day, -self.days)

    def find_overdue_limit(
        self, now: datetime | None = None, *, after_working_days: int = 0
    ) -> datetime:
        """What needs a decision since before this moment is overdue: now, or if it stays undecided
        until the end of that many working days (1: today, or the next working day).
        """
        today = self.get_local_day(now or timezone.now())
        return find_start_of_day(self.find_pending_day_after(today, after_working_days), self.zone)

    def find_pending_day_after(self, today: date, working_days: int) -> date:
        """The same as a day; what began to wait on it is not overdue then."""
        if working_days:
            today = self.calendar.add_working_days(today - _DAY, working_days) + _DAY
        return self.find_earliest_pending_day(today)


def get_promise(organization_id: int) -> Promise:
    return read_promise(load_promise_row(organization_id))


def load_promise_row(organization_id: int) -> AnswerPromise:
    """The organization's row; the default, unsaved, if it has none."""
    rows = _find_promise_row(organization_id)
    return rows[0] if rows else AnswerPromise(organization_id=organization_id)


@compile_once
def _find_promise_row(organization_id: int) -> QuerySet[AnswerPromise]:
    return AnswerPromise.objects.filter(organization=organization_id)


def read_promise(row: AnswerPromise) -> Promise:
    return Promise(
        days=max(row.days, 1),
        zone_name=row.time_zone,
        calendar=WorkingCalendar(
            frozenset(row.working_days) or MONDAY_TO_FRIDAY,
            frozenset(date.fromisoformat(holiday["date"]) for holiday in row.holidays),
        ),
        changed_at=row.changed_at if row.pk else None,
    )
