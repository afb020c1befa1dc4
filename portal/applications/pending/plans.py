"""When a pending rejection is sent: a number of working days from now, at a time of the candidate.

Greenhouse can neither cancel a scheduled email nor send one for a rejected application. So the
rejection and its email are sent together, by us, and until then the application stays active.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import Any

from django.utils import timezone

from portal.applications.models import ApplicationAction
from portal.core.working_days import WorkingCalendar, find_local_time
from portal.jobs.answers.promise import Promise
from portal.sync.models import Application
from portal.web.time_zones import format_time_zone, parse_time_zone

PLAN_PARAMETER = "plan"
# Later than this it is not sent by itself: an email at 9:00 must not arrive at night.
MAX_LATENESS = timedelta(hours=2)


@dataclass(frozen=True)
class RejectionPlan:
    """`at`: the moment, ISO 8601. `zone` is the candidate's, or else the organization's."""

    days: int
    time: str
    zone: str
    is_candidate_zone: bool
    at: str

    @property
    def send_at(self) -> datetime:
        return datetime.fromisoformat(self.at)

    @property
    def zone_label(self) -> str:
        place = format_time_zone(self.zone)
        owner = "the candidate's" if self.is_candidate_zone else "your organization's"
        return f"{owner} time zone, {place}"

    @property
    def local_text(self) -> str:
        """For example "Tue 1 Dec 2026, 09:00 (the candidate's time zone, New York)"."""
        return f"{self.time_text} ({self.zone_label})"

    @property
    def time_text(self) -> str:
        return f"{self.day_text}, {self._local:%H:%M}"

    @property
    def short_text(self) -> str:
        """In one line of a row: with no-break spaces, and without the year."""
        local = self._local
        return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}".replace(
            " ", "\N{NO-BREAK SPACE}"
        )

    @property
    def day_text(self) -> str:
        local = self._local
        return f"{local:%a} {local.day} {local:%b %Y}"

    @property
    def _local(self) -> datetime:
        return self.send_at.astimezone(parse_time_zone(self.zone))

    def move_to_time(self, at: clock_time) -> RejectionPlan:
        """On the same day."""
        moment = find_local_time(self._local.date(), at, parse_time_zone(self.zone))
        return replace(self, time=f"{at:%H:%M}", at=moment.isoformat())

    def to_parameters(self) -> dict[str, Any]:
        return {PLAN_PARAMETER: asdict(self)}


def build_plan(
    days: int, at: clock_time, application: Application | None, promise: Promise
) -> RejectionPlan:
    """From today, in the candidate's time zone where Greenhouse gives it."""
    candidate = application.candidate if application is not None else None
    candidate_zone = candidate.time_zone if candidate is not None else ""
    return _compute_plan(
        days, at, candidate_zone or promise.zone_name, bool(candidate_zone), promise.calendar
    )


def estimate_plan(days: int, at: clock_time, zone: str, promise: Promise) -> RejectionPlan:
    """For a form that names its time zone."""
    return _compute_plan(days, at, zone, zone != promise.zone_name, promise.calendar)


def _compute_plan(
    days: int, at: clock_time, zone_name: str, is_candidate_zone: bool, calendar: WorkingCalendar
) -> RejectionPlan:
    zone, at = parse_time_zone(zone_name), at.replace(second=0, microsecond=0)
    day = calendar.add_working_days(timezone.now().astimezone(zone).date(), days)
    moment = find_local_time(day, at, zone)
    return RejectionPlan(days, f"{at:%H:%M}", zone_name, is_candidate_zone, moment.isoformat())


def renew_plan(plan: RejectionPlan, promise: Promise) -> RejectionPlan:
    """The same plan; if its moment has passed, the next working day on which its time is still to
    come: the candidate has waited long enough.
    """
    if plan.send_at > timezone.now():
        return plan
    at, zone = clock_time.fromisoformat(plan.time), parse_time_zone(plan.zone)
    today = timezone.now().astimezone(zone).date()
    moment = find_local_time(today, at, zone)
    if not promise.calendar.is_working_day(today) or moment <= timezone.now():
        moment = find_local_time(promise.calendar.add_working_days(today, 1), at, zone)
    return replace(plan, at=moment.isoformat())


def read_plan(parameters: Mapping[str, Any]) -> RejectionPlan | None:
    values = parameters.get(PLAN_PARAMETER)
    return RejectionPlan(**values) if values else None


def get_plan(action: ApplicationAction) -> RejectionPlan | None:
    return read_plan(action.parameters)
