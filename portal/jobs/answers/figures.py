"""How fast applications get an answer: figures of requisitions that a member may see.

All are sums of stored tallies, so their cost depends neither on applications nor on history. The
querysets of jobs must come from `visible_jobs`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils import timezone

from integrations.ats.types import ApplicationStatus, JobStatus
from portal.jobs.answers.labels import DueLabel, describe_due, describe_wait
from portal.jobs.answers.promise import Promise
from portal.jobs.models import DecisionTally
from portal.sync.models import (
    USER_NAME_FIELDS,
    Application,
    Job,
    TeamMember,
    format_user_name,
)

PERIODS = {30: "30 days", 90: "90 days"}
DEFAULT_PERIOD = 30
SOON = 3  # working days


@dataclass(frozen=True)
class AnswerCounts:
    """Applications that got an answer in a period. Of `unknown` ones, nobody knows how long they
    had waited.
    """

    in_time: int = 0
    late: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        return self.in_time + self.late + self.unknown

    @property
    def timed(self) -> int:
        return self.in_time + self.late

    @property
    def percent(self) -> int | None:
        """The share in time of those that are known: 100 only if all were, 0 only if none was."""
        if not self.timed:
            return None
        return max(100 * self.in_time // self.timed, 1 if self.in_time else 0)

    @property
    def percent_label(self) -> str:
        return "" if self.percent is None else f"{self.percent}%"

    def __add__(self, other: AnswerCounts) -> AnswerCounts:
        return AnswerCounts(
            self.in_time + other.in_time, self.late + other.late, self.unknown + other.unknown
        )


@dataclass(frozen=True)
class WaitingCounts:
    """Applications that need a decision. `decision_unknown` are active ones of which Greenhouse
    doesn't say whether they do; they are not among `undecided`.
    """

    promise: Promise
    undecided: int = 0
    overdue: int = 0
    since: datetime | None = None  # the one that has waited longest, of those that are known
    decision_unknown: int = 0

    @property
    def due(self) -> DueLabel | None:
        """When the first answer is due."""
        return None if self.since is None else describe_due(self.promise, self.since)

    @property
    def wait_label(self) -> str:
        return "" if self.since is None else describe_wait(self.since)


@dataclass(frozen=True)
class DueGroups:
    """The undecided by when their answer is due."""

    overdue: int = 0
    today: int = 0
    soon: int = 0
    later: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class AnswerSummary:
    waiting: WaitingCounts
    groups: DueGroups
    answers: AnswerCounts
    answers_by_day: dict[date, AnswerCounts]


@dataclass(frozen=True)
class RecruiterFigures:
    name: str
    waiting: WaitingCounts
    answers: AnswerCounts
    user_id: int


def summarize(jobs: QuerySet[Job], promise: Promise, *, period: int) -> AnswerSummary:
    """`jobs` are open and closed: what was answered there counts, and only open ones wait."""
    jobs = jobs.order_by()
    sums = jobs.filter(status=JobStatus.OPEN).aggregate(
        undecided=Sum("undecided", default=0),
        since=Min("undecided_since"),
        decision_unknown=Sum("decision_unknown", default=0),
    )
    waiting_by_day, answers_by_day = _load_tallies_by_day(jobs, find_first_day(promise, period))
    groups = _group_by_due_day(waiting_by_day, sums["undecided"], promise)
    return AnswerSummary(
        WaitingCounts(promise, overdue=groups.overdue, **sums),
        groups,
        sum(answers_by_day.values(), start=AnswerCounts()),
        answers_by_day,
    )


def load_waiting_counts(applications: QuerySet[Application], promise: Promise) -> WaitingCounts:
    """As they are at this moment."""
    active = applications.filter(status=ApplicationStatus.ACTIVE).order_by()
    counts = active.aggregate(
        undecided=Count("pk", filter=Q(needs_decision=True)),
        overdue=Count("pk", filter=Q(decision_needed_at__lt=promise.find_overdue_limit())),
        since=Min("decision_needed_at"),
        decision_unknown=Count("pk", filter=Q(needs_decision=None)),
    )
    return WaitingCounts(promise, **counts)


def find_first_day(promise: Promise, period: int) -> date:
    return promise.get_local_day(timezone.now()) - timedelta(days=period - 1)


def load_answer_counts(
    job_ids: Collection[int], promise: Promise, *, period: int = DEFAULT_PERIOD
) -> dict[int, AnswerCounts]:
    """By job, of those that have any."""
    tallies = DecisionTally.objects.filter(
        job__in=job_ids, day__gte=find_first_day(promise, period)
    ).order_by()
    rows = tallies.values_list("job_id").annotate(Sum("in_time"), Sum("late"), Sum("unknown"))
    return {job_id: AnswerCounts(*counts) for job_id, *counts in rows}


def list_recruiter_figures(
    jobs: QuerySet[Job], promise: Promise, *, period: int
) -> list[RecruiterFigures]:
    """Of each recruiter on the hiring teams, who is closest to missing the promise first. A
    requisition with several recruiters counts for each.
    """
    first_day = find_first_day(promise, period)
    pending_from = promise.find_earliest_pending_day(promise.get_local_day(timezone.now()))
    team = TeamMember.objects.filter(role="recruiter", job__in=jobs.order_by()).order_by()
    is_open = Q(job__status=JobStatus.OPEN)
    waiting_rows = team.values(*USER_NAME_FIELDS, "user_id").annotate(
        undecided=Sum("job__undecided", filter=is_open, default=0),
        since=Min("job__undecided_since", filter=is_open),
        decision_unknown=Sum("job__decision_unknown", filter=is_open, default=0),
    )
    tallies = _load_tallies_by_recruiter(team, is_open, first_day, pending_from)
    figures = []
    for row in waiting_rows:
        overdue, *counts = tallies.get(row["user_id"], [0, 0, 0, 0])
        waiting = WaitingCounts(
            promise, row["undecided"], overdue, row["since"], row["decision_unknown"]
        )
        if waiting.undecided or waiting.decision_unknown or sum(counts):
            name = format_user_name(*(row[field] for field in USER_NAME_FIELDS))
            figures.append(RecruiterFigures(name, waiting, AnswerCounts(*counts), row["user_id"]))
    return sorted(figures, key=_get_urgency)


def _load_tallies_by_recruiter(
    team: QuerySet[TeamMember], is_open: Q, first_day: date, pending_from: date
) -> dict[int, list[int]]:
    """How many are overdue, and how many were answered in time, late or after an unknown wait."""
    tally = "job__decision_tallies__"
    is_overdue = is_open & Q(**{f"{tally}day__lt": pending_from})
    in_period = Q(**{f"{tally}day__gte": first_day})
    rows = team.values_list("user_id").annotate(
        overdue=Sum(f"{tally}waiting", filter=is_overdue, default=0),
        in_time=Sum(f"{tally}in_time", filter=in_period, default=0),
        late=Sum(f"{tally}late", filter=in_period, default=0),
        unknown=Sum(f"{tally}unknown", filter=in_period, default=0),
    )
    return {user_id: counts for user_id, *counts in rows}


def _get_urgency(figures: RecruiterFigures) -> tuple[bool, float, int, str]:
    since = figures.waiting.since
    return (
        since is None,
        since.timestamp() if since else 0.0,
        -figures.waiting.undecided,
        figures.name,
    )


def _group_by_due_day(
    waiting_by_day: dict[date, int], undecided: int, promise: Promise
) -> DueGroups:
    today = promise.get_local_day(timezone.now())
    pending_from = promise.find_earliest_pending_day(today)
    after_today = promise.find_earliest_pending_day(today + timedelta(days=1))
    after_soon = promise.find_pending_day_after(today, SOON)

    def count(begin: date | None, end: date | None) -> int:
        return sum(
            n
            for day, n in waiting_by_day.items()
            if (begin is None or day >= begin) and (end is None or day < end)
        )

    return DueGroups(
        overdue=count(None, pending_from),
        today=count(pending_from, after_today),
        soon=count(after_today, after_soon),
        later=count(after_soon, None),
        unknown=max(undecided - sum(waiting_by_day.values()), 0),
    )


def _load_tallies_by_day(
    jobs: QuerySet[Job], first_day: date
) -> tuple[dict[date, int], dict[date, AnswerCounts]]:
    """One pass over the tallies: they are many."""
    tallies = DecisionTally.objects.filter(job__in=jobs).order_by().values_list("day")
    rows = tallies.annotate(
        waiting=Sum("waiting", filter=Q(job__status=JobStatus.OPEN), default=0),
        in_time=Sum("in_time"),
        late=Sum("late"),
        unknown=Sum("unknown"),
    )
    waiting_by_day, answers_by_day = {}, {}
    for day, waiting, *counts in rows:
        if waiting:
            waiting_by_day[day] = waiting
        if day >= first_day:
            answers_by_day[day] = AnswerCounts(*counts)
    return waiting_by_day, answers_by_day
