"""How fast applications get an answer: figures of requisitions that a member may see.

All are sums of stored tallies, so their cost depends neither on applications nor on history. The
querysets of jobs must come from `visible_jobs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from django.db.models import Aggregate, Count, Min, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.safestring import SafeString

from integrations.ats.types import JobStatus
from portal.core.database.compiled_queries import compile_once
from portal.jobs.answers import tally_sums
from portal.jobs.answers.labels import DueLabel, describe_due, describe_wait, format_count
from portal.jobs.answers.promise import Promise
from portal.jobs.models import DecisionTallySum, StageCountRun
from portal.sync.models import AtsUser, Job

PERIODS = {30: "30 days", 90: "90 days"}
DEFAULT_PERIOD = 30
SOON = 3  # working days
_URGENT_JOBS = 300
_SUMMED_FIELDS = ("waiting", "decision_unknown", "in_time", "late", "unknown")


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

    @cached_property
    def due(self) -> DueLabel | None:
        """When the first answer is due."""
        return None if self.since is None else describe_due(self.promise, self.since)

    @property
    def wait_label(self) -> str:
        return "" if self.since is None else describe_wait(self.since)

    @property
    def undecided_label(self) -> SafeString:
        return format_count(self.undecided)

    @property
    def overdue_label(self) -> SafeString:
        return format_count(self.overdue)

    def __add__(self, other: WaitingCounts) -> WaitingCounts:
        return WaitingCounts(
            self.promise,
            self.undecided + other.undecided,
            self.overdue + other.overdue,
            min(filter(None, (self.since, other.since)), default=None),
            self.decision_unknown + other.decision_unknown,
        )


@dataclass(frozen=True)
class DueGroups:
    """The undecided by when their answer is due."""

    overdue: int
    today: int
    soon: int
    later: int
    unknown: int


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

    def __add__(self, other: RecruiterFigures) -> RecruiterFigures:
        return replace(
            self, waiting=self.waiting + other.waiting, answers=self.answers + other.answers
        )


def summarize(
    jobs: QuerySet[Job], promise: Promise, *, period: int, all_of: StageCountRun | None = None
) -> AnswerSummary:
    """`jobs` are open and closed: what was answered there counts, and only open ones wait. With
    `all_of`, they include all jobs of its connection that are neither confidential nor gone.
    """
    jobs = jobs.order_by()
    sums = _load_sums(jobs, find_first_day(promise, period), all_of)
    groups = _group_by_due_day(sums.waiting_by_day, sums.undecided, promise)
    waiting = WaitingCounts(
        promise, sums.undecided, groups.overdue, _find_longest_wait(jobs), sums.decision_unknown
    )
    answers = sum(sums.answers_by_day.values(), start=AnswerCounts())
    return AnswerSummary(waiting, groups, answers, sums.answers_by_day)


def build_waiting_aggregates(overdue_limit: datetime) -> dict[str, Aggregate]:
    """The fields of `WaitingCounts`, of active applications."""
    return {
        "undecided": Count("pk", filter=Q(needs_decision=True)),
        "overdue": Count("pk", filter=Q(decision_needed_at__lt=overdue_limit)),
        "since": Min("decision_needed_at"),
        "decision_unknown": Count("pk", filter=Q(needs_decision=None)),
    }


def find_first_day(promise: Promise, period: int) -> date:
    return promise.get_local_day(timezone.now()) - timedelta(days=period - 1)


def load_answer_counts(
    job_ids: Collection[int], promise: Promise, *, period: int = DEFAULT_PERIOD
) -> dict[int, AnswerCounts]:
    """By job, of those that have any."""
    rows = _sum_answers(tuple(job_ids), find_first_day(promise, period))
    return {job_id: AnswerCounts(*counts) for job_id, *counts in rows}


@compile_once
def _sum_answers(job_ids: tuple[int, ...], first_day: date) -> QuerySet[Job, tuple[int, ...]]:
    jobs = Job.objects.filter(pk__in=job_ids, decision_tallies__day__gte=first_day).order_by()
    sums = [Sum(f"decision_tallies__{outcome}") for outcome in ("in_time", "late", "unknown")]
    return jobs.values_list("pk").annotate(*sums)


def list_recruiter_figures(
    jobs: QuerySet[Job], promise: Promise, *, period: int, limit: int
) -> list[RecruiterFigures]:
    """Of recruiters on the hiring teams, who is closest to missing the promise first. A requisition
    with several recruiters counts for each.
    """
    urgent_ids = _find_urgent_recruiters(jobs, limit)
    team_filters = {} if urgent_ids is None else {"team__user__in": urgent_ids}
    recruited = jobs.order_by().filter(team__role="recruiter", **team_filters)
    rows = list(
        recruited.values_list(
            *("team__user", "pk", "status"),
            *("undecided", "undecided_since", "decision_unknown"),
        )
    )
    counts = _load_counts({row[1] for row in rows}, promise, period)
    totals: dict[int, RecruiterFigures] = {}
    for user_id, job_id, status, undecided, since, decision_unknown in rows:
        overdue, answers = counts.get(job_id, (0, AnswerCounts()))
        waiting = WaitingCounts(promise)
        if status == JobStatus.OPEN:
            waiting = WaitingCounts(promise, undecided, overdue, since, decision_unknown)
        figures = RecruiterFigures("", waiting, answers, user_id)
        totals[user_id] = totals[user_id] + figures if user_id in totals else figures
    listed = sorted(filter(_has_figures, totals.values()), key=_get_urgency)[:limit]
    users = AtsUser.objects.in_bulk([figures.user_id for figures in listed])
    return [replace(figures, name=str(users[figures.user_id])) for figures in listed]


def _load_counts(
    job_ids: Collection[int], promise: Promise, period: int
) -> dict[int, tuple[int, AnswerCounts]]:
    """How many are overdue, and what was answered in the period, by job."""
    pending_from = promise.find_earliest_pending_day(promise.get_local_day(timezone.now()))
    in_period = Q(decision_tallies__day__gte=find_first_day(promise, period))
    is_pending = Q(decision_tallies__day__lt=pending_from)
    is_counted = in_period | Q(decision_tallies__waiting__gt=0)
    jobs = Job.objects.filter(is_counted, pk__in=job_ids).order_by()
    rows = jobs.values_list("pk").annotate(
        overdue=Sum("decision_tallies__waiting", filter=is_pending, default=0),
        answered_in_time=Sum("decision_tallies__in_time", filter=in_period, default=0),
        answered_late=Sum("decision_tallies__late", filter=in_period, default=0),
        answered_unknown=Sum("decision_tallies__unknown", filter=in_period, default=0),
    )
    return {job_id: (overdue, AnswerCounts(*counts)) for job_id, overdue, *counts in rows}


def _find_urgent_recruiters(jobs: QuerySet[Job], limit: int) -> list[int] | None:
    """Those of the jobs closest to missing the promise; None if so few jobs name too few: then the
    figures of all decide.
    """
    waiting = jobs.filter(status=JobStatus.OPEN, undecided_since__isnull=False)
    job_ids = list(waiting.order_by("undecided_since").values_list("pk", flat=True)[:_URGENT_JOBS])
    recruited = Job.objects.filter(pk__in=job_ids, team__role="recruiter").order_by()
    rows = recruited.values_list("team__user").annotate(since=Min("undecided_since"))
    user_ids = [user_id for user_id, _ in rows.order_by("since", "team__user")[:limit]]
    return user_ids if len(user_ids) == limit else None


def _has_figures(figures: RecruiterFigures) -> bool:
    waiting = figures.waiting
    return bool(waiting.undecided or waiting.decision_unknown or figures.answers.total)


def _get_urgency(figures: RecruiterFigures) -> tuple[bool, float, int, int]:
    since = figures.waiting.since
    return (
        since is None,
        since.timestamp() if since else 0.0,
        -figures.waiting.undecided,
        figures.user_id,
    )


def _group_by_due_day(
    waiting_by_day: Mapping[date, int], undecided: int, promise: Promise
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


@dataclass
class _Sums:
    undecided: int = 0
    decision_unknown: int = 0
    waiting_by_day: Counter[date] = field(default_factory=Counter)
    answers_by_day: dict[date, AnswerCounts] = field(default_factory=dict)

    def add_answers(self, day: date, counts: AnswerCounts) -> None:
        self.answers_by_day[day] = self.answers_by_day.get(day, AnswerCounts()) + counts


def _load_sums(jobs: QuerySet[Job], first_day: date, all_of: StageCountRun | None) -> _Sums:
    sums = _Sums()
    changed_blocks = tally_sums.find_changed_blocks(all_of) if all_of is not None else None
    if all_of is None or changed_blocks is None:
        _add_jobs(sums, jobs, first_day)
        return sums
    stored = DecisionTallySum.objects.filter(connection=all_of.connection_id).exclude(
        block__in=changed_blocks
    )
    _add_stored_sums(sums, stored, first_day)
    _add_jobs(sums, jobs.filter(confidential=True), first_day)
    if changed_blocks:
        is_in_block = tally_sums.filter_by_blocks(changed_blocks)
        _add_jobs(sums, jobs.filter(is_in_block, confidential=False), first_day)
    return sums


def _add_stored_sums(sums: _Sums, stored: QuerySet[DecisionTallySum], first_day: date) -> None:
    rows = stored.order_by().values_list("day").annotate(*map(Sum, _SUMMED_FIELDS))
    for day, waiting, decision_unknown, *counts in rows:
        sums.undecided += waiting
        sums.decision_unknown += decision_unknown
        if day is not None:
            sums.waiting_by_day[day] += waiting
            if day >= first_day:
                sums.add_answers(day, AnswerCounts(*counts))


def _add_jobs(sums: _Sums, jobs: QuerySet[Job], first_day: date) -> None:
    """One pass over the tallies of the period, and of what still waits: they are many."""
    open_jobs = jobs.filter(status=JobStatus.OPEN)
    totals = open_jobs.aggregate(
        undecided=Sum("undecided", default=0), decision_unknown=Sum("decision_unknown", default=0)
    )
    sums.undecided += totals["undecided"]
    sums.decision_unknown += totals["decision_unknown"]
    rows = (
        jobs.filter(Q(decision_tallies__day__gte=first_day) | Q(decision_tallies__waiting__gt=0))
        .values_list("decision_tallies__day")
        .annotate(
            waiting=Sum("decision_tallies__waiting", filter=Q(status=JobStatus.OPEN), default=0),
            in_time=Sum("decision_tallies__in_time"),
            late=Sum("decision_tallies__late"),
            unknown=Sum("decision_tallies__unknown"),
        )
    )
    for day, waiting, *counts in rows:
        sums.waiting_by_day[day] += waiting
        if day >= first_day:
            sums.add_answers(day, AnswerCounts(*counts))


def _find_longest_wait(jobs: QuerySet[Job]) -> datetime | None:
    """Ordered, not aggregated: the index has the first one."""
    waiting = jobs.filter(status=JobStatus.OPEN, undecided_since__isnull=False)
    return waiting.order_by("undecided_since").values_list("undecided_since", flat=True).first()
