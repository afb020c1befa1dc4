"""How the machines do: the queue, the workers, the rate budget of each connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.utils import timezone

from portal.connections.models import ApiCall, Connection
from portal.core import pulse, queue
from portal.notices.models import Notice

WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class Meter:
    """What a connection asked of Greenhouse lately, and what Greenhouse still allows."""

    connection: Connection
    calls: int
    limited: int
    broken: int
    remaining: int | None
    newest: datetime | None


def meters() -> list[Meter]:
    """One per connection that asked for anything within WINDOW, the busiest first."""
    lately = ApiCall.objects.filter(at__gte=timezone.now() - WINDOW)
    busy = (
        lately.order_by()
        .values("connection")
        .annotate(
            n=Count("pk"),
            limited=Count("pk", filter=Q(status=429)),
            broken=Count("pk", filter=Q(status__gte=500) | Q(status=None)),
            newest=Max("at"),
        )
        .order_by("-n", "connection")[:50]
    )
    told = ApiCall.objects.filter(connection=OuterRef("pk")).exclude(remaining=None)
    connections = (
        Connection.objects.select_related("organization")
        .annotate(remaining=Subquery(told.order_by("-at").values("remaining")[:1]))
        .in_bulk([facts["connection"] for facts in busy])
    )
    return [
        Meter(known, facts["n"], facts["limited"], facts["broken"], vars(known)["remaining"],
              facts["newest"])
        for facts in busy
        if (known := connections.get(facts["connection"]))
    ]  # fmt: skip


def overview() -> dict[str, Any]:
    """What an operator looks at first."""
    return {
        "depth": queue.depth(),
        "sign": pulse.look(),
        "meters": meters(),
        "window": int(WINDOW.total_seconds() // 60),
        "unsent": Notice.objects.filter(status=Notice.Status.FAILED).count(),
    }
