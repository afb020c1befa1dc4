"""Filter options of the requisition list: only names on jobs that the member may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.safestring import SafeString, mark_safe

from portal.core.database.compiled_queries import compile_once
from portal.entitlements.rules import Rights, VisibilityRule
from portal.jobs.job_list.filters import JobFilters
from portal.sync.models import (
    AtsUser,
    Department,
    Job,
    Office,
    StageName,
    format_user_name,
)

MAX_OPTIONS = 500  # the search finds people by name
# Rows of a connection, by its ID, that occur on these jobs.
_ListOccurring = Callable[[int, QuerySet[Job]], QuerySet[Any]]


def render_options(pairs: Iterable[tuple[object, str]], chosen: object) -> SafeString:
    """Render the options of a select, often hundreds."""
    return mark_safe(  # noqa: S308  (escaped)
        "\n".join(
            f'<option value="{escape(str(key))}"{" selected" if key == chosen else ""}>'
            f"{escape(name)}</option>"
            for key, name in pairs
        )
    )


@dataclass(frozen=True)
class FilterOptions:
    departments: list[tuple[int, str]]
    offices: list[tuple[int, str]]
    recruiters: list[tuple[int, str]]
    stages: list[tuple[int, str]]


def get_filter_options(rights: Rights, filters: JobFilters) -> FilterOptions:
    """Return (id, name) pairs; of stages, only those with active applications.

    A selected option stays in the list while it occurs on any visible job, open or closed.
    """

    def list_options(
        occurring: _ListOccurring, chosen: int | None, selectable: _ListOccurring
    ) -> list[tuple[int, str]]:
        return _list_options(rights, occurring, chosen, selectable, closed=filters.closed)

    return FilterOptions(
        departments=list_options(_list_departments, filters.department, _list_departments),
        offices=list_options(_list_offices, filters.office, _list_offices),
        recruiters=list_options(_list_recruiters, filters.recruiter, _list_recruiters),
        stages=list_options(_list_occupied_stages, filters.stage, _list_stages),
    )


@dataclass(frozen=True)
class TeamOptions:
    departments: list[tuple[int, str]]
    recruiters: list[tuple[int, str]]


def list_team_options(rights: Rights, filters: JobFilters) -> TeamOptions:
    """Of all visible jobs, open or closed."""

    def list_options(occurring: _ListOccurring, chosen: int | None) -> list[tuple[int, str]]:
        return _list_options(rights, occurring, chosen, occurring, closed=True)

    return TeamOptions(
        departments=list_options(_list_departments, filters.department),
        recruiters=list_options(_list_recruiters, filters.recruiter),
    )


def _list_options(
    rights: Rights,
    occurring: _ListOccurring,
    chosen: int | None,
    selectable: _ListOccurring,
    *,
    closed: bool,
) -> list[tuple[int, str]]:
    viewer = rights.viewer
    if viewer is None:
        return []
    rows = _find_options(viewer.ids, rule=viewer.rule, occurring=occurring, closed=closed)
    if chosen is not None and all(pk != chosen for pk, *_ in rows):
        rows = _find_option(chosen, viewer.ids, rule=viewer.rule, occurring=selectable) + rows
    if occurring is _list_recruiters:
        return [(pk, format_user_name(*names)) for pk, *names in rows]
    return [(pk, name) for pk, name in rows]


@compile_once
def _find_options(
    viewer_ids: tuple[int, ...], *, rule: VisibilityRule, occurring: _ListOccurring, closed: bool
) -> QuerySet[Any, tuple[Any, ...]]:
    options = occurring(viewer_ids[0], rule.list_jobs(viewer_ids, closed=closed).order_by())
    return _select_names(options.order_by("name", "id")[:MAX_OPTIONS])


@compile_once
def _find_option(
    pk: int, viewer_ids: tuple[int, ...], *, rule: VisibilityRule, occurring: _ListOccurring
) -> QuerySet[Any, tuple[Any, ...]]:
    options = occurring(viewer_ids[0], rule.list_jobs(viewer_ids, closed=True).order_by())
    return _select_names(options.filter(pk=pk))


def _select_names(options: QuerySet[Any]) -> QuerySet[Any, tuple[Any, ...]]:
    if options.model is AtsUser:
        return options.values_list("pk", "name", "primary_email", "remote_id")
    return options.values_list("pk", "name")


def _list_departments(connection_id: int, jobs: QuerySet[Job]) -> QuerySet[Department]:
    has_job = Exists(jobs.filter(department=OuterRef("pk")))
    return Department.objects.filter(has_job, connection=connection_id)


def _list_offices(connection_id: int, jobs: QuerySet[Job]) -> QuerySet[Office]:
    has_job = Exists(jobs.filter(offices=OuterRef("pk")))
    return Office.objects.filter(has_job, connection=connection_id)


def _list_recruiters(connection_id: int, jobs: QuerySet[Job]) -> QuerySet[AtsUser]:
    has_job = Exists(jobs.filter(team__user=OuterRef("pk"), team__role="recruiter"))
    return AtsUser.objects.filter(has_job, connection=connection_id)


def _list_occupied_stages(connection_id: int, jobs: QuerySet[Job]) -> QuerySet[StageName]:
    has_job = Exists(jobs.filter(stage_counts__stage=OuterRef("pk"), stage_counts__active__gt=0))
    return StageName.objects.filter(has_job, connection=connection_id)


def _list_stages(connection_id: int, jobs: QuerySet[Job]) -> QuerySet[StageName]:
    has_job = Exists(jobs.filter(stages__connection=connection_id, stages__name=OuterRef("name")))
    return StageName.objects.filter(has_job, connection=connection_id)
