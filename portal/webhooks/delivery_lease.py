"""One worker at a time processes the deliveries of an endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.webhooks.models import Endpoint

LEASE_TIMEOUT = timedelta(minutes=5)  # longer than the longest single request
TIME_SLICE = timedelta(seconds=20)  # then other tasks get their turn


class EndpointLease:
    """The right to process an endpoint's deliveries: lost once `heartbeat_at` no longer matches."""

    def __init__(self, endpoint: Endpoint, at: datetime) -> None:
        self._endpoint, self._renewed_at, self._deadline = endpoint, at, at + TIME_SLICE

    def renew_lease(self) -> bool:
        """Extend the lease; False if another worker took it over, or the time slice is over."""
        now = timezone.now()
        renewed = self._select_leased().update(heartbeat_at=now)
        self._renewed_at = now if renewed else self._renewed_at
        return bool(renewed) and now < self._deadline

    def release_lease(self) -> None:
        self._select_leased().update(heartbeat_at=None)

    def _select_leased(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(pk=self._endpoint.pk, heartbeat_at=self._renewed_at)


@contextmanager
def hold_endpoint_lease(endpoint: Endpoint) -> Iterator[EndpointLease | None]:
    now = timezone.now()
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - LEASE_TIMEOUT)
    if not Endpoint.objects.filter(is_free, pk=endpoint.pk).update(heartbeat_at=now):
        yield None
        return
    lease = EndpointLease(endpoint, now)
    try:
        yield lease
    finally:
        lease.release_lease()
