"""Refresh single records: after an action, for a webhook, or when a stale page is opened."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.client_context import ApiCallRecord, Lane
from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    BadCredential,
    MissingPermission,
    NotFound,
    RateLimited,
)
from integrations.ats.provider import Provider
from portal.connections.client import attribute_writes_to, open_provider
from portal.connections.models import Connection
from portal.core import queue
from portal.core.secrets import SecretUnreadable
from portal.sync import freshness
from portal.sync.engine import record_writers, run_lifecycle
from portal.sync.engine.steps import get_skipped_kinds
from portal.sync.engine.upsert import written_as_of
from portal.sync.engine.worker import HEARTBEAT_INTERVAL
from portal.sync.integrity import write_guard
from portal.sync.models import (
    Application,
    Candidate,
    Job,
    JobPost,
    Opening,
    RefreshRequest,
    Stage,
    SyncedRecord,
)
from portal.sync.records import candidate_erasure

REFRESH_TASK = "portal.sync.tasks.refresh_record"
MAX_ATTEMPTS = 5
MAX_PAGES = 20  # of one job's applications; the full sync reads the rest
# Applications missing from a job's list, or with unknown candidates: this many are read at once,
# more are queued up to the second limit, and the rest waits for the full sync.
MAX_SINGLE_READS = 50
MAX_QUEUED_READS = 500

Kind = RefreshRequest.Kind
_STEP_KINDS = {Kind.APPLICATION: "applications", Kind.CANDIDATE: "candidates"}
_INACTIVE_STATES = (Connection.State.DRAFT, Connection.State.PAUSED, Connection.State.DISCONNECTED)


# -- reading -------------------------------------------------------------------------------------
def refresh_application(connection: Connection, provider: Provider, remote_id: int) -> Application:
    """Read one application and store it, with its job, stage and candidate if missing.

    Raises AtsError: NotFound after marking the row gone, ConnectionChanged if nothing was written.
    """
    requested_at = timezone.now()
    try:
        application = provider.get_application(remote_id)
    except NotFound:
        with written_as_of(requested_at):
            record_writers.mark_gone(connection, Application, [remote_id])
        _ensure_write_allowed(connection)
        raise
    with written_as_of(requested_at):
        _fetch_missing_parents(connection, provider, application)
        record_writers.write_applications(connection, [application])
    return write_guard.get_written_row(
        Application.objects.filter(connection=connection, remote_id=remote_id)
    )


def refresh_candidate(
    connection: Connection, remote_id: int, *, provider: Provider | None = None
) -> Candidate | None:
    """Read one candidate; erase one that Greenhouse no longer has. Raises AtsError."""
    if provider is None:
        with _open_provider(connection) as opened:
            return refresh_candidate(connection, remote_id, provider=opened)
    requested_at = timezone.now()
    try:
        candidate = provider.get_candidate(remote_id)
    except NotFound:
        # A merge may have moved its applications to another candidate.
        _refresh_moved_applications(connection, provider, remote_id)
        candidate_erasure.erase_candidates(connection, [remote_id])
        _ensure_write_allowed(connection)
        return None
    with written_as_of(requested_at):
        record_writers.write_candidates(connection, [candidate])
    return write_guard.get_written_row(
        Candidate.objects.filter(connection=connection, remote_id=remote_id)
    )


def _ensure_write_allowed(connection: Connection) -> None:
    if not write_guard.is_write_allowed(connection):
        raise write_guard.ConnectionChanged


def _refresh_moved_applications(
    connection: Connection, provider: Provider, candidate_id: int
) -> None:
    applications = Application.objects.filter(
        connection=connection, candidate__remote_id=candidate_id, gone_at=None
    )
    for remote_id in list(applications.values_list("remote_id", flat=True)):
        try:
            refresh_application(connection, provider, remote_id)
        except (AtsUnavailable, RateLimited, BadCredential, write_guard.ConnectionChanged):
            raise
        except AtsError:  # unreadable: erased with the candidate
            continue


def refresh_job(
    connection: Connection, remote_id: int, *, provider: Provider | None = None
) -> Job | None:
    """Read one job with its stages, posts, openings and applications; None if it is gone.

    Lists that no feature needs or the credential may not read are left as is. Raises AtsError.
    """
    if provider is None:
        with _open_provider(connection) as opened:
            return refresh_job(connection, remote_id, provider=opened)
    started_at = timezone.now()
    try:
        remote_job = provider.get_job(remote_id)
    except NotFound:
        with written_as_of(started_at):
            record_writers.mark_gone(connection, Job, [remote_id])
        _ensure_write_allowed(connection)
        if job := Job.objects.filter(connection=connection, remote_id=remote_id).first():
            # They are gone with the job, or were moved to another.
            _refresh_job_applications(connection, job, provider, started_at)
        return None
    if remote_job.is_template:
        with written_as_of(started_at):
            record_writers.mark_gone(connection, Job, [remote_id])
        return None
    with transaction.atomic(), written_as_of(started_at):
        record_writers.write_jobs(connection, [remote_job])
    job = write_guard.get_written_row(
        Job.objects.filter(connection=connection, remote_id=remote_id)
    )
    skipped_kinds = get_skipped_kinds(connection)
    with written_as_of(started_at):
        _refresh_job_parts(connection, job, provider, skipped_kinds)
    if "applications" in skipped_kinds or _refresh_job_applications(
        connection, job, provider, started_at
    ):
        Job.objects.filter(pk=job.pk).update(read_at=started_at)
        job.read_at = started_at
    return job


def _refresh_job_parts(
    connection: Connection, job: Job, provider: Provider, skipped_kinds: Container[str]
) -> None:
    parts: dict[
        str, tuple[type[SyncedRecord], Callable[[int], ats.CompleteList[Any]], Callable[..., Any]]
    ]
    parts = {
        "stages": (Stage, provider.list_stages_for_job, record_writers.write_stages),
        "posts": (JobPost, provider.list_posts_for_job, record_writers.write_job_posts),
        "openings": (Opening, provider.list_openings_for_job, record_writers.write_openings),
    }
    for kind, (model, read, write) in parts.items():
        if kind not in skipped_kinds:
            _refresh_job_part(connection, job, model, read, write)


def refresh_people(connection: Connection) -> None:
    """Sync users, their addresses and job grants; the run records errors."""
    run_lifecycle.sync_people(connection)


@contextmanager
def _open_provider(
    connection: Connection, on_call: Callable[[ApiCallRecord], None] | None = None
) -> Iterator[Provider]:
    credential = connection.credential
    if credential is None:
        raise SecretUnreadable
    with attribute_writes_to(credential):
        yield open_provider(credential, lane=Lane.SYNC, on_call=on_call)


def _fetch_missing_parents(
    connection: Connection, provider: Provider, application: ats.Application
) -> None:
    if application.job_id is not None and not _is_stored(connection, Job, application.job_id):
        _ignore_unavailable(
            lambda: record_writers.write_jobs(
                connection, [provider.get_job(application.job_id or 0)]
            )
        )
    stage_id, candidate_id = application.stage_id, application.candidate_id
    if stage_id is not None and _is_missing_and_needed(connection, Stage, stage_id, "stages"):
        _ignore_unavailable(
            lambda: record_writers.write_stages(
                connection, provider.list_stages_for_job(application.job_id or 0)
            )
        )
    if _is_missing_and_needed(connection, Candidate, candidate_id, "candidates"):
        _ignore_unavailable(
            lambda: record_writers.write_candidates(
                connection, [provider.get_candidate(candidate_id)]
            )
        )


def _is_missing_and_needed(
    connection: Connection, model: type[SyncedRecord], remote_id: int, kind: str
) -> bool:
    return not _is_stored(connection, model, remote_id) and kind not in get_skipped_kinds(
        connection
    )


def _ignore_unavailable(read: Callable[[], Any]) -> None:
    try:
        read()
    except (MissingPermission, NotFound):
        return


def _is_stored(connection: Connection, model: type[SyncedRecord], remote_id: int) -> bool:
    rows = model._default_manager.filter(connection=connection, remote_id=remote_id, gone_at=None)
    return rows.exists()


def _refresh_job_part(
    connection: Connection,
    job: Job,
    model: type[SyncedRecord],
    read: Callable[[int], ats.CompleteList[Any]],
    write: Callable[..., Any],
) -> None:
    started_at = timezone.now()
    try:
        records = read(job.remote_id)
    except MissingPermission:
        return
    write(connection, records)
    unreadable_ids = [unreadable.remote_id for unreadable in records.set_aside]
    if None in unreadable_ids:  # an unidentified record may be any of the stored ones
        return
    filters = {"job": job, "gone_at": None, "changed_at__lt": started_at}
    existing = model._default_manager.filter(connection=connection, **filters)
    listed_ids = [*(record.id for record in records), *unreadable_ids]
    missing_ids = existing.exclude(remote_id__in=listed_ids).values_list("remote_id", flat=True)
    record_writers.mark_gone(connection, model, list(missing_ids))


def _refresh_job_applications(
    connection: Connection, job: Job, provider: Provider, started_at: Any
) -> bool:
    seen_ids: set[int] = set()
    loader = _CandidateLoader(connection, provider)
    try:
        for page_number, page in enumerate(provider.list_applications_for_job(job.remote_id), 1):
            job_applications = [
                application for application in page.records if application.job_id == job.remote_id
            ]
            with written_as_of(started_at):  # rows written since then are newer than these pages
                loader.load_missing_candidates(job_applications)
                record_writers.write_applications(connection, job_applications)
            seen_ids.update(application.id for application in page.records)
            seen_ids.update(
                unreadable.remote_id for unreadable in page.set_aside if unreadable.remote_id
            )
            if page.cursor is not None and page_number == MAX_PAGES:
                return False
    except MissingPermission:
        return False
    _refresh_departed_applications(connection, job, provider, seen_ids, started_at)
    return True


class _CandidateLoader:
    def __init__(self, connection: Connection, provider: Provider) -> None:
        self._connection, self._provider = connection, provider
        self._is_skipped = "candidates" in get_skipped_kinds(connection)
        self._fetched = 0

    def load_missing_candidates(self, applications: Iterable[ats.Application]) -> None:
        if self._is_skipped:
            return
        by_candidate = {application.candidate_id: application.id for application in applications}
        existing = Candidate.objects.filter(connection=self._connection, remote_id__in=by_candidate)
        for remote_id in existing.values_list("remote_id", flat=True):
            del by_candidate[remote_id]
        for candidate_id, application_id in by_candidate.items():
            if self._fetched < MAX_SINGLE_READS:
                self._load_candidate(candidate_id)
            elif self._fetched < MAX_QUEUED_READS:
                request_refresh(self._connection, Kind.APPLICATION, application_id)
            self._fetched += 1

    def _load_candidate(self, candidate_id: int) -> None:
        get_candidate = self._provider.get_candidate
        _ignore_unavailable(
            lambda: record_writers.write_candidates(self._connection, [get_candidate(candidate_id)])
        )


def _refresh_departed_applications(
    connection: Connection, job: Job, provider: Provider, seen_ids: set[int], started_at: Any
) -> None:
    # Missing from the job's list: moved to another job, or gone.
    existing = Application.objects.filter(
        connection=connection, job=job, gone_at=None, changed_at__lt=started_at
    )
    missing_ids = [
        application_id
        for application_id in existing.values_list("remote_id", flat=True)
        if application_id not in seen_ids
    ]
    for remote_id in missing_ids[:MAX_SINGLE_READS]:
        try:
            refresh_application(connection, provider, remote_id)
        except NotFound:
            continue
    for remote_id in missing_ids[MAX_SINGLE_READS:MAX_QUEUED_READS]:
        request_refresh(connection, Kind.APPLICATION, remote_id)


# -- queueing ------------------------------------------------------------------------------------
def request_refresh(connection: Connection, kind: str, remote_id: int = 0) -> RefreshRequest:
    """Queue a read of this record and return its request; `people` needs no `remote_id`."""
    while True:
        refresh_request = _renew_request(connection, kind, remote_id) or _create_request(
            connection, kind, remote_id
        )
        if refresh_request is not None:  # else it was completed or created concurrently
            return refresh_request


def _renew_request(connection: Connection, kind: str, remote_id: int) -> RefreshRequest | None:
    requests = RefreshRequest.objects.filter(connection=connection, kind=kind, remote_id=remote_id)
    refresh_request = requests.first()
    if refresh_request is None or refresh_request.claimed_at is None:
        return refresh_request
    # A read is running: a newer request time makes it run again.
    claimed = requests.filter(pk=refresh_request.pk, claimed_at__isnull=False)
    return refresh_request if claimed.update(requested_at=timezone.now()) else None


def _create_request(connection: Connection, kind: str, remote_id: int) -> RefreshRequest | None:
    try:
        with transaction.atomic():
            refresh_request = RefreshRequest.objects.create(
                connection=connection, kind=kind, remote_id=remote_id
            )
            queue.enqueue_task(REFRESH_TASK, refresh_request.pk)
    except IntegrityError:
        return None
    return refresh_request


def refresh_if_stale(job: Job) -> bool:
    """Queue a read of a job whose data is old; returns whether it was queued."""
    if freshness.get_freshness(job.connection, job=job).state == freshness.State.LIVE:
        return False
    request_refresh(job.connection, Kind.JOB, job.remote_id)
    return True


def run_refresh_request(request_id: int) -> None:
    """Fulfil a request, once, however many workers received it."""
    lease = _RequestLease.claim_request(request_id)
    if lease is None:
        return
    try:
        _refresh_record(lease)
    except (AtsUnavailable, RateLimited, write_guard.ConnectionChanged):
        lease.postpone_request()
    except (AtsError, SecretUnreadable):
        # Refused or unreadable: the next sync reports it.
        lease.select_claimed().delete()
    else:
        lease.complete_request()


class _RequestLease:
    """A worker's lease on a request: lost once `claimed_at` no longer matches the row."""

    def __init__(self, refresh_request: RefreshRequest, started_at: datetime) -> None:
        self.refresh_request, self._started_at, self._claimed_at = (
            refresh_request,
            started_at,
            started_at,
        )

    @classmethod
    def claim_request(cls, request_id: int) -> _RequestLease | None:
        now = timezone.now()
        unclaimed = RefreshRequest.objects.filter(pk=request_id, claimed_at=None)
        if not unclaimed.update(claimed_at=now, attempts=F("attempts") + 1):
            return None
        return cls(RefreshRequest.objects.select_related("connection").get(pk=request_id), now)

    def select_claimed(self) -> QuerySet[RefreshRequest]:
        return RefreshRequest.objects.filter(
            pk=self.refresh_request.pk, claimed_at=self._claimed_at
        )

    def record_heartbeat(self, call: ApiCallRecord) -> None:
        now = timezone.now()
        if now - self._claimed_at > HEARTBEAT_INTERVAL and self.select_claimed().update(
            claimed_at=now
        ):
            self._claimed_at = now

    def complete_request(self) -> None:
        if self.select_claimed().filter(requested_at__lte=self._started_at).delete()[0]:
            return
        if self.select_claimed().update(claimed_at=None, attempts=0):
            queue.enqueue_task(REFRESH_TASK, self.refresh_request.pk)

    def postpone_request(self) -> None:
        # Retried by `requeue_stalled_requests`; after the last attempt a sync brings the record.
        if self.refresh_request.attempts >= MAX_ATTEMPTS:
            self.select_claimed().delete()
        else:
            self.select_claimed().update(claimed_at=None)


