"""Template context of the requisition list."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from portal.accounts.models import Membership
from portal.core.database.compiled_queries import compile_once, count_once
from portal.entitlements.rules import Rights, VisibilityRule, visible_jobs
from portal.jobs import pins
from portal.jobs.job_list.filter_options import get_filter_options, render_options
from portal.jobs.job_list.filters import (
    AGE_OPTIONS,
    DUE_OPTIONS,
    MIN_ACTIVE_OPTIONS,
    JobConditions,
    JobFilters,
    build_condition,
    resolve_filters,
)
from portal.jobs.job_list.rows import JobRow, build_rows
from portal.jobs.job_list.search import find_candidate_matches
from portal.sync.models import Job, StageName
from portal.web.list_visits import VISIT_PARAMS, ListVisit, PagedList, VisitPage
from portal.web.sort_order import SortOrder

PAGE_SIZE = 25
MAX_COUNTED = 1000
SORT_LABELS = {
    "name": "Title, A to Z",
    "-name": "Title, Z to A",
    "due": "Closest to missing the promise",
    "waiting": "Longest wait",
    "-active": "Most applications",
    "active": "Fewest applications",
    "opened": "Oldest first",
    "-opened": "Newest first",
}
# All that rows need of a job.
_ROW_COLUMNS = (
    *("name", "status", "requisition_id", "confidential", "is_template"),
    *("department__name", "opened_at", "active_applications", "waiting_since"),
)


@dataclass(frozen=True)
class ListRequest:
    member: Membership
    rights: Rights
    filters: JobFilters
    query: QueryDict = field(default_factory=QueryDict)

    def get_jobs(self) -> QuerySet[Job]:
        return self.conditions.filter(self.get_visible_jobs())

    def load_rows(self, limit: int, **conditions: tuple[int, ...]) -> list[Job]:
        """The first ones in order, of those for which further conditions hold."""
        names = (*self.conditions.names, *conditions)
        values = (*self.conditions.values, *conditions.values())
        viewer, order = self.rights.viewer, self.filters.order
        if viewer is None:
            return []
        if (is_named := self.conditions.is_named) is not None:
            matching = self.get_visible_jobs().filter(
                build_condition(names, values, is_named=is_named)
            )
            return list(_order_rows(matching, order)[:limit])
        rule, closed = viewer.rule, self.filters.closed
        return _find_rows(
            viewer.ids, *values, rule=rule, closed=closed, names=names, order=order, limit=limit
        )

    def count_jobs(self, limit: int) -> int:
        viewer, conditions = self.rights.viewer, self.conditions
        if viewer is None or conditions.is_named is not None:
            return self.get_jobs().order_by()[:limit].count()
        rule, closed = viewer.rule, self.filters.closed
        return _count_rows(
            viewer.ids,
            *conditions.values,
            rule=rule,
            closed=closed,
            names=conditions.names,
            limit=limit,
        )

    @cached_property
    def conditions(self) -> JobConditions:
        return resolve_filters(self.filters, self.rights)

    def get_visible_jobs(self) -> QuerySet[Job]:
        return visible_jobs(self.member, member_rights=self.rights, closed=self.filters.closed)


def build_page_context(list_request: ListRequest) -> dict[str, Any]:
    """Pinned requisitions that match come first, on the first page only, and not again below."""
    member, rights = list_request.member, list_request.rights
    pinned_ids = pins.list_pinned_job_ids(member)
    job_page = _load_page(list_request, pinned_ids)
    pinned_jobs = _list_pinned_jobs(list_request, pinned_ids) if job_page.number == 1 else []
    rows_by_id = {
        row.job.pk: row
        for row in build_rows(
            [*job_page, *pinned_jobs], member, rights, pinned=frozenset(pinned_ids)
        )
    }
    # A page that was shown keeps its rows, of which some may have been pinned since.
    pinned_rows = [rows_by_id.pop(job.pk) for job in pinned_jobs]
    page_rows = [rows_by_id[job.pk] for job in job_page if job.pk in rows_by_id]
    _add_match_details([*pinned_rows, *page_rows], list_request)
    total = _count_jobs(list_request, job_page, pinned_jobs)
    return {
        "rows": page_rows,
        "pinned": pinned_rows,
        "total": total,
        "total_label": f"More than {MAX_COUNTED:,}" if total > MAX_COUNTED else f"{total:,}",
        "next_url": _build_page_url(job_page.next_url),
        "previous_url": _build_page_url(job_page.previous_url),
        "hidden_count": job_page.hidden_count,
    }


def _count_jobs(list_request: ListRequest, job_page: VisitPage, pinned_jobs: list[Job]) -> int:
    if job_page.number == 1 and not (job_page.next_url or job_page.hidden_count):
        return len(job_page) + len(pinned_jobs)
    return list_request.count_jobs(MAX_COUNTED + 1)


def _load_page(list_request: ListRequest, pinned_ids: list[int]) -> VisitPage:
    job_filters = list_request.filters
    pins_excluded = {"not_pinned": tuple(pinned_ids)} if pinned_ids else {}
    # Only later pages of a visit need these.
    shown: Any = SimpleLazyObject(lambda: _select_row_columns(list_request.get_visible_jobs()))
    ordered: Any = SimpleLazyObject(
        lambda: _order_rows(list_request.get_jobs().exclude(pk__in=pinned_ids), job_filters.order)
    )
    job_list = PagedList(
        f"jobs:{job_filters.query}",
        ordered=ordered,
        shown=shown,
        size=PAGE_SIZE,
        load_first=lambda limit: list_request.load_rows(limit, **pins_excluded),
    )
    query = QueryDict(job_filters.query, mutable=True)
    for name in VISIT_PARAMS:
        query[name] = list_request.query.get(name, "")
    return ListVisit(job_list, query, list_request.member).load_page(count_rows=False)


@compile_once
def _find_rows(
    viewer_ids: tuple[int, ...],
    *values: Any,
    rule: VisibilityRule,
    closed: bool,
    names: tuple[str, ...],
    order: SortOrder,
    limit: int,
) -> QuerySet[Job]:
    jobs = rule.list_jobs(viewer_ids, closed=closed).filter(build_condition(names, values))
    return _order_rows(jobs, order)[:limit]


@count_once
def _count_rows(
    viewer_ids: tuple[int, ...],
    *values: Any,
    rule: VisibilityRule,
    closed: bool,
    names: tuple[str, ...],
    limit: int,
) -> QuerySet[Job, Any]:
    jobs = rule.list_jobs(viewer_ids, closed=closed).filter(build_condition(names, values))
    return jobs.order_by().values("pk")[:limit]


def _order_rows(jobs: QuerySet[Job], order: SortOrder) -> QuerySet[Job]:
    return _select_row_columns(jobs).order_by(*order.get_ordering())


def _select_row_columns(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("department").only(*_ROW_COLUMNS)


def _list_pinned_jobs(list_request: ListRequest, pinned_ids: list[int]) -> list[Job]:
    if not pinned_ids:
        return []
    matching = list_request.load_rows(len(pinned_ids), pinned=tuple(pinned_ids))
    return sorted(matching, key=lambda job: pinned_ids.index(job.pk))


def _add_match_details(page_rows: list[JobRow], list_request: ListRequest) -> None:
    job_filters, connection = list_request.filters, list_request.rights.match.connection
    viewer = list_request.rights.viewer
    if job_filters.search and viewer is not None:
        matches = find_candidate_matches(
            [row.job.pk for row in page_rows],
            job_filters.search,
            viewer,
            closed=job_filters.closed,
        )
        for row in page_rows:
            row.candidate_matches = matches.get(row.job.pk, ())
    if job_filters.stage is not None and page_rows:
        stage = StageName.objects.filter(connection=connection, pk=job_filters.stage).first()
        for row in page_rows:
            row.stage_count = row.waiting_in(stage.name) if stage else None


def _build_page_url(query: str) -> str:
    return f"{reverse('jobs:list')}{query}" if query else ""


def build_sort_context(job_filters: JobFilters) -> dict[str, Any]:
    return {"sorts": render_options(SORT_LABELS.items(), job_filters.order.key)}


def build_filter_context(list_request: ListRequest) -> dict[str, Any]:
    """The filter options: hundreds of names, so queried only when the filters are open."""
    job_filters = list_request.filters
    filter_options = get_filter_options(list_request.rights, job_filters)
    return {
        "choices": filter_options,
        "departments": render_options(filter_options.departments, job_filters.department),
        "offices": render_options(filter_options.offices, job_filters.office),
        "recruiters": render_options(filter_options.recruiters, job_filters.recruiter),
        "stages": render_options(filter_options.stages, job_filters.stage),
        "min_active_options": render_options(MIN_ACTIVE_OPTIONS.items(), job_filters.min_active),
        "age_options": render_options(AGE_OPTIONS.items(), job_filters.age),
        "due_options": render_options(
            ((key, label) for key, (label, _) in DUE_OPTIONS.items()), job_filters.due
        ),
    }
