"""Rows of the requisition list, built per page so that the number of queries is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, F, FilteredRelation, Min, Q
from django.utils import timezone
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from integrations.ats.types import ApplicationStatus
from portal.accounts.models import Membership
from portal.core import links
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, applications_on_jobs
from portal.jobs.answers.figures import (
    AnswerCounts,
    WaitingCounts,
    build_waiting_aggregates,
    load_answer_counts,
)
from portal.jobs.answers.labels import format_count, format_moment
from portal.jobs.answers.promise import Promise, get_promise
from portal.jobs.job_list.search import CandidateMatch
from portal.jobs.job_list.stage_counts import build_waiting_since
from portal.jobs.job_page.details import get_job_url
from portal.sync.models import USER_NAME_FIELDS, Job, Opening, TeamMember, format_user_name
from portal.web.row_urls import reverse_cached
from portal.web.templatetags.names import isolate

# Age up to which applications count as new on a requisition that the member never opened.
NEW_APPLICATION_PERIOD = timedelta(days=7)
_STAGE_COLORS = 6
_MAX_NAMES = 3


@dataclass
class JobRow:
    """A row of the list. Texts are built here, since templates are slow for many rows."""

    job: Job
    offices: Sequence[str] = ()
    recruiters: Sequence[str] = ()
    openings_left: int | None = None  # None: unknown
    active: int = 0
    new: int = 0
    waiting_since: datetime | None = None
    pinned: bool = False
    stages: list[tuple[str, int, int]] = field(default_factory=list)  # name, order, how many
    candidate_matches: Sequence[CandidateMatch] = ()  # for the search
    stage_count: tuple[str, int] | None = None  # of the stage filter
    waiting: WaitingCounts | None = None  # for a decision
    answers: AnswerCounts = field(default_factory=AnswerCounts)

    @cached_property
    def name(self) -> SafeString | str:
        return isolate(self.job.name)

    @property
    def url(self) -> SafeString:
        return get_job_url(self.job)

    @cached_property
    def pin_url(self) -> SafeString:
        return reverse_cached("jobs:set_pin", self.job.pk)

    @property
    def key(self) -> SafeString:
        return mark_safe(str(self.job.pk))  # noqa: S308  (digits)

    @property
    def note(self) -> str:
        department = self.job.department
        parts = (
            self.job.requisition_id or "No requisition ID",
            department.name if department else "",
        )
        return " · ".join(part for part in (*parts, ", ".join(self.offices)) if part)

    @cached_property
    def recruiter_label(self) -> SafeString | str:
        return isolate(", ".join(self.recruiters))

    @cached_property
    def openings_label(self) -> SafeString | str:
        return "" if self.openings_left is None else format_count(self.openings_left)

    @property
    def active_label(self) -> SafeString:
        return format_count(self.active)

    @property
    def new_label(self) -> SafeString:
        return format_count(self.new)

    @property
    def candidate_links(self) -> list[tuple[str, str]]:
        # Applications of a closed requisition have no page of their own.
        is_open = self.job.is_open
        return [
            (
                candidate.name,
                reverse_cached(links.APPLICANT_PAGE, candidate.application)
                if is_open
                else f"{self.url}?application={candidate.application}#applications",
            )
            for candidate in self.candidate_matches[:_MAX_NAMES]
        ]

    @property
    def more_people(self) -> str:
        more = len(self.candidate_matches) - _MAX_NAMES
        return f"{more:,} more" if more > 0 else ""

    @property
    def stage_label(self) -> str:
        return ", ".join(f"{name} {n:,}" for name, _, n in self.stages)

    @cached_property
    def stage_text(self) -> SafeString:
        """The same for HTML, where it stands twice."""
        return conditional_escape(self.stage_label)

    @property
    def in_stage_label(self) -> str:
        return f"{self.stage_count[1]:,} in {self.stage_count[0]}" if self.stage_count else ""

    def waiting_in(self, stage: str) -> tuple[str, int]:
        return stage, sum(n for name, _, n in self.stages if name == stage)

    @property
    def stage_bar_svg(self) -> SafeString:
        bars, x = [], 0.0  # in percent
        for _, order, n in self.stages:
            width = 100 * n / self.active
            color = min(max(order, 0), _STAGE_COLORS - 1) + 1
            bars.append(f'<rect class="stage-{color}" x="{x:.2f}" y="0" width="{width:.2f}" ')
            x += width
        return mark_safe("".join(f'{bar}height="8"></rect>' for bar in bars))  # noqa: S308  (numbers)

    @property
    def days_waiting(self) -> int | None:
        if self.waiting_since is None:
            return None
        return max((timezone.now() - self.waiting_since).days, 0)

    @property
    def waiting_label(self) -> str:
        days = self.days_waiting
        return "" if days is None else f"{days:,} day{'' if days == 1 else 's'}"

    @property
    def waiting_timestamp(self) -> SafeString:
        time = self.waiting_since
        return mark_safe("" if time is None else time.isoformat())  # noqa: S308  (digits)

    @property
    def waiting_exactly(self) -> str:
        return "" if self.waiting_since is None else format_moment(self.waiting_since)

    @property
    def answer_note(self) -> str:
        """How long the oldest has waited, and how many were answered in time."""
        oldest = self.waiting.wait_label if self.waiting else ""
        share = self.answers.percent_label
        parts = (f"oldest {oldest}" if oldest else "", f"{share} in time" if share else "")
        return " · ".join(part for part in parts if part)


@use_prepared_statements()
def build_rows(
    jobs: Sequence[Job], member: Membership, rights: Rights, *, pinned: Collection[int] = ()
) -> list[JobRow]:
    """`jobs` must come from `visible_jobs` for the same member and rights."""
    rows_by_job = {job.pk: JobRow(job, pinned=job.pk in pinned) for job in jobs}
    if not rows_by_job:
        return []
    _add_recruiters(rows_by_job)
    _add_offices(rows_by_job)
    if "openings" not in rights.features.unavailable:
        _add_openings(rows_by_job)
    promise = get_promise(member.organization_id)
    _add_application_counts(rows_by_job, member, rights, promise)
    if "applications" not in rights.features.unavailable:
        for job, counts in load_answer_counts(rows_by_job, promise).items():
            rows_by_job[job].answers = counts
    return list(rows_by_job.values())


def _add_recruiters(rows_by_job: Mapping[int, JobRow]) -> None:
    names_by_job = defaultdict(list)
    memberships = TeamMember.objects.filter(job__in=rows_by_job, role="recruiter").order_by(
        "user__name", "id"
    )
    for job, *name_fields in memberships.values_list("job_id", *USER_NAME_FIELDS):
        names_by_job[job].append(format_user_name(*name_fields))
    for job, names in names_by_job.items():
        rows_by_job[job].recruiters = names


def _add_offices(rows_by_job: Mapping[int, JobRow]) -> None:
    names_by_job = defaultdict(list)
    through: Any = Job.offices.through
    offices = through._default_manager.filter(job_id__in=rows_by_job).order_by("office__name", "id")
    for job, name in offices.values_list("job_id", "office__name"):
        names_by_job[job].append(name)
    for job, names in names_by_job.items():
        rows_by_job[job].offices = names


def _add_openings(rows_by_job: Mapping[int, JobRow]) -> None:
    for row in rows_by_job.values():
        row.openings_left = 0
    openings = Opening.objects.filter(job__in=rows_by_job, is_open=True, gone_at=None).order_by()
    for job, n in openings.values_list("job_id").annotate(Count("pk")):
        rows_by_job[job].openings_left = n


def _add_application_counts(
    rows_by_job: Mapping[int, JobRow], member: Membership, rights: Rights, promise: Promise
) -> None:
    last_view = FilteredRelation("job__last_views", condition=Q(job__last_views__membership=member))
    is_new = Q(first_seen_at__gt=F("last_view__viewed_at")) | Q(
        applied_at__gt=timezone.now() - NEW_APPLICATION_PERIOD, last_view__viewed_at=None
    )
    waiting_aggregates = build_waiting_aggregates(promise)
    groups: Any = (
        applications_on_jobs(rows_by_job, rights)
        .filter(status=ApplicationStatus.ACTIVE)
        .alias(last_view=last_view)
        .order_by("stage__order", "stage_id")
        .values("job_id", "stage__name", "stage__order")
        .annotate(
            n=Count("pk"),
            new=Count("pk", filter=is_new),
            last_active_at=Min(build_waiting_since()),
            **waiting_aggregates,
        )
    )
    for group in groups:
        row = rows_by_job[group["job_id"]]
        row.active += group["n"]
        row.new += group["new"]
        name, order = group["stage__name"] or "No stage", group["stage__order"]
        row.stages.append((name, _STAGE_COLORS if order is None else order, group["n"]))
        times = [time for time in (row.waiting_since, group["last_active_at"]) if time]
        row.waiting_since = min(times, default=None)
        waiting = WaitingCounts(promise, **{name: group[name] for name in waiting_aggregates})
        row.waiting = waiting if row.waiting is None else row.waiting + waiting
