"""What the list can be filtered by: only names that stand on requisitions the reader may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs.models import StageTally
from portal.mirror.models import AtsUser, Department, Job, Office, StageName, TeamMember

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


def choices(member: Membership, held: Rights, *, closed: bool) -> Choices:
    """What stands on the jobs that the member may see; of stages, those in which somebody waits."""
    seen = visible_jobs(member, held=held, closed=closed).order_by()
    through: Any = Job.offices.through
    in_place = through._default_manager.filter(office=OuterRef("pk"), job__in=seen)
    recruits = TeamMember.objects.filter(user=OuterRef("pk"), role="recruiter", job__in=seen)
    tallies = StageTally.objects.filter(stage=OuterRef("pk"), active__gt=0, job__in=seen)
    here = {"connection": held.match.connection}
    return Choices(
        departments=_named(
            Department.objects.filter(Exists(seen.filter(department=OuterRef("pk"))), **here)
        ),
        offices=_named(Office.objects.filter(Exists(in_place), **here)),
        recruiters=_named(AtsUser.objects.filter(Exists(recruits), **here)),
        stages=_named(StageName.objects.filter(Exists(tallies), **here)),
    )


def _named(found: QuerySet[Any]) -> list[tuple[int, str]]:
    return list(found.order_by("name", "id").values_list("pk", "name")[:MOST])
