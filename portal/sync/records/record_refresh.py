"""Refresh single applications and candidates, with the records they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.client_context import ApiCallRecord, Lane
from integrations.ats.errors import (
    LIST_REFUSALS,
    AtsError,
    AtsUnavailable,
    BadCredential,
    NotFound,
    RateLimited,
)
from integrations.greenhouse.provider import Provider
from portal.connections.client import attribute_writes_to, open_provider
from portal.connections.models import Connection, Credential
from portal.core.database.compiled_queries import count_once
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.engine.steps import get_skipped_kinds
from portal.sync.engine.upsert import written_as_of
from portal.sync.integrity import write_guard
from portal.sync.models import Application, Candidate, Job, Stage, SyncedRecord
from portal.sync.records import candidate_erasure
from portal.sync.writers import application_records, gone_records, job_records


def refresh_application(connection: Connection, provider: Provider, remote_id: int) -> Application:
    """Read one application and store it, with its job, stage and candidate if missing.

    Raises AtsError: NotFound after marking the row gone, ConnectionChanged if nothing was written.
    """
    requested_at = timezone.now()
    try:
        application = provider.get_application(remote_id)
    except NotFound:
        with written_as_of(requested_at):
            gone_records.mark_gone(connection, Application, [remote_id])
        ensure_write_allowed(connection)
        raise
    with written_as_of(requested_at):
        _fetch_missing_parents(connection, provider, application)
        application_records.write_applications(connection, [application])
    return write_guard.get_written_row(Application, connection, remote_id)


def refresh_candidate(
    connection: Connection, remote_id: int, *, provider: Provider | None = None
) -> Candidate | None:
    """Read one candidate; erase one that Greenhouse no longer has. Raises AtsError."""
    if provider is None:
        with open_sync_provider(connection.credential) as opened:
            return refresh_candidate(connection, remote_id, provider=opened)
    requested_at = timezone.now()
    try:
        candidate = provider.get_candidate(remote_id)
    except NotFound:
        # A merge may have moved its applications to another candidate.
        _refresh_moved_applications(connection, provider, remote_id)
        candidate_erasure.erase_candidates(connection, [remote_id])
        ensure_write_allowed(connection)
        return None
    with written_as_of(requested_at):
        application_records.write_candidates(connection, [candidate])
    return write_guard.get_written_row(Candidate, connection, remote_id)


def ensure_write_allowed(connection: Connection) -> None:
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


@contextmanager
def open_sync_provider(
    credential: Credential | None, on_call: Callable[[ApiCallRecord], None] | None = None
) -> Iterator[Provider]:
    if credential is None:
        raise SecretUnreadable
    with attribute_writes_to(credential):
        yield open_provider(credential, lane=Lane.SYNC, on_call=on_call)


def _fetch_missing_parents(
    connection: Connection, provider: Provider, application: ats.Application
) -> None:
    if application.job_id is not None and not _is_stored(connection, Job, application.job_id):
        ignore_unavailable(
            lambda: job_records.write_jobs(connection, [provider.get_job(application.job_id or 0)])
        )
    stage_id, candidate_id = application.stage_id, application.candidate_id
    if stage_id is not None and _is_missing_and_needed(connection, Stage, stage_id, "stages"):
        ignore_unavailable(
            lambda: job_records.write_stages(
                connection, provider.list_stages_for_job(application.job_id or 0)
            )
        )
    if _is_missing_and_needed(connection, Candidate, candidate_id, "candidates"):
        ignore_unavailable(
            lambda: application_records.write_candidates(
                connection, [provider.get_candidate(candidate_id)]
            )
        )


def _is_missing_and_needed(
    connection: Connection, model: type[SyncedRecord], remote_id: int, kind: str
) -> bool:
    return not _is_stored(connection, model, remote_id) and kind not in get_skipped_kinds(
        connection
    )


def ignore_unavailable(read: Callable[[], Any]) -> None:
    try:
        read()
    except (*LIST_REFUSALS, NotFound):
        return


def _is_stored(connection: Connection, model: type[SyncedRecord], remote_id: int) -> bool:
    return bool(_count_stored(connection.pk, remote_id, model=model))


@count_once
def _count_stored(
    connection_id: int, remote_id: int, *, model: type[SyncedRecord]
) -> QuerySet[SyncedRecord, int]:
    rows = model._default_manager.filter(connection=connection_id, remote_id=remote_id)
    return rows.filter(gone_at=None).order_by().values_list("pk", flat=True)
