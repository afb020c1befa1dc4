"""Fulfil refresh requests, each by one worker at a time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.ats.client_context import ApiCallRecord
from integrations.ats.errors import AtsError, AtsUnavailable, RateLimited
from integrations.greenhouse.provider import Provider
from portal.connections import waiting
from portal.connections.models import Connection
from portal.core import queue
from portal.core.database.compiled_queries import compile_once, update_once
from portal.core.database.outages import DATABASE_AWAY
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync import alerts
from portal.sync.engine import run_lifecycle
from portal.sync.engine.steps import get_skipped_kinds
from portal.sync.engine.worker import HEARTBEAT_INTERVAL
from portal.sync.integrity import write_guard
from portal.sync.models import RefreshRequest
from portal.sync.records.access_refresh import refresh_access
from portal.sync.records.job_refresh import refresh_job
from portal.sync.records.record_refresh import (
    ignore_unavailable,
    open_sync_provider,
    refresh_application,
    refresh_candidate,
)
from portal.sync.records.refresh_requests import REFRESH_TASK

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
Kind = RefreshRequest.Kind
_STEP_KINDS = {Kind.APPLICATION: "applications", Kind.CANDIDATE: "candidates"}
_INACTIVE_STATES = (Connection.State.DRAFT, Connection.State.PAUSED, Connection.State.DISCONNECTED)


def refresh_people(connection: Connection) -> None:
    """Sync users, their addresses and job grants; the run records errors."""
    run_lifecycle.sync_people(connection)


def run_refresh_request(request_id: int) -> None:
    """Fulfil a request, once, however many workers received it."""
    lease = _RequestLease.claim_request(request_id)
    if lease is None:
        return
    try:
        _refresh_record(lease)
    except (AtsUnavailable, RateLimited) as error:
        lease.await_greenhouse(error)
    except write_guard.ConnectionChanged:
        lease.retry_request()
    except (AtsError, SecretUnreadable):
        # Refused or unreadable: the next sync reports it.
        lease.select_claimed().delete()
    except DATABASE_AWAY:
        raise  # the database is away: nothing can be recorded
    except Exception:
        logger.exception("Refresh request %d failed unexpectedly", request_id)
        lease.give_up()
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
        if not _claim_request(request_id, now):
            return None
        [refresh_request] = _find_request(request_id)
        lease = cls(refresh_request, now)
        if lease.refresh_request.attempts > MAX_ATTEMPTS:  # workers died over it
            lease.give_up()
            return None
        return lease

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
        if self.select_claimed().update(
            claimed_at=None, attempts=0, waiting_since=None, **waiting.NOT_WAITING
        ):
            self._enqueue_again(None)

    @transaction.atomic
    def await_greenhouse(self, error: AtsUnavailable | RateLimited) -> None:
        wait = waiting.plan_wait(self.refresh_request, error)
        if wait is None:  # a sync brings the record
            self.select_claimed().delete()
        elif self.select_claimed().update(claimed_at=None, attempts=0, **wait):
            self._enqueue_again(wait["due_at"])

    def _enqueue_again(self, due_at: datetime | None) -> None:
        queue.enqueue_task(
            REFRESH_TASK,
            self.refresh_request.pk,
            organization_id=self.refresh_request.connection.organization_id,
            due_at=due_at,
        )

    def give_up(self) -> None:
        self.select_claimed().delete()
        alerts.report_failed_read(self.refresh_request.connection)

    def retry_request(self) -> None:
        # Retried by `requeue_stalled_requests`; after the last attempt a sync brings the record.
        if self.refresh_request.attempts >= MAX_ATTEMPTS:
            self.select_claimed().delete()
        else:
            self.select_claimed().update(claimed_at=None)


@update_once
def _claim_request(
    request_id: int, now: datetime
) -> tuple[QuerySet[RefreshRequest], dict[str, Any]]:
    unclaimed = RefreshRequest.objects.filter(_is_due(now), pk=request_id, claimed_at=None)
    return unclaimed, {"claimed_at": now, "attempts": F("attempts") + 1}


@compile_once
def _find_request(request_id: int) -> QuerySet[RefreshRequest]:
    return RefreshRequest.objects.select_related("connection").filter(pk=request_id)


def _refresh_record(lease: _RequestLease) -> None:
    refresh_request, connection = lease.refresh_request, lease.refresh_request.connection
    if connection.state in _INACTIVE_STATES or connection.data_deletion_pending:
        return
    credential = connection.credential
    if credential is None:
        return
    if refresh_request.kind == Kind.PEOPLE:
        refresh_people(connection)
        return
    step_kind = _STEP_KINDS.get(Kind(refresh_request.kind))
    if step_kind is not None and step_kind in get_skipped_kinds(connection):
        return
    with (
        use_prepared_statements(),
        open_sync_provider(credential, on_call=lease.record_heartbeat) as provider,
    ):
        _read_record(refresh_request, provider)


def _read_record(refresh_request: RefreshRequest, provider: Provider) -> None:
    connection, remote_id = refresh_request.connection, refresh_request.remote_id
    if refresh_request.kind == Kind.JOB:
        refresh_job(
            connection, remote_id, provider=provider, requested_at=refresh_request.requested_at
        )
    elif refresh_request.kind == Kind.PERSON:
        refresh_access(connection, remote_id, provider)
    elif refresh_request.kind == Kind.CANDIDATE:
        refresh_candidate(connection, remote_id, provider=provider)
    else:
        ignore_unavailable(lambda: refresh_application(connection, provider, remote_id))


def requeue_stalled_requests() -> None:
    cutoff = timezone.now() - run_lifecycle.get_heartbeat_timeout()
    RefreshRequest.objects.filter(claimed_at__lt=cutoff).update(claimed_at=None)
    minute_ago = timezone.now() - timedelta(minutes=1)
    unclaimed = RefreshRequest.objects.filter(claimed_at=None, requested_at__lt=minute_ago)
    lost = queue.exclude_queued(unclaimed.filter(_is_due(minute_ago)), REFRESH_TASK)
    rows = lost.values_list("pk", "connection__organization_id")
    queue.requeue_lost_tasks(REFRESH_TASK, dict(rows[:200]))


def _is_due(at: datetime) -> Q:
    return Q(due_at=None) | Q(due_at__lte=at)
