"""Life of a sync run: request, claim, requeue, finish or fail; a failed run keeps what it read.

The run of a worker that stops sending heartbeats is requeued and resumes after the last page.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
    RateLimited,
)
from portal.accounts.models import User
from portal.connections import connection_state, waiting
from portal.connections.models import Connection, Credential
from portal.connections.permissions import unread_lists
from portal.core import queue, transitions
from portal.core.database.concurrent_creation import create_or_join
from portal.core.database.outages import DATABASE_AWAY
from portal.core.hooks import Hook
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync import alerts
from portal.sync.cancellation import cancel_outdated_runs, cancel_runs
from portal.sync.engine import plan
from portal.sync.engine.steps import ESSENTIAL_KINDS, OPTIONAL_KINDS, SUPPLEMENTARY_KINDS
from portal.sync.engine.worker import LeaseLost, SyncWorker, TimeSliceExpired
from portal.sync.integrity import drift
from portal.sync.integrity.mass_deletion_guard import MassDeletionSuspected
from portal.sync.models import SyncRun, SyncStep

logger = logging.getLogger(__name__)

RUN_TASK = "portal.sync.tasks.run_sync"
# Called with the connection's ID after each turn of a run, and whether a full run is complete.
data_synced: Hook[[int, bool], None] = Hook()
# Claims without a written page after which a run fails.
MAX_CLAIMS = 5

_SYNCING_STATES = Connection.LIVE_STATES | {Connection.State.SYNCING}
Scope = SyncRun.Scope
Cause = SyncRun.Cause


def get_heartbeat_timeout() -> timedelta:
    # Longer than the longest single request, during which a worker sends no heartbeat.
    return timedelta(seconds=max(120.0, settings.SYNC_DEADLINE_SECONDS) + 60)


# -- requesting a run ----------------------------------------------------------------------------
def request_sync(connection: Connection, scope: str, *, by: User | None = None) -> SyncRun:
    """Queue a sync, or return the open one."""
    run, new = get_or_create_run(connection, by=by, scope=scope)
    if new:
        queue.enqueue_task(RUN_TASK, run.pk, organization_id=connection.organization_id)
    return run


def get_or_create_run(
    connection: Connection, *, by: User | None, scope: str = Scope.FULL
) -> tuple[SyncRun, bool]:
    """Return the open run or a new one, and whether it is new."""
    scope, steps = plan.build_plan(connection, scope)

    def create() -> SyncRun:
        run = SyncRun.objects.create(connection=connection, requested_by=by, scope=scope)
        for step in steps:
            step.run = run
        SyncStep.objects.bulk_create(steps)
        unread_lists.mark_unread(connection, plan.list_skipped_lists(connection, steps))
        return run

    return create_or_join(create, _open_runs(connection, scope))


def request_granted_lists(connection: Connection) -> None:
    """Sync at once what a permission opened since it was skipped."""
    if connection.state in Connection.LIVE_STATES:
        for scope in plan.list_granted_scopes(connection):
            request_sync(connection, scope)


def _open_runs(connection: Connection, scope: str) -> Any:
    runs = connection.syncs.filter(status__in=SyncRun.OPEN)
    people = runs.filter(scope=Scope.PEOPLE)
    return people if scope == Scope.PEOPLE else runs.exclude(scope=Scope.PEOPLE)


# -- a run ---------------------------------------------------------------------------------------
def execute_run(sync: SyncRun) -> bool:
    """Run the sync in this process. Returns False if another worker holds it."""
    now = timezone.now()
    if sync.is_waiting or not transitions.try_move(
        sync,
        SyncRun.Status.RUNNING,
        why="started",
        started_at=sync.started_at or now,
        heartbeat_at=now,
        lease_token=uuid.uuid4().hex,
        claim_count=sync.claim_count + 1,
        credential=sync.credential or sync.connection.credential,
    ):
        return False
    if Connection.objects.filter(pk=sync.connection_id, state=Connection.State.PAUSED).exists():
        cancel_runs(sync.connection)
        return True
    if restart_outdated_runs(sync.connection):
        return True
    worker = SyncWorker(sync)
    try:
        worker.run_remaining_steps()
    except LeaseLost:
        return True
    except TimeSliceExpired:
        _requeue_run(sync, "time slice over: continues from here", claim_count=0)
        return True
    except SecretUnreadable:
        _fail_run(
            sync,
            Cause.CREDENTIAL,
            "The stored credential can't be read. Enter it again.",
        )
    except (AtsUnavailable, RateLimited) as error:
        if _postpone_run(sync, error):
            return True
        _give_up_waiting(sync, worker, error)
    except AtsError as error:
        if isinstance(error, BadCredential) and restart_outdated_runs(sync.connection):
            return True  # the credential was replaced during the run
        _fail_run(sync, _classify_error(error), error.sentence)
    except DATABASE_AWAY:
        raise  # without a database nothing can be recorded: the sweep resumes the run
    except Exception:
        logger.exception("Sync %d failed unexpectedly", sync.pk)
        _fail_unexpectedly(sync, worker)
    else:
        _finish_run(sync)
    _update_connection(sync)
    if sync.status in SyncRun.COMPLETED:
        # Lists that were granted after this run had been planned without them.
        request_granted_lists(sync.connection)
    return True


def _fail_unexpectedly(sync: SyncRun, worker: SyncWorker) -> None:
    sentence = "The sync failed unexpectedly. It starts again by itself."
    with suppress(LeaseLost):
        worker.fail_running_step(sentence)
    _fail_run(sync, Cause.UNREADABLE, sentence)


def _postpone_run(sync: SyncRun, error: AtsUnavailable | RateLimited) -> bool:
    """Go on later from here; False once the run has waited for too long."""
    # A written page resets the count.
    has_progressed = SyncRun.objects.filter(pk=sync.pk, claim_count=0).exists()
    wait = waiting.plan_wait(sync, error, has_progressed=has_progressed)
    if wait is None:
        return False
    _requeue_run(sync, f"{wait['wait_cause'].label}: continues later", claim_count=0, **wait)
    return True


def _give_up_waiting(
    sync: SyncRun, worker: SyncWorker, error: AtsUnavailable | RateLimited
) -> None:
    sentence = waiting.describe_giving_up(error)
    with suppress(LeaseLost):
        worker.fail_running_step(sentence)
    _fail_run(sync, _classify_error(error), sentence)


def restart_outdated_runs(connection: Connection) -> bool:
    """End runs that use a replaced credential and request a full sync; True if there were any."""
    ended = cancel_outdated_runs(connection)
    needs_full_sync = any(run.scope != Scope.PEOPLE for run in ended)
    if needs_full_sync and connection.credential is not None:
        request_sync(connection, Scope.FULL)
    return bool(ended)


def _update_connection(sync: SyncRun) -> None:
    connection = sync.connection
    alerts.update_alerts(connection)
    if sync.scope != Scope.PEOPLE:
        connection_state.update_state(
            connection, synced=plan.get_last_successful_run(connection) is not None
        )


def _classify_error(error: AtsError) -> str:
    causes: tuple[tuple[type[AtsError], str], ...] = (
        (BadCredential, Cause.CREDENTIAL),
        (MissingPermission, Cause.FORBIDDEN),
        (NotSiteAdmin, Cause.FORBIDDEN),
        (MassDeletionSuspected, Cause.FORBIDDEN),  # the likeliest cause
        (AtsUnavailable, Cause.DOWN),
        (RateLimited, Cause.RATE_LIMIT),
    )
    return next((cause for kind, cause in causes if isinstance(error, kind)), Cause.UNREADABLE)


# -- ending a run --------------------------------------------------------------------------------
def _fail_run(sync: SyncRun, cause: str, sentence: str) -> bool:
    return transitions.try_move(
        sync,
        SyncRun.Status.FAILED,
        why=sentence,
        failure=sentence[:300],
        cause=cause,
        finished_at=timezone.now(),
    )


def _finish_run(sync: SyncRun) -> None:
    steps = list(sync.steps.all())
    refused = [
        step
        for step in steps
        if step.status == SyncStep.Status.REFUSED and step.kind not in OPTIONAL_KINDS
    ]
    for step in refused:
        if step.kind in ESSENTIAL_KINDS:
            _fail_run(sync, Cause.FORBIDDEN, step.failure)
            return
    unread_lists.mark_read(sync.connection, _list_read_kinds(steps))
    transitions.try_move(
        sync,
        SyncRun.Status.PARTIAL if refused else SyncRun.Status.DONE,
        why="some lists could not be read" if refused else "every list was read",
        finished_at=timezone.now(),
    )
    drift.report_drift(sync)


def _list_read_kinds(steps: Iterable[SyncStep]) -> set[str]:
    """Lists that were read whole, or that a sync does without if Greenhouse refuses them."""
    return {
        step.kind
        for step in steps
        if (step.status == SyncStep.Status.DONE and step.since is None)
        or (step.status == SyncStep.Status.REFUSED and step.kind in SUPPLEMENTARY_KINDS)
    }


@transaction.atomic
def _requeue_run(sync: SyncRun, why: str, **fields: Any) -> None:
    values = {"lease_token": "", "queued_at": timezone.now(), **waiting.NOT_WAITING, **fields}
    if transitions.try_move(sync, SyncRun.Status.QUEUED, why=why, **values):
        queue.enqueue_task(
            RUN_TASK,
            sync.pk,
            organization_id=sync.connection.organization_id,
            due_at=values["due_at"],
        )


def recover_stalled_runs() -> None:
    """Requeue runs whose worker or task was lost, and repair what killed processes left."""
    cutoff = timezone.now() - get_heartbeat_timeout()
    running = SyncRun.objects.filter(status=SyncRun.Status.RUNNING, heartbeat_at__lt=cutoff)
    for sync in running.select_related("connection"):
        if sync.claim_count < MAX_CLAIMS:
            _requeue_run(sync, "its worker stopped responding: another continues from here")
        elif _fail_run(
            sync, Cause.INTERRUPTED, "The sync was interrupted. It starts again by itself."
        ):
            _update_connection(sync)
    is_due = Q(due_at=None) | Q(due_at__lt=cutoff)
    queued = SyncRun.objects.filter(is_due, status=SyncRun.Status.QUEUED, queued_at__lt=cutoff)
    rows = queued.values_list("pk", "connection__organization_id")
    queue.requeue_lost_tasks(RUN_TASK, dict(rows))
    # The process that paused was killed before it ended the runs.
    for connection in Connection.objects.filter(
        state=Connection.State.PAUSED, syncs__status__in=SyncRun.OPEN
    ).distinct():
        cancel_runs(connection)
    # The process that replaced the credential was killed before it ended the runs.
    outdated = SyncRun.objects.filter(status__in=SyncRun.OPEN, credential__isnull=False).exclude(
        credential__state=Credential.State.IN_USE
    )
    for sync in outdated.select_related("connection"):
        if sync.connection.state in _SYNCING_STATES:
            restart_outdated_runs(sync.connection)
    # A worker was killed after finishing the run and before updating the connection.
    runs = SyncRun.objects.filter(connection=OuterRef("pk"))
    completed = runs.filter(status__in=SyncRun.COMPLETED).exclude(scope=Scope.PEOPLE)
    for connection in Connection.objects.filter(
        ~Exists(runs.filter(status__in=SyncRun.OPEN)),
        Exists(completed),
        state=Connection.State.SYNCING,
    ):
        connection_state.update_state(connection, synced=True)


def sync_people(connection: Connection) -> SyncRun:
    """Sync people and their access in this process, joining an open run."""
    sync, _ = get_or_create_run(connection, by=None, scope=Scope.PEOPLE)
    execute_run(sync)
    return sync
