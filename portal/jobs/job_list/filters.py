"""Search, filters and sort order of the requisition list, parsed from its URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict
from django.utils import timezone

from integrations.ats.types import JobStatus
from portal.connections.models import Connection
from portal.jobs.answers.promise import get_promise
from portal.jobs.job_list.search import search_jobs
from portal.jobs.models import StageCount
from portal.sync.models import Application, AtsUser, Job, TeamMember
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


def filter_jobs(
    jobs: QuerySet[Job],
    filters: JobFilters,
    *,
    connection: Connection | None,
    user: AtsUser | None,
    named: Callable[[], QuerySet[Application]],
) -> QuerySet[Job]:
    """Apply the filters; `jobs` must include closed jobs if `filters.closed`. `named` returns the
    applications whose candidate names the member may see, and is called only for a search.
    """
    jobs = jobs.filter(status=JobStatus.CLOSED if filters.closed else JobStatus.OPEN)
    if filters.search:
        jobs = search_jobs(jobs, filters.search, named(), connection)
    jobs = filter_by_details(jobs, filters, user=user)
    if filters.due and connection is not None:
        _, working_days = DUE_OPTIONS[filters.due]
        promise = get_promise(connection.organization_id)
        limit = promise.find_overdue_limit(after_working_days=working_days)
        jobs = jobs.filter(undecided_since__lt=limit)
    return _filter_by_counts(jobs, filters)


def filter_by_details(
    jobs: QuerySet[Job], filters: JobFilters, *, user: AtsUser | None
) -> QuerySet[Job]:
    """Apply what is about the jobs themselves, of any status."""
    if filters.department is not None:
        jobs = jobs.filter(department_id=filters.department)
    if filters.office is not None:
        at_office = Job.offices.through._default_manager.filter(
            job_id=OuterRef("pk"), office_id=filters.office
        )
        jobs = jobs.filter(Exists(at_office))
    if filters.recruiter is not None:
        jobs = jobs.filter(
            Exists(_list_team_members().filter(user_id=filters.recruiter, role="recruiter"))
        )
    if filters.mine:
        jobs = jobs.filter(Exists(_list_team_members().filter(user=user))) if user else jobs.none()
    if filters.confidential:
        jobs = jobs.filter(confidential=True)
    if filters.age:
        jobs = jobs.filter(opened_at__lt=timezone.now() - timedelta(days=int(filters.age)))
    return jobs


def _filter_by_counts(jobs: QuerySet[Job], filters: JobFilters) -> QuerySet[Job]:
    if filters.with_active:
        jobs = jobs.filter(active_applications__gt=0)
    if filters.stage is not None:
        in_stage = StageCount.objects.filter(job=OuterRef("pk"), stage_id=filters.stage)
        return jobs.filter(Exists(in_stage.filter(active__gte=filters.min_active or 1)))
    if filters.min_active is not None:
        jobs = jobs.filter(active_applications__gte=filters.min_active)
    return jobs


def _list_team_members() -> QuerySet[TeamMember]:
    return TeamMember.objects.filter(job=OuterRef("pk"))
