"""How the requests to Greenhouse of the last hour went."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from portal.accounts.models import Organization
from portal.connections.models import ApiCall

REFUSED = Q(status__in=(401, 403))
RATE_LIMITED = Q(status=429)
FAILED = Q(status__gte=500) | Q(status=None)


def count_requests(calls: QuerySet[ApiCall]) -> dict[str, Any]:
    """Count the last hour's requests by outcome."""
    counts: dict[str, Any] = calls.filter(at__gte=timezone.now() - timedelta(hours=1)).aggregate(
        total=Count("pk"),
        refused=Count("pk", filter=REFUSED),
        limited=Count("pk", filter=RATE_LIMITED),
        failed=Count("pk", filter=FAILED),
    )
    return counts


def count_customer_requests(organization: Organization) -> dict[str, Any]:
    """Count a customer's requests; `remaining` is what Greenhouse last said is left."""
    calls = ApiCall.objects.filter(connection__organization=organization)
    recent_calls = calls.filter(at__gte=timezone.now() - timedelta(hours=1))
    newest = recent_calls.exclude(remaining=None).values_list("remaining", flat=True).first()
    return {**count_requests(calls), "remaining": newest}
