"""Filter options of the requisition list: only names on jobs that the member may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.safestring import SafeString, mark_safe

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.job_list.filters import JobFilters
from portal.jobs.models import StageCount
from portal.sync.models import (
    AtsUser,
    Department,
    Job,
    Office,
    Stage,
    StageName,
    TeamMember,
    format_user_name,
)

MAX_OPTIONS = 500  # the search finds people by name


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


def get_filter_options(member: Membership, rights: Rights, filters: JobFilters) -> FilterOptions:
    """Return (id, name) pairs; of stages, only those with active applications.

    A selected option stays in the list while it occurs on any visible job, open or closed.
    """
    connection = rights.match.connection
    listed_jobs = visible_jobs(member, member_rights=rights, closed=filters.closed).order_by()
    visible = visible_jobs(member, member_rights=rights, closed=True).order_by()
    return FilterOptions(
        departments=_list_options(
            _list_departments(connection, listed_jobs),
            filters.department,
            _list_departments(connection, visible),
        ),
        offices=_list_options(
            _list_offices(connection, listed_jobs),
            filters.office,
            _list_offices(connection, visible),
        ),
        recruiters=_list_options(
            _list_recruiters(connection, listed_jobs),
            filters.recruiter,
            _list_recruiters(connection, visible),
        ),
        stages=_list_options(
            _list_occupied_stages(connection, listed_jobs),
            filters.stage,
            _list_stages(connection, visible),
        ),
    )


@dataclass(frozen=True)
class TeamOptions:
    departments: list[tuple[int, str]]
    recruiters: list[tuple[int, str]]


def list_team_options(member: Membership, rights: Rights, filters: JobFilters) -> TeamOptions:
    """Of all visible jobs, open or closed."""
    connection = rights.match.connection
    visible = visible_jobs(member, member_rights=rights, closed=True).order_by()
    departments = _list_departments(connection, visible)
    recruiters = _list_recruiters(connection, visible)
    return TeamOptions(
        departments=_list_options(departments, filters.department, departments),
        recruiters=_list_options(recruiters, filters.recruiter, recruiters),
    )


def _list_options(
    available: QuerySet[Any], chosen: int | None, selectable: QuerySet[Any]
) -> list[tuple[int, str]]:
    offered = _read_names(available.order_by("name", "id")[:MAX_OPTIONS])
    if chosen is None or any(key == chosen for key, _ in offered):
        return offered
    return _read_names(selectable.filter(pk=chosen)) + offered


def _read_names(rows: QuerySet[Any]) -> list[tuple[int, str]]:
    """Not as objects: they are hundreds."""
    if rows.model is AtsUser:
        values = rows.values_list("pk", "name", "primary_email", "remote_id")
        return [(pk, format_user_name(*names)) for pk, *names in values]
    return list(rows.values_list("pk", "name"))


def _list_departments(connection: Connection | None, jobs: QuerySet[Job]) -> QuerySet[Department]:
    has_job = Exists(jobs.filter(department=OuterRef("pk")))
    return Department.objects.filter(has_job, connection=connection)


def _list_offices(connection: Connection | None, jobs: QuerySet[Job]) -> QuerySet[Office]:
    through: Any = Job.offices.through
    office_jobs = through._default_manager.filter(office=OuterRef("pk"), job__in=jobs)
    return Office.objects.filter(Exists(office_jobs), connection=connection)


def _list_recruiters(connection: Connection | None, jobs: QuerySet[Job]) -> QuerySet[AtsUser]:
    recruiter_roles = TeamMember.objects.filter(user=OuterRef("pk"), role="recruiter", job__in=jobs)
    return AtsUser.objects.filter(Exists(recruiter_roles), connection=connection)


def _list_occupied_stages(
    connection: Connection | None, jobs: QuerySet[Job]
) -> QuerySet[StageName]:
    stage_counts = StageCount.objects.filter(stage=OuterRef("pk"), active__gt=0, job__in=jobs)
    return StageName.objects.filter(Exists(stage_counts), connection=connection)


def _list_stages(connection: Connection | None, jobs: QuerySet[Job]) -> QuerySet[StageName]:
    job_stages = Stage.objects.filter(connection=connection, name=OuterRef("name"), job__in=jobs)
    return StageName.objects.filter(Exists(job_stages), connection=connection)
