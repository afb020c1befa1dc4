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
    newest = ApiCall.objects.filter(connection=OuterRef("pk")).exclude(remaining=None)
    lately = Q(calls__at__gte=timezone.now() - WINDOW)
    busy = (
        Connection.objects.select_related("organization")
        .annotate(
            n=Count("calls", filter=lately),
            limited=Count("calls", filter=lately & Q(calls__status=429)),
            broken=Count(
                "calls", filter=lately & (Q(calls__status__gte=500) | Q(calls__status=None))
            ),
            newest=Max("calls__at", filter=lately),
            remaining=Subquery(newest.order_by("-at").values("remaining")[:1]),
        )
        .filter(n__gt=0)  # not `lately` again: that would join, and so count, twice
        .order_by("-n", "pk")[:50]
    )
    return [
        Meter(known, facts["n"], facts["limited"], facts["broken"], facts["remaining"],
              facts["newest"])
        for known in busy
        for facts in [vars(known)]
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
