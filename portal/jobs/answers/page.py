"""Template context of the page that says how fast applications get an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import dateformat

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.answers.figures import (
    DEFAULT_PERIOD,
    PERIODS,
    SOON,
    AnswerCounts,
    AnswerSummary,
    find_first_day,
    list_recruiter_figures,
    load_answer_counts,
    summarize,
)
from portal.jobs.answers.promise import Promise, get_promise
from portal.jobs.job_list.csv_export import build_answer_cells
from portal.jobs.job_list.filter_options import list_team_options, render_options
from portal.jobs.job_list.filters import (
    SORT_ORDERS,
    JobFilters,
    add_query,
    filter_by_details,
    parse_filters,
)
from portal.jobs.job_list.rows import JobRow, build_rows
from portal.jobs.models import DecisionTally, StageCountRun
from portal.sync.models import Job
from portal.web.bar_chart import BarChart, Row, Series
from portal.web.csv_rows import format_time
from portal.web.id_parsing import parse_id

MAX_JOBS = 15
MAX_RECRUITERS = 10
CHUNK_SIZE = 200
CSV_HEADINGS = (
    "Title",
    "Requisition ID",
    "Greenhouse ID",
    "Status",
    "Recruiters",
    "Need a decision",
    "Unknown whether they need one",
    "Answers overdue",
    "Need a decision since",
    "First answer due",
    "Answered in time",
    "Answered late",
    "Answered, wait unknown",
    "Answered in time, %",
    "Days counted",
    "Promised working days",
    "Time zone",
    "Synced at",
)


@dataclass(frozen=True)
class DueBar:
    label: str
    count: int
    tone: str
    width: float  # in percent of the longest
    list_query: str


@dataclass(frozen=True)
class AnswerReport:
    """What the page's URL asks for: a period, and filters of the requisition list."""

    member: Membership
    rights: Rights
    filters: JobFilters
    period: int

    @cached_property
    def promise(self) -> Promise:
        return get_promise(self.member.organization_id)

    @property
    def is_available(self) -> bool:
        return "applications" not in self.rights.features.unavailable

    @cached_property
    def count_run(self) -> StageCountRun | None:
        return StageCountRun.objects.filter(connection=self.rights.match.connection).first()

    @property
    def is_counted(self) -> bool:
        """Before the first count, all figures would be 0."""
        return self.count_run is not None and self.count_run.counted_until is not None

    @property
    def jobs(self) -> QuerySet[Job]:
        """Open and closed."""
        visible = visible_jobs(self.member, member_rights=self.rights, closed=True)
        return filter_by_details(visible, self.filters, user=self.rights.match.user)

    @property
    def open_jobs(self) -> QuerySet[Job]:
        return self.jobs.filter(status=JobStatus.OPEN)

    @property
    def params(self) -> QueryDict:
        params = QueryDict(self.filters.query, mutable=True)
        if self.period != DEFAULT_PERIOD:
            params["period"] = str(self.period)
        return params

    def summarize(self) -> AnswerSummary:
        user = self.rights.match.user
        sees_all = self.rights.can_view and user is not None and user.site_admin
        return summarize(
            self.jobs,
            self.promise,
            period=self.period,
            all_of=self.count_run if sees_all and not self.filters.query else None,
        )


def build_report(member: Membership, rights: Rights, query: QueryDict) -> AnswerReport:
    """Ignores values that make no sense: URLs may be old or made up."""
    listed = parse_filters(query)
    filters = replace(
        JobFilters(), department=listed.department, recruiter=listed.recruiter, mine=listed.mine
    )
    period = parse_id(query.get("period", ""))
    return AnswerReport(
        member, rights, add_query(filters), period if period in PERIODS else DEFAULT_PERIOD
    )


def build_summary_context(report: AnswerReport) -> dict[str, Any]:
    return {
        "report": report,
        "promise": report.promise,
        "summary": report.summarize() if report.is_available and report.is_counted else None,
        "period_label": PERIODS[report.period],
    }


def build_page_context(report: AnswerReport) -> dict[str, Any]:
    options = list_team_options(report.rights, report.filters)
    context = {
        **build_summary_context(report),
        "periods": render_options(PERIODS.items(), report.period),
        "departments": render_options(options.departments, report.filters.department),
        "recruiters": render_options(options.recruiters, report.filters.recruiter),
    }
    summary: AnswerSummary | None = context["summary"]
    if summary is None:
        return context
    is_unknown = bool(
        summary.waiting.decision_unknown
        and not summary.waiting.undecided
        and not summary.answers.total
    )
    shows_recruiters = not is_unknown and "hiring_team" not in report.rights.features.unavailable
    figures = (
        list_recruiter_figures(
            report.jobs, report.promise, period=report.period, limit=MAX_RECRUITERS + 1
        )
        if shows_recruiters
        else []
    )
    return {
        **context,
        "is_unknown": is_unknown,
        "due_bars": _build_due_bars(report, summary),
        "answer_chart": _build_answer_chart(report, summary),
        "rows": _list_urgent_rows(report),
        "recruiter_figures": figures[:MAX_RECRUITERS],
        "has_more_recruiters": len(figures) > MAX_RECRUITERS,
        "is_recounting": _is_recounting(report),
    }


