"""One worker at a time processes the deliveries of an endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.core import queue
from portal.core.database.compiled_queries import update_once
from portal.webhooks.models import Endpoint

LEASE_TIMEOUT = timedelta(minutes=5)  # longer than the longest single request
RENEWAL_INTERVAL = timedelta(seconds=5)


class EndpointLease:
    """The right to process an endpoint's deliveries: lost once `heartbeat_at` no longer matches."""

    def __init__(self, endpoint: Endpoint, at: datetime) -> None:
        self._endpoint, self._renewed_at, self._turn = endpoint, at, queue.TaskTurn()

    def renew_lease(self) -> bool:
        """Extend the lease if that is due; False if another worker took it over, or the turn is
        over.
        """
        now = timezone.now()
        if now - self._renewed_at >= RENEWAL_INTERVAL:
            if not self._select_leased().update(heartbeat_at=now):
                return False
            self._renewed_at = now
        return not self._turn.is_over()

    def release_lease(self) -> None:
        _clear_heartbeat(self._endpoint.pk, self._renewed_at)

    def _select_leased(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(pk=self._endpoint.pk, heartbeat_at=self._renewed_at)


@update_once
def _start_processing(
    endpoint_id: int, stale_at: datetime, now: datetime
) -> tuple[QuerySet[Endpoint], dict[str, Any]]:
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=stale_at)
    return Endpoint.objects.filter(is_free, pk=endpoint_id), {
        "queued_at": None,
        "heartbeat_at": now,
    }


@update_once
def _clear_heartbeat(
    endpoint_id: int, renewed_at: datetime
) -> tuple[QuerySet[Endpoint], dict[str, Any]]:
    leased = Endpoint.objects.filter(pk=endpoint_id, heartbeat_at=renewed_at)
    return leased, {"heartbeat_at": None}


def clear_request(endpoint: Endpoint) -> None:
    """Deliveries stored from here on queue another task; earlier ones are processed now."""
    Endpoint.objects.filter(pk=endpoint.pk).update(queued_at=None)


@contextmanager
def hold_endpoint_lease(endpoint: Endpoint) -> Iterator[EndpointLease | None]:
    """Also clears the request for this task."""
    now = timezone.now()
    if not _start_processing(endpoint.pk, now - LEASE_TIMEOUT, now):
        # A worker that releases its lease now queues a task only if none is requested.
        clear_request(endpoint)
        if not _start_processing(endpoint.pk, now - LEASE_TIMEOUT, now):
            yield None
            return
    lease = EndpointLease(endpoint, now)
    try:
        yield lease
    finally:
        lease.release_lease()
