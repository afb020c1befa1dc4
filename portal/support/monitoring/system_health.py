from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.utils import timezone

from portal.connections.models import ApiCall, Connection
from portal.core import queue, worker_heartbeat
from portal.notifications.models import Notification, OutgoingEmail

RECENT_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class RequestMeter:
    """A connection's recent requests to Greenhouse and its remaining rate limit."""

    connection: Connection
    calls: int
    rate_limited: int
    failed: int
    remaining: int | None
    latest_call_at: datetime | None


def list_request_meters() -> list[RequestMeter]:
    """Return connections with requests within RECENT_WINDOW, busiest first."""
    recent_calls = ApiCall.objects.filter(at__gte=timezone.now() - RECENT_WINDOW)
    call_counts = (
        recent_calls.order_by()
        .values("connection")
        .annotate(
            n=Count("pk"),
            limited=Count("pk", filter=Q(status=429)),
            broken=Count("pk", filter=Q(status__gte=500) | Q(status=None)),
            newest=Max("at"),
        )
        .order_by("-n", "connection")[:50]
    )
    calls_with_budget = ApiCall.objects.filter(connection=OuterRef("pk")).exclude(remaining=None)
    connections = (
        Connection.objects.select_related("organization")
        .annotate(remaining=Subquery(calls_with_budget.order_by("-at").values("remaining")[:1]))
        .in_bulk([counts["connection"] for counts in call_counts])
    )
    return [
        RequestMeter(
            connection,
            calls=counts["n"],
            rate_limited=counts["limited"],
            failed=counts["broken"],
            remaining=vars(connection)["remaining"],
            latest_call_at=counts["newest"],
        )
        for counts in call_counts
        if (connection := connections.get(counts["connection"]))
    ]


def build_system_health() -> dict[str, Any]:
    return {
        "lane_statuses": queue.list_lane_statuses(),
        "worker_status": worker_heartbeat.get_worker_status(),
        "meters": list_request_meters(),
        "window_minutes": int(RECENT_WINDOW.total_seconds() // 60),
        "unsent_count": Notification.objects.filter(status=Notification.Status.FAILED).count(),
        "unsent_email_count": OutgoingEmail.objects.filter(
            status=OutgoingEmail.Status.FAILED
        ).count(),
        "retried_email_count": _count_retried_emails(),
    }


def _count_retried_emails() -> int:
    return sum(
        model._default_manager.filter(status="queued", attempts__gt=0).count()
        for model in (Notification, OutgoingEmail)
    )
