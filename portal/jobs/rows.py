"""The rows of the list: each requisition with its people, places and numbers.

Worked out for a whole page at once, so that the number of queries does not grow with the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, OuterRef, Q, Subquery
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_applications
from portal.jobs.facts import address
from portal.jobs.models import Look, Pin
from portal.jobs.tally import waiting_since
from portal.mirror.models import Job, Opening, TeamMember

# What came in lately is new on a requisition that its reader never opened.
LATELY = timedelta(days=7)
_COLOURS = 6
_MOST_NAMED = 3


@dataclass(frozen=True)
class Bar:
    """A piece of the stage bar, in per cent, and its colour."""

    x: float
    width: float
    n: int


@dataclass
class Row:
    """One requisition as the list shows it. `openings_left` None: not known.

    `found`: the candidates for whom it was found. `in_stage`: the stage that was filtered by, and
    how many are in it.
    """

    job: Job
    offices: Sequence[str] = ()
    recruiters: Sequence[str] = ()
    openings_left: int | None = None
    active: int = 0
    new: int = 0
    waiting_since: datetime | None = None
    pinned: bool = False
    stages: list[tuple[str, int, int]] = field(default_factory=list)  # name, order, how many
    found: Sequence[str] = ()
    in_stage: tuple[str, int] | None = None

    @property
    def address(self) -> str:
        return address(self.job)

    @property
    def found_words(self) -> str:
        more = len(self.found) - _MOST_NAMED
        names = ", ".join(self.found[:_MOST_NAMED])
        return f"{names} and {more:,} more" if more > 0 else names

    @property
    def stage_words(self) -> str:
        return ", ".join(f"{name} {n:,}" for name, _, n in self.stages)

    def waiting_in(self, stage: str) -> tuple[str, int]:
        """The stage of this name, and how many are in it."""
        return stage, sum(n for name, _, n in self.stages if name == stage)

    @property
    def bars(self) -> list[Bar]:
        bars, x = [], 0.0
        for _, order, n in self.stages:
            width = 100 * n / self.active
            bars.append(Bar(round(x, 2), round(width, 2), min(max(order, 0), _COLOURS - 1) + 1))
            x += width
        return bars

    @property
    def days_waiting(self) -> int | None:
        if self.waiting_since is None:
            return None
        return max((timezone.now() - self.waiting_since).days, 0)


def rows(jobs: Sequence[Job], member: Membership, held: Rights) -> list[Row]:
    """The rows of these jobs, which the member may see."""
    pks = [job.pk for job in jobs]
    made = {job.pk: Row(job) for job in jobs}
    _people(made)
    _places(made)
    if "openings" not in held.features.off:
        _openings(made)
    for pk in Pin.objects.filter(membership=member, job__in=pks).values_list("job_id", flat=True):
        made[pk].pinned = True
    _applications(made, member, held)
    return list(made.values())


def _people(made: Mapping[int, Row]) -> None:
    found = defaultdict(list)
    places = TeamMember.objects.filter(job__in=made, role="recruiter").order_by("user__name", "id")
    for job, name in places.values_list("job_id", "user__name"):
        found[job].append(name)
    for job, names in found.items():
        made[job].recruiters = names


def _places(made: Mapping[int, Row]) -> None:
    found = defaultdict(list)
    through: Any = Job.offices.through
    offices = through._default_manager.filter(job_id__in=made).order_by("office__name", "id")
    for job, name in offices.values_list("job_id", "office__name"):
        found[job].append(name)
    for job, names in found.items():
        made[job].offices = names


def _openings(made: Mapping[int, Row]) -> None:
    for row in made.values():
        row.openings_left = 0
    left = Opening.objects.filter(job__in=made, is_open=True, gone_at=None).order_by()
    for job, n in left.values_list("job_id").annotate(Count("pk")):
        made[job].openings_left = n


def _applications(made: Mapping[int, Row], member: Membership, held: Rights) -> None:
    look = Look.objects.filter(membership=member, job=OuterRef("job"))
    new = Q(first_seen_at__gt=Subquery(look.values("at")[:1])) | Q(
        applied_at__gt=timezone.now() - LATELY, looked=None
    )
    counted = (
        visible_applications(member, held=held, closed=True)
        .filter(job__in=made, status=ApplicationStatus.ACTIVE)
        .alias(looked=Subquery(look.values("at")[:1]))
        .order_by("stage__order", "stage_id")
        .values("job_id", "stage__name", "stage__order")
        .annotate(n=Count("pk"), new=Count("pk", filter=new), since=Min(waiting_since()))
    )
    for found in counted:
        row = made[found["job_id"]]
        row.active += found["n"]
        row.new += found["new"]
        name, order = found["stage__name"] or "No stage", found["stage__order"]
        row.stages.append((name, _COLOURS if order is None else order, found["n"]))
        times = [time for time in (row.waiting_since, found["since"]) if time]
        row.waiting_since = min(times, default=None)
