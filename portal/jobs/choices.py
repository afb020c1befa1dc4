"""What the list can be filtered by: only names that stand on requisitions the reader may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.models import StageTally
from portal.jobs.narrowing import Narrowing
from portal.mirror.models import (
    AtsUser,
    Department,
    Job,
    Office,
    Stage,
    StageName,
    TeamMember,
)

MOST = 500  # a longer list helps nobody; the search finds people by name


def options(pairs: Iterable[tuple[object, str]], chosen: object) -> SafeString:
    """The options of a select: put together here, for a template takes long over hundreds."""
    return format_html_join(
        "\n",
        '<option value="{}"{}>{}</option>',
        ((key, mark_safe(" selected") if key == chosen else "", name) for key, name in pairs),
    )


@dataclass(frozen=True)
class Choices:
    """Pairs of key and name."""

    departments: list[tuple[int, str]]
    offices: list[tuple[int, str]]
    recruiters: list[tuple[int, str]]
    stages: list[tuple[int, str]]


def choices(member: Membership, held: Rights, to: Narrowing) -> Choices:
    """What stands on the jobs that the member may see; of stages, those in which somebody waits.

    What was chosen is offered as long as it stands on any of them, open or closed: the form says
    what the list is filtered by, and keeps it when it is sent again.
    """
    here = held.match.connection
    listed = visible_jobs(member, held=held, closed=to.closed).order_by()
    seen = visible_jobs(member, held=held, closed=True).order_by()
    return Choices(
        departments=_offered(_departments(here, listed), to.department, _departments(here, seen)),
        offices=_offered(_offices(here, listed), to.office, _offices(here, seen)),
        recruiters=_offered(_recruiters(here, listed), to.recruiter, _recruiters(here, seen)),
        stages=_offered(_waited_in(here, listed), to.stage, _stages(here, seen)),
    )


def _offered(
    found: QuerySet[Any], chosen: int | None, known: QuerySet[Any]
) -> list[tuple[int, str]]:
    """What was found, by name, and what was chosen if it is at least among what is known."""
    offered = list(found.order_by("name", "id").values_list("pk", "name")[:MOST])
    if chosen is None or any(key == chosen for key, _ in offered):
        return offered
    return [*known.filter(pk=chosen).values_list("pk", "name"), *offered]


def _departments(here: Connection | None, jobs: QuerySet[Job]) -> QuerySet[Department]:
    on_one = Exists(jobs.filter(department=OuterRef("pk")))
    return Department.objects.filter(on_one, connection=here)


def _offices(here: Connection | None, jobs: QuerySet[Job]) -> QuerySet[Office]:
    through: Any = Job.offices.through
    in_place = through._default_manager.filter(office=OuterRef("pk"), job__in=jobs)
    return Office.objects.filter(Exists(in_place), connection=here)


def _recruiters(here: Connection | None, jobs: QuerySet[Job]) -> QuerySet[AtsUser]:
    recruits = TeamMember.objects.filter(user=OuterRef("pk"), role="recruiter", job__in=jobs)
    return AtsUser.objects.filter(Exists(recruits), connection=here)


def _waited_in(here: Connection | None, jobs: QuerySet[Job]) -> QuerySet[StageName]:
    tallies = StageTally.objects.filter(stage=OuterRef("pk"), active__gt=0, job__in=jobs)
    return StageName.objects.filter(Exists(tallies), connection=here)


def _stages(here: Connection | None, jobs: QuerySet[Job]) -> QuerySet[StageName]:
    steps = Stage.objects.filter(connection=here, name=OuterRef("name"), job__in=jobs)
    return StageName.objects.filter(Exists(steps), connection=here)
