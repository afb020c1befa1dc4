"""The rows of the list: each requisition with its people, places and numbers.

Worked out for a whole page at once, so that the number of queries does not grow with the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, F, FilteredRelation, Min, Q
from django.utils import dateformat, timezone
from django.utils.safestring import SafeString, mark_safe

from integrations.ats.types import ApplicationStatus
from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, applications_on
from portal.jobs.facts import address, address_at
from portal.jobs.search import Found
from portal.jobs.tally import waiting_since
from portal.mirror.models import Job, Opening, TeamMember

# What came in lately is new on a requisition that its reader never opened.
LATELY = timedelta(days=7)
_COLOURS = 6
_MOST_NAMED = 3


@dataclass
class Row:
    """One requisition as the list shows it. `openings_left` None: not known.

    `found`: the candidates for whom it was found. `in_stage`: the stage that was filtered by, and
    how many are in it.

    What a page says many times is put into words here: a template takes long over each of them.
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
    found: Sequence[Found] = ()
    in_stage: tuple[str, int] | None = None

    @property
    def address(self) -> str:
        return address(self.job)

    @property
    def pin_address(self) -> str:
        return address_at("jobs:pin", self.job.pk)

    @property
    def key(self) -> str:
        return str(self.job.pk)

    @property
    def note(self) -> str:
        """What stands beneath the title."""
        of = self.job.department
        parts = (self.job.requisition_id or "No requisition ID", of.name if of else "")
        return " · ".join(part for part in (*parts, ", ".join(self.offices)) if part)

    @property
    def recruiter_words(self) -> str:
        return ", ".join(self.recruiters)

    @property
    def openings_words(self) -> str:
        return "" if self.openings_left is None else f"{self.openings_left:,}"

    @property
    def active_words(self) -> str:
        return f"{self.active:,}"

    @property
    def new_words(self) -> str:
        return f"{self.new:,}" if self.new else ""

    @property
    def people(self) -> list[tuple[str, str]]:
        """The first of those for whom it was found: their names, and where their applications are.

        A closed requisition's page shows no applications.
        """
        page = address_at("applications:of_job", self.job.pk) if self.job.is_open else ""
        return [
            (one.name, f"{page}?application={one.application}#applications" if page else "")
            for one in self.found[:_MOST_NAMED]
        ]

    @property
    def more_people(self) -> str:
        more = len(self.found) - _MOST_NAMED
        return f"{more:,} more" if more > 0 else ""

    @cached_property
    def stage_words(self) -> str:
        return ", ".join(f"{name} {n:,}" for name, _, n in self.stages)

    @property
    def in_stage_words(self) -> str:
        return f"{self.in_stage[1]:,} in {self.in_stage[0]}" if self.in_stage else ""

    def waiting_in(self, stage: str) -> tuple[str, int]:
        """The stage of this name, and how many are in it."""
        return stage, sum(n for name, _, n in self.stages if name == stage)

    @property
    def bars(self) -> SafeString:
        """The pieces of the stage bar, in per cent, each in its colour."""
        bars, x = [], 0.0
        for _, order, n in self.stages:
            width = 100 * n / self.active
            colour = min(max(order, 0), _COLOURS - 1) + 1
            bars.append(f'<rect class="stage-{colour}" x="{x:.2f}" y="0" width="{width:.2f}" ')
            x += width
        return mark_safe("".join(f'{bar}height="8"></rect>' for bar in bars))  # noqa: S308  (numbers)

    @property
    def days_waiting(self) -> int | None:
        if self.waiting_since is None:
            return None
        return max((timezone.now() - self.waiting_since).days, 0)

    @property
    def waiting_words(self) -> str:
        days = self.days_waiting
        return "" if days is None else f"{days:,} day{'' if days == 1 else 's'}"

    @property
    def waiting_exactly(self) -> str:
        """As the other times of the pages are written out."""
        if self.waiting_since is None:
            return ""
        return dateformat.format(timezone.localtime(self.waiting_since), "l j F Y, H:i T")


def rows(
    jobs: Sequence[Job], member: Membership, held: Rights, *, pinned: Collection[int] = ()
) -> list[Row]:
    """The rows of these jobs, which `visible_jobs` gave for the member and these rights.

    `pinned`: the keys of those that the member has pinned.
    """
    made = {job.pk: Row(job, pinned=job.pk in pinned) for job in jobs}
    if not made:
        return []
    _people(made)
    _places(made)
    if "openings" not in held.features.off:
        _openings(made)
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
    look = FilteredRelation("job__looks", condition=Q(job__looks__membership=member))
    new = Q(first_seen_at__gt=F("look__at")) | Q(
        applied_at__gt=timezone.now() - LATELY, look__at=None
    )
    counted = (
        applications_on(made, held)
        .filter(status=ApplicationStatus.ACTIVE)
        .alias(look=look)
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
