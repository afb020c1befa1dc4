"""Request that a worker refreshes a record, for a webhook or when a stale page is opened."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.core import queue
from portal.core.database.compiled_queries import compile_once
from portal.sync.freshness import Freshness, State
from portal.sync.models import Job, RefreshRequest

REFRESH_TASK = "portal.sync.tasks.refresh_record"
Kind = RefreshRequest.Kind


def request_refresh(connection: Connection, kind: str, remote_id: int = 0) -> RefreshRequest:
    """Queue a read of this record and return its request; `people` needs no `remote_id`."""
    while True:
        refresh_request = _reuse_refresh_request(connection, kind, remote_id) or _create_request(
            connection, kind, remote_id
        )
        if refresh_request is not None:  # else it was completed or created concurrently
            return refresh_request


def _reuse_refresh_request(
    connection: Connection, kind: str, remote_id: int
) -> RefreshRequest | None:
    for refresh_request in _find_request(connection.pk, kind, remote_id):
        if refresh_request.claimed_at is None:
            return refresh_request
        # A read is running: a newer request time makes it run again.
        claimed = RefreshRequest.objects.filter(pk=refresh_request.pk, claimed_at__isnull=False)
        return refresh_request if claimed.update(requested_at=timezone.now()) else None
    return None


@compile_once
def _find_request(connection_id: int, kind: str, remote_id: int) -> QuerySet[RefreshRequest]:
    return RefreshRequest.objects.filter(connection=connection_id, kind=kind, remote_id=remote_id)


def _create_request(connection: Connection, kind: str, remote_id: int) -> RefreshRequest | None:
    try:
        with transaction.atomic():
            refresh_request = RefreshRequest.objects.create(
                connection=connection, kind=kind, remote_id=remote_id
            )
            queue.enqueue_task(
                REFRESH_TASK, refresh_request.pk, organization_id=connection.organization_id
            )
    except IntegrityError:
        return None
    return refresh_request


def refresh_if_stale(job: Job, job_freshness: Freshness) -> bool:
    """Queue a read of a job whose data is old; returns whether it was queued."""
    if job_freshness.state == State.LIVE:
        return False
    request_refresh(job.connection, Kind.JOB, job.remote_id)
    return True