def _refresh_record(lease: _RequestLease) -> None:
    refresh_request, connection = lease.refresh_request, lease.refresh_request.connection
    if (
        connection.state in _INACTIVE_STATES
        or connection.data_deletion_pending
        or connection.credential is None
    ):
        return
    if _STEP_KINDS.get(Kind(refresh_request.kind), "") in get_skipped_kinds(connection):
        return
    if refresh_request.kind == Kind.PEOPLE:
        refresh_people(connection)
        return
    with _open_provider(connection, on_call=lease.record_heartbeat) as provider:
        if refresh_request.kind == Kind.JOB:
            refresh_job(connection, refresh_request.remote_id, provider=provider)
        elif refresh_request.kind == Kind.CANDIDATE:
            refresh_candidate(connection, refresh_request.remote_id, provider=provider)
        else:
            _ignore_unavailable(
                lambda: refresh_application(connection, provider, refresh_request.remote_id)
            )


def requeue_stalled_requests() -> None:
    cutoff = timezone.now() - run_lifecycle.get_heartbeat_timeout()
    RefreshRequest.objects.filter(claimed_at__lt=cutoff).update(claimed_at=None)
    waiting = RefreshRequest.objects.filter(
        Q(requested_at__lt=timezone.now() - timedelta(minutes=1))
    )
    for pk in waiting.filter(claimed_at=None).values_list("pk", flat=True)[:200]:
        queue.enqueue_task(REFRESH_TASK, pk)
