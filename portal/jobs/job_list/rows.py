"""Rows of the requisition list, built per page so that the number of queries is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, F, FilteredRelation, Min, Q, QuerySet
from django.utils import timezone
from django.utils.safestring import SafeString

from integrations.ats.types import ApplicationStatus
from portal.accounts.models import Membership
from portal.core import links
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, public_applications
from portal.jobs.answers.figures import (
    AnswerCounts,
    WaitingCounts,
    build_waiting_aggregates,
    load_answer_counts,
)
from portal.jobs.answers.labels import format_moment
from portal.jobs.answers.promise import Promise, get_promise
from portal.jobs.job_list.search import CandidateMatch
from portal.jobs.job_list.stage_counts import build_waiting_since
from portal.jobs.job_page.details import get_job_url
from portal.sync.models import USER_NAME_FIELDS, Job, Opening, format_user_name
from portal.web.row_urls import reverse_cached
from portal.web.templatetags.names import isolate

# Age up to which applications count as new on a requisition that the member never opened.
NEW_APPLICATION_PERIOD = timedelta(days=7)
_STAGE_COLORS = 6
_MAX_NAMES = 3


@dataclass
class JobRow:
    """A row of the list; its HTML is built by `row_html`."""

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

    @property
    def in_stage_label(self) -> str:
        return f"{self.stage_count[1]:,} in {self.stage_count[0]}" if self.stage_count else ""

    def waiting_in(self, stage: str) -> tuple[str, int]:
        return stage, sum(n for name, _, n in self.stages if name == stage)

    @property
    def stage_bars(self) -> list[tuple[int, float]]:
        """Color and width in percent."""
        return [
            (min(max(order, 0), _STAGE_COLORS - 1) + 1, 100 * n / self.active)
            for _, order, n in self.stages
        ]

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
    for job, *name_fields in _find_recruiters(tuple(rows_by_job)):
        names_by_job[job].append(format_user_name(*name_fields))
    for job, names in names_by_job.items():
        rows_by_job[job].recruiters = names


@compile_once
def _find_recruiters(job_ids: tuple[int, ...]) -> QuerySet[Job, tuple[Any, ...]]:
    jobs = Job.objects.filter(pk__in=job_ids, team__role="recruiter")
    names = [f"team__{field}" for field in USER_NAME_FIELDS]
    return jobs.order_by("team__user__name", "team__id").values_list("pk", *names)


def _add_offices(rows_by_job: Mapping[int, JobRow]) -> None:
    names_by_job = defaultdict(list)
    for job, name in _find_offices(tuple(rows_by_job)):
        names_by_job[job].append(name)
    for job, names in names_by_job.items():
        rows_by_job[job].offices = names


@compile_once
def _find_offices(job_ids: tuple[int, ...]) -> QuerySet[Any, tuple[int, str]]:
    through: Any = Job.offices.through
    offices: QuerySet[Any] = through._default_manager.filter(job_id__in=job_ids)
    return offices.order_by("office__name", "id").values_list("job_id", "office__name")


def _add_openings(rows_by_job: Mapping[int, JobRow]) -> None:
    for row in rows_by_job.values():
        row.openings_left = 0
    for job, n in _count_openings(tuple(rows_by_job)):
        rows_by_job[job].openings_left = n


@compile_once
def _count_openings(job_ids: tuple[int, ...]) -> QuerySet[Opening, tuple[int, int]]:
    openings = Opening.objects.filter(job__in=job_ids, is_open=True, gone_at=None).order_by()
    return openings.values_list("job_id").annotate(Count("pk"))


def _add_application_counts(
    rows_by_job: Mapping[int, JobRow], member: Membership, rights: Rights, promise: Promise
) -> None:
    groups = _count_applications(
        tuple(rows_by_job),
        member.pk,
        timezone.now() - NEW_APPLICATION_PERIOD,
        promise.find_overdue_limit(),
        unavailable=frozenset(rights.features.unavailable),
    )
    waiting_by_job = defaultdict[int, list[list[Any]]](list)
    for job_id, stage, order, n, new, last_active_at, *waiting_counts in groups:
        row = rows_by_job[job_id]
        row.active += n
        row.new += new
        row.stages.append((stage or "No stage", _STAGE_COLORS if order is None else order, n))
        times = [time for time in (row.waiting_since, last_active_at) if time]
        row.waiting_since = min(times, default=None)
        waiting_by_job[job_id].append(waiting_counts)
    for job_id, waiting_groups in waiting_by_job.items():
        undecided, overdue, since, unknown = zip(*waiting_groups, strict=True)
        rows_by_job[job_id].waiting = WaitingCounts(
            promise,
            sum(undecided),
            sum(overdue),
            min(filter(None, since), default=None),
            sum(unknown),
        )


@compile_once
def _count_applications(
    job_ids: tuple[int, ...],
    member_id: int,
    new_since: datetime,
    overdue_limit: datetime,
    *,
    unavailable: frozenset[str],
) -> QuerySet[Any, tuple[Any, ...]]:
    last_view = FilteredRelation(
        "job__last_views", condition=Q(job__last_views__membership=member_id)
    )
    is_new = Q(first_seen_at__gt=F("last_view__viewed_at")) | Q(
        applied_at__gt=new_since, last_view__viewed_at=None
    )
    return (
        public_applications(unavailable)
        .filter(job__in=job_ids, status=ApplicationStatus.ACTIVE)
        .alias(last_view=last_view)
        .order_by("stage__order", "stage_id")
        .values_list("job_id", "stage__name", "stage__order")
        .annotate(
            n=Count("pk"),
            new=Count("pk", filter=is_new),
            last_active_at=Min(build_waiting_since()),
            **build_waiting_aggregates(overdue_limit),
        )
    )
