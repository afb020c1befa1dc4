"""Refresh one job with its stages, posts, openings and applications."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.errors import LIST_REFUSALS, NotFound
from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.core.database.compiled_queries import compile_once
from portal.sync.engine.steps import get_skipped_kinds
from portal.sync.engine.upsert import written_as_of
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
from portal.sync.records.changed_candidates import refresh_changed_candidates
from portal.sync.records.record_refresh import (
    ensure_write_allowed,
    ignore_unavailable,
    open_sync_provider,
    refresh_application,
)
from portal.sync.records.refresh_requests import request_refresh
from portal.sync.writers import application_records, gone_records, job_records

MAX_PAGES = 20  # of one job's applications; the full sync reads the rest
# Applications missing from a job's list, or with unknown candidates: this many are read at once,
# more are queued up to the second limit, and the rest waits for the full sync.
MAX_SINGLE_READS = 50
MAX_QUEUED_READS = 500
Kind = RefreshRequest.Kind


def refresh_job(
    connection: Connection,
    remote_id: int,
    *,
    provider: Provider | None = None,
    requested_at: datetime | None = None,
) -> Job | None:
    """Read one job with its stages, posts, openings and applications; None if it is gone.

    Lists that no feature needs or the credential may not read are left as is. Raises AtsError.
    """
    if provider is None:
        with open_sync_provider(connection.credential) as opened:
            return refresh_job(connection, remote_id, provider=opened, requested_at=requested_at)
    started_at = timezone.now()
    try:
        remote_job = provider.get_job(remote_id)
    except NotFound:
        with written_as_of(started_at):
            gone_records.mark_gone(connection, Job, [remote_id])
        ensure_write_allowed(connection)
        if job := Job.objects.filter(connection=connection, remote_id=remote_id).first():
            # They are gone with the job, or were moved to another.
            skipped_kinds = get_skipped_kinds(connection)
            _refresh_job_applications(connection, job, provider, skipped_kinds, started_at)
        return None
    if not remote_job.is_requisition:
        with written_as_of(started_at):
            gone_records.mark_gone(connection, Job, [remote_id])
        return None
    with transaction.atomic(), written_as_of(started_at):
        job_records.write_jobs(connection, [remote_job])
    job = write_guard.get_written_row(Job, connection, remote_id)
    skipped_kinds = get_skipped_kinds(connection)
    if "candidates" not in skipped_kinds:
        # Applications do not say whether their candidate was renamed.
        refresh_changed_candidates(connection, provider, requested_at or started_at)
    with written_as_of(started_at):
        _refresh_job_parts(connection, job, provider, skipped_kinds)
    if "applications" in skipped_kinds or _refresh_job_applications(
        connection, job, provider, skipped_kinds, started_at
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
        "stages": (Stage, provider.list_stages_for_job, job_records.write_stages),
        "posts": (JobPost, provider.list_posts_for_job, job_records.write_job_posts),
        "openings": (Opening, provider.list_openings_for_job, job_records.write_openings),
    }
    for kind, (model, read, write) in parts.items():
        if kind not in skipped_kinds:
            _refresh_job_part(connection, job, model, read, write)


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
    except LIST_REFUSALS:
        return
    write(connection, records)
    unreadable_ids = [unreadable.remote_id for unreadable in records.set_aside]
    if None in unreadable_ids:  # an unidentified record may be any of the stored ones
        return
    existing_ids = _find_older_ids(connection.pk, job.pk, started_at, model=model)
    listed_ids = {*(record.id for record in records), *unreadable_ids}
    missing_ids = [remote_id for remote_id in existing_ids if remote_id not in listed_ids]
    gone_records.mark_gone(connection, model, missing_ids)


@compile_once
def _find_older_ids(
    connection_id: int, job_id: int, started_at: datetime, *, model: type[SyncedRecord]
) -> QuerySet[SyncedRecord, int]:
    of_job: dict[str, Any] = {"connection": connection_id, "job": job_id}
    existing = model._default_manager.filter(**of_job, gone_at=None, changed_at__lt=started_at)
    return existing.values_list("remote_id", flat=True)


def _refresh_job_applications(
    connection: Connection,
    job: Job,
    provider: Provider,
    skipped_kinds: Container[str],
    started_at: Any,
) -> bool:
    seen_ids: set[int] = set()
    loader = _CandidateLoader(connection, provider, is_skipped="candidates" in skipped_kinds)
    try:
        for page_number, page in enumerate(provider.list_applications_for_job(job.remote_id), 1):
            job_applications = [
                application for application in page.records if application.job_id == job.remote_id
            ]
            with written_as_of(started_at):  # rows written since then are newer than these pages
                loader.load_missing_candidates(job_applications)
                application_records.write_applications(connection, job_applications)
            seen_ids.update(application.id for application in page.records)
            seen_ids.update(
                unreadable.remote_id for unreadable in page.set_aside if unreadable.remote_id
            )
            if page.cursor is not None and page_number == MAX_PAGES:
                return False
    except LIST_REFUSALS:
        return False
    _refresh_departed_applications(connection, job, provider, seen_ids, started_at)
    return True


class _CandidateLoader:
    def __init__(self, connection: Connection, provider: Provider, *, is_skipped: bool) -> None:
        self._connection, self._provider, self._is_skipped = connection, provider, is_skipped
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
        ignore_unavailable(
            lambda: application_records.write_candidates(
                self._connection, [get_candidate(candidate_id)]
            )
        )


def _refresh_departed_applications(
    connection: Connection, job: Job, provider: Provider, seen_ids: set[int], started_at: Any
) -> None:
    # Missing from the job's list: moved to another job, or gone.
    existing_ids = _find_older_ids(connection.pk, job.pk, started_at, model=Application)
    missing_ids = [remote_id for remote_id in existing_ids if remote_id not in seen_ids]
    for remote_id in missing_ids[:MAX_SINGLE_READS]:
        try:
            refresh_application(connection, provider, remote_id)
        except NotFound:
            continue
    for remote_id in missing_ids[MAX_SINGLE_READS:MAX_QUEUED_READS]:
        request_refresh(connection, Kind.APPLICATION, remote_id)