def list_csv_rows(report: AnswerReport, *, as_of: datetime | None) -> Iterator[tuple[str, ...]]:
    """All open requisitions, and closed ones where something was answered in the period."""
    first_day = find_first_day(report.promise, report.period)
    answered = DecisionTally.objects.filter(
        Q(in_time__gt=0) | Q(late__gt=0) | Q(unknown__gt=0), job=OuterRef("pk"), day__gte=first_day
    )
    jobs = report.jobs.filter(Q(status=JobStatus.OPEN) | Q(Exists(answered)))
    remaining_jobs = jobs.order_by("name", "pk").iterator(chunk_size=CHUNK_SIZE)
    while chunk := list(islice(remaining_jobs, CHUNK_SIZE)):
        counts = load_answer_counts([job.pk for job in chunk], report.promise, period=report.period)
        for row in build_rows(chunk, report.member, report.rights):
            row.answers = counts.get(row.job.pk, AnswerCounts())
            yield _build_csv_cells(row, report, as_of)


def _build_csv_cells(row: JobRow, report: AnswerReport, as_of: datetime | None) -> tuple[str, ...]:
    job, percent = row.job, row.answers.percent
    if not job.is_open:
        row.waiting = None  # nothing waits on a closed requisition
    return (
        job.name,
        job.requisition_id,
        str(job.remote_id),
        job.status,
        "; ".join(row.recruiters),
        *build_answer_cells(row),
        "" if percent is None else str(percent),
        str(report.period),
        str(report.promise.days),
        report.promise.zone_name,
        format_time(as_of),
    )


def _list_urgent_rows(report: AnswerReport) -> list[JobRow]:
    jobs = report.open_jobs.filter(undecided_since__isnull=False).select_related("department")
    urgent_jobs = list(jobs.order_by("undecided_since", "pk")[:MAX_JOBS])
    rows = build_rows(urgent_jobs, report.member, report.rights)
    counts = load_answer_counts(
        [job.pk for job in urgent_jobs], report.promise, period=report.period
    )
    for row in rows:
        row.answers = counts.get(row.job.pk, AnswerCounts())
    return rows


def _build_due_bars(report: AnswerReport, summary: AnswerSummary) -> list[DueBar]:
    groups = summary.groups
    rows = (
        ("Overdue", groups.overdue, "bad", "overdue"),
        ("Due today", groups.today, "warn", "today"),
        (f"Due in {SOON} working days", groups.soon, "info", "soon"),
        ("Due later", groups.later, "good", ""),
        ("Due time unknown", groups.unknown, "off", ""),
    )
    highest = max(*(n for _, n, _, _ in rows), 1)
    return [
        DueBar(label, n, tone, round(100 * n / highest, 2), _build_due_query(report, due))
        for label, n, tone, due in rows
    ]


def _build_due_query(report: AnswerReport, due: str) -> str:
    """Of the requisitions that have some; empty if the list can't be filtered by it."""
    if not due:
        return ""
    return add_query(replace(report.filters, due=due, order=SORT_ORDERS["due"])).query


def _build_answer_chart(report: AnswerReport, summary: AnswerSummary) -> BarChart:
    first_day = find_first_day(report.promise, report.period)
    weeks: dict[date, AnswerCounts] = {}
    for distance in range(report.period):
        day = first_day + timedelta(days=distance)
        week = max(day - timedelta(days=day.weekday()), first_day)
        weeks[week] = weeks.get(week, AnswerCounts()) + summary.answers_by_day.get(
            day, AnswerCounts()
        )
    rows: list[Row] = [
        (
            dateformat.format(week, "j M"),
            (counts.in_time, counts.late, counts.unknown),
            (counts.percent_label or "–",),
        )
        for week, counts in weeks.items()
    ]
    return BarChart(
        key="answers",
        title=f"Answered per week, last {PERIODS[report.period]}",
        column_title="Week of",
        series=(Series("In time", "good"), Series("Late", "bad"), Series("Wait unknown", "off")),
        rows=rows,
        extra_titles=("In time, of those known",),
    )


def _is_recounting(report: AnswerReport) -> bool:
    """Whether figures still follow an earlier promise."""
    run = report.count_run
    return run is not None and run.promise_changed_at != report.promise.changed_at
