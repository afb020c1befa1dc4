"""The admin's front page: who needs attention, stalled setups, recent numbers, search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import ApiCall
from portal.core.names.search_keys import MAX_QUERY_WORDS, match_name
from portal.support.customers import overview, request_counts
from portal.support.customers.customer_status import CustomerStatus
from portal.support.customers.next_step import NextStep, suggest_next_step
from portal.sync.models import SyncRun

MAX_ROWS = 8
MAX_RESULTS = 10
# A stalled setup with a critical issue is urgent instead: somebody can act on it.
_ONLY_STALLED = Q(attention=2)
_URGENT = Q(attention__gt=0) & ~_ONLY_STALLED


@dataclass(frozen=True)
class DeskRow:
    status: CustomerStatus
    next_step: NextStep


@dataclass(frozen=True)
class SearchResults:
    customers: list[Organization]
    people: list[Membership]


def build_desk(user: User, *, may_help: bool) -> dict[str, Any]:
    """Context of the front page, by a fixed number of queries."""
    customers = overview.annotate_attention(Organization.objects.all())
    by_urgency = customers.order_by("-attention", "since", "pk")
    urgent = list(by_urgency.filter(_URGENT)[:MAX_ROWS])
    stalled = list(customers.filter(_ONLY_STALLED).order_by("since", "pk")[:MAX_ROWS])
    statuses = overview.get_customer_statuses([*urgent, *stalled])

    def build_rows(organizations: list[Organization]) -> list[DeskRow]:
        customer_statuses = [statuses[organization.pk] for organization in organizations]
        return [
            DeskRow(status, suggest_next_step(status, may_help=may_help))
            for status in customer_statuses
        ]

    return {
        "counts": _count_customers(customers, user),
        "issue_count": overview.list_open_issues().count(),
        "urgent": build_rows(urgent),
        "stalled": build_rows(stalled),
        "requests": request_counts.count_requests(ApiCall.objects.all()),
        "syncs": _count_recent_syncs(),
    }


def _count_customers(customers: QuerySet[Any], user: User) -> dict[str, int]:
    counts: dict[str, int] = customers.aggregate(
        total=Count("pk"),
        urgent=Count("pk", filter=_URGENT),
        critical=Count("pk", filter=Q(attention=3)),
        stalled_count=Count("pk", filter=Q(stalled=True)),
        only_stalled=Count("pk", filter=_ONLY_STALLED),
        mine=Count("pk", filter=Q(owner=user)),
    )
    return counts


def _count_recent_syncs() -> dict[str, int]:
    counts: dict[str, int] = SyncRun.objects.filter(
        queued_at__gte=timezone.now() - timedelta(hours=1)
    ).aggregate(
        total=Count("pk"),
        completed=Count("pk", filter=Q(status__in=SyncRun.COMPLETED)),
        failed=Count("pk", filter=Q(status=SyncRun.Status.FAILED)),
        open=Count("pk", filter=Q(status__in=SyncRun.OPEN)),
    )
    return counts


def search_customers_and_people(query: str, *, include_people: bool) -> SearchResults:
    """Find customers by name, and people by name or email if they may be shown."""
    customers, people = Organization.objects.all(), Membership.objects.all()
    for word in query.split()[:MAX_QUERY_WORDS]:
        customers = customers.filter(Q(name__icontains=word) | Q(slug__icontains=word))
        people = people.filter(
            match_name("user__search_name", word) | Q(user__email__icontains=word)
        )
    return SearchResults(
        customers=list(customers.order_by("name", "pk")[:MAX_RESULTS]),
        people=list(
            people.select_related("user", "organization").order_by("user__name", "pk")[:MAX_RESULTS]
        )
        if include_people
        else [],
    )
