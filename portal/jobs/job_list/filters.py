"""Search, filters and sort order of the requisition list, parsed from its URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from integrations.ats.types import JobStatus
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.answers.promise import get_promise
from portal.jobs.job_list.search import is_found, search_jobs
from portal.jobs.models import StageCount
from portal.sync.models import AtsUser, Job, TeamMember
from portal.web.id_parsing import parse_id
from portal.web.list_urls import parse_search
from portal.web.sort_order import SortOrder

SORT_ORDERS = {
    "name": SortOrder("name", "name"),
    "-name": SortOrder("-name", "name", descending=True),
    "opened": SortOrder("opened", "opened_at", nullable=True),
    "-opened": SortOrder("-opened", "opened_at", descending=True, nullable=True),
    "active": SortOrder("active", "active_applications"),
    "-active": SortOrder("-active", "active_applications", descending=True),
    "waiting": SortOrder("waiting", "waiting_since", nullable=True),
    "due": SortOrder("due", "undecided_since", nullable=True),
}
AGE_OPTIONS = {
    "30": "30 days",
    "60": "60 days",
    "90": "90 days",
    "180": "6 months",
    "365": "1 year",
}
MIN_ACTIVE_OPTIONS = {
    2: "2",
    5: "5",
    10: "10",
    25: "25",
    50: "50",
    100: "100",
}


# Working days until whose end an answer is due; 0: overdue now.
DUE_OPTIONS = {
    "overdue": ("Overdue", 0),
    "today": ("Overdue or due today", 1),
    "soon": ("Overdue or due in 3 working days", 3),
}


@dataclass(frozen=True)
class JobFilters:
    # Our primary keys; `stage` is that of a StageName.
    search: str = ""
    department: int | None = None
    office: int | None = None
    recruiter: int | None = None
    stage: int | None = None
    min_active: int | None = None  # active applications, in `stage` if it is set
    mine: bool = False
    confidential: bool = False
    with_active: bool = False
    closed: bool = False
    age: str = ""
    due: str = ""  # when the first answer is due
    order: SortOrder = SORT_ORDERS["name"]
    query: str = field(default="", compare=False)

    @property
    def filter_count(self) -> int:
        chosen = (
            self.department,
            self.office,
            self.recruiter,
            self.stage,
            self.min_active,
            self.age,
            self.due,
        )
        return sum(map(bool, (*chosen, self.mine, self.confidential, self.with_active)))

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.filter_count)


def parse_filters(query: QueryDict) -> JobFilters:
    """Parse a query string, ignoring values that make no sense: URLs may be old or made up."""
    min_active, age = parse_id(query.get("min_active", "")), query.get("age", "")
    due = query.get("due", "")
    filters = JobFilters(
        search=parse_search(query),
        department=parse_id(query.get("department", "")),
        office=parse_id(query.get("office", "")),
        recruiter=parse_id(query.get("recruiter", "")),
        stage=parse_id(query.get("stage", "")),
        min_active=min_active if min_active in MIN_ACTIVE_OPTIONS else None,
        mine=bool(query.get("mine")),
        confidential=bool(query.get("confidential")),
        with_active=bool(query.get("with_active")),
        closed=query.get("status") == "closed",
        age=age if age in AGE_OPTIONS else "",
        due=due if due in DUE_OPTIONS else "",
        order=SORT_ORDERS.get(query.get("sort", ""), SORT_ORDERS["name"]),
    )
    return add_query(filters)


def add_query(filters: JobFilters) -> JobFilters:
    """Set `query` to the canonical query string of these filters."""
    params = QueryDict(mutable=True)
    values = {
        "q": filters.search,
        "department": filters.department,
        "office": filters.office,
        "recruiter": filters.recruiter,
        "stage": filters.stage,
        "min_active": filters.min_active,
        "mine": "1" if filters.mine else "",
        "confidential": "1" if filters.confidential else "",
        "with_active": "1" if filters.with_active else "",
        "status": "closed" if filters.closed else "",
        "age": filters.age,
        "due": filters.due,
        "sort": filters.order.key if filters.order.key != "name" else "",
    }
    for name, value in values.items():
        if value:
            params[name] = str(value)
    object.__setattr__(filters, "query", params.urlencode())
    return filters


@dataclass(frozen=True)
class JobConditions:
    """Filters as they are compared with columns: the search is done, and times are fixed."""

    names: tuple[str, ...]
    values: tuple[Any, ...]  # of the names that have one
    is_named: Q | None = None  # what the search finds beside it, of a common name

    def filter(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        return jobs.filter(build_condition(self.names, self.values, is_named=self.is_named))


def filter_jobs(filters: JobFilters, rights: Rights, *, closed: bool = False) -> QuerySet[Job]:
    """The visible jobs that match, if `filters.closed`, only with `closed`."""
    jobs = visible_jobs(rights.member, member_rights=rights, closed=closed)
    return resolve_filters(filters, rights).filter(jobs)


def resolve_filters(filters: JobFilters, rights: Rights) -> JobConditions:
    """Of visible jobs."""
    conditions: dict[str, Any] = {"closed" if filters.closed else "open": _FLAG}
    is_named, viewer = None, rights.viewer
    if filters.search and viewer is not None:
        ids, is_named = search_jobs(viewer, filters.search, closed=filters.closed)
        conditions["found"] = ids
    conditions |= _list_details(filters, rights.match.user)
    if filters.due:
        _, working_days = DUE_OPTIONS[filters.due]
        promise = get_promise(rights.member.organization_id)
        limit = promise.find_overdue_limit(after_working_days=working_days)
        conditions["undecided_before"] = limit
    conditions |= _list_counts(filters)
    return _build_conditions(conditions, is_named)


def filter_by_details(
    jobs: QuerySet[Job], filters: JobFilters, *, user: AtsUser | None
) -> QuerySet[Job]:
    """Apply what is about the jobs themselves, of any status."""
    return _build_conditions(_list_details(filters, user)).filter(jobs)


def build_condition(names: Sequence[str], values: Sequence[Any], *, is_named: Q | None = None) -> Q:
    """Of conditions by their names; depends on nothing else, as `compile_once` demands."""
    remaining = iter(values)
    condition = Q()
    for name in names:
        part = _FLAGS[name] if name in _FLAGS else _CONDITIONS[name](next(remaining))
        condition &= part | is_named if name == "found" and is_named is not None else part
    return condition


def _build_conditions(conditions: dict[str, Any], is_named: Q | None = None) -> JobConditions:
    values = tuple(value for value in conditions.values() if value is not _FLAG)
    return JobConditions(tuple(conditions), values, is_named)


def _list_details(filters: JobFilters, user: AtsUser | None) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    for name in ("department", "office", "recruiter"):
        if (pk := getattr(filters, name)) is not None:
            conditions[name] = pk
    if filters.mine:
        conditions["mine"] = user.pk if user else _NOBODY
    if filters.confidential:
        conditions["confidential"] = _FLAG
    if filters.age:
        conditions["opened_before"] = timezone.now() - timedelta(days=int(filters.age))
    return conditions


def _list_counts(filters: JobFilters) -> dict[str, Any]:
    conditions: dict[str, Any] = {"with_active": _FLAG} if filters.with_active else {}
    if filters.stage is not None:
        conditions[f"in_stage_{filters.min_active or 1}"] = filters.stage
    elif filters.min_active is not None:
        conditions[f"min_active_{filters.min_active}"] = _FLAG
    return conditions


def _is_at_office(office_id: int) -> Q:
    through: Any = Job.offices.through
    return Q(Exists(through._default_manager.filter(job_id=OuterRef("pk"), office_id=office_id)))


def _has_member(user_id: int, **filters: Any) -> Q:
    return Q(Exists(TeamMember.objects.filter(job=OuterRef("pk"), user_id=user_id, **filters)))


def _is_in_stage(count: int, stage_id: int) -> Q:
    in_stage = StageCount.objects.filter(job=OuterRef("pk"), stage_id=stage_id, active__gte=count)
    return Q(Exists(in_stage))


_FLAG, _NOBODY = object(), 0
_FLAGS = {
    "open": Q(status=JobStatus.OPEN),
    "closed": Q(status=JobStatus.CLOSED),
    "confidential": Q(confidential=True),
    "with_active": Q(active_applications__gt=0),
    **{f"min_active_{n}": Q(active_applications__gte=n) for n in MIN_ACTIVE_OPTIONS},
}
_CONDITIONS: dict[str, Callable[[Any], Q]] = {
    "found": is_found,
    "department": lambda pk: Q(department_id=pk),
    "office": _is_at_office,
    "recruiter": lambda pk: _has_member(pk, role="recruiter"),
    "mine": _has_member,
    "opened_before": lambda moment: Q(opened_at__lt=moment),
    "undecided_before": lambda moment: Q(undecided_since__lt=moment),
    "pinned": lambda pks: Q(pk__in=pks),
    "not_pinned": lambda pks: ~Q(pk__in=pks),
    **{f"in_stage_{n}": partial(_is_in_stage, n) for n in (1, *MIN_ACTIVE_OPTIONS)},
}
