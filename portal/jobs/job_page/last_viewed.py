"""Recording views of a requisition and refreshing stale ones."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts.models import Membership
from portal.core.database import read_only
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.access_refresh import refresh_old_access
from portal.entitlements.rules import Rights
from portal.jobs.models import LastViewed
from portal.sync.freshness import Freshness
from portal.sync.models import Job, RefreshRequest
from portal.sync.records.refresh_requests import refresh_if_stale, request_refresh


def record_view(member: Membership, job: Job, rights: Rights, job_freshness: Freshness) -> None:
    """Mark the job as viewed and refresh it if stale, except during impersonation."""
    if read_only.is_read_only():
        return
    _mark_viewed(member, job)
    refresh_old_access(rights)
    if rights.can_act:
        refresh_if_stale(job, job_freshness)


@use_prepared_statements()
def _mark_viewed(member: Membership, job: Job) -> None:
    now = timezone.now()
    # Mostly there: one statement instead of a transaction with three.
    if LastViewed.objects.filter(membership=member, job=job).update(viewed_at=now):
        return
    LastViewed.objects.bulk_create(
        [LastViewed(membership=member, job=job, viewed_at=now)],
        update_conflicts=True,
        unique_fields=["membership", "job"],
        update_fields=["viewed_at"],
    )


def request_job_refresh(job: Job, rights: Rights) -> bool:
    """Queue at most one refresh of the job; False if the connection can't be used."""
    if not rights.can_act:
        return False
    request_refresh(job.connection, RefreshRequest.Kind.JOB, job.remote_id)
    return True


def is_refreshing(job: Job) -> bool:
    return bool(_find_requests(job.connection_id, job.remote_id))


@compile_once
def _find_requests(connection_id: int, remote_id: int) -> QuerySet[RefreshRequest, int]:
    requests = RefreshRequest.objects.filter(
        connection=connection_id, kind=RefreshRequest.Kind.JOB, remote_id=remote_id
    )
    return requests.values_list("pk", flat=True)[:1]
