"""Recovery of runs that killed workers, lost tasks and killed requests left behind."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.connections import connection_state
from portal.connections.models import Connection, Credential
from portal.core import queue
from portal.sync.cancellation import cancel_runs
from portal.sync.engine.run_lifecycle import (
    RUN_TASK,
    get_heartbeat_timeout,
    requeue_run,
    restart_outdated_runs,
)
from portal.sync.engine.run_outcome import build_failure, end_run
from portal.sync.models import SyncRun

# Claims without a written page after which a run fails.
MAX_CLAIMS = 5

_SYNCING_STATES = Connection.LIVE_STATES | {Connection.State.SYNCING}


def recover_stalled_runs() -> None:
    """Requeue runs whose worker or task was lost, and repair what killed processes left."""
    cutoff = timezone.now() - get_heartbeat_timeout()
    _requeue_silent_runs(cutoff)
    _requeue_lost_tasks(cutoff)
    _cancel_paused_runs()
    _restart_runs_of_replaced_credentials()
    _update_states_after_first_sync()


def _requeue_silent_runs(cutoff: datetime) -> None:
    running = SyncRun.objects.filter(status=SyncRun.Status.RUNNING, heartbeat_at__lt=cutoff)
    for sync in running.select_related("connection"):
        if sync.claim_count < MAX_CLAIMS:
            requeue_run(sync, "its worker stopped responding: another continues from here")
        else:
            sentence = "The sync was interrupted. It restarts automatically."
            end_run(sync, build_failure(SyncRun.Cause.INTERRUPTED, sentence))


def _requeue_lost_tasks(cutoff: datetime) -> None:
    is_due = Q(due_at=None) | Q(due_at__lt=cutoff)
    queued = SyncRun.objects.filter(is_due, status=SyncRun.Status.QUEUED, queued_at__lt=cutoff)
    rows = queued.values_list("pk", "connection__organization_id")
    queue.requeue_lost_tasks(RUN_TASK, dict(rows))


def _cancel_paused_runs() -> None:
    # The process that paused was killed before it ended the runs.
    paused = Connection.objects.filter(
        state=Connection.State.PAUSED, syncs__status__in=SyncRun.OPEN
    )
    for connection in paused.distinct():
        cancel_runs(connection)


def _restart_runs_of_replaced_credentials() -> None:
    # The process that replaced the credential was killed before it ended the runs.
    outdated = SyncRun.objects.filter(status__in=SyncRun.OPEN, credential__isnull=False).exclude(
        credential__state=Credential.State.IN_USE
    )
    for sync in outdated.select_related("connection"):
        if sync.connection.state in _SYNCING_STATES:
            restart_outdated_runs(sync.connection)


def _update_states_after_first_sync() -> None:
    # The worker was killed after it had ended the run and before the monitors judged it.
    runs = SyncRun.objects.filter(connection=OuterRef("pk"))
    completed = runs.filter(status__in=SyncRun.COMPLETED).exclude(scope=SyncRun.Scope.PEOPLE)
    for connection in Connection.objects.filter(
        ~Exists(runs.filter(status__in=SyncRun.OPEN)),
        Exists(completed),
        state=Connection.State.SYNCING,
    ):
        connection_state.update_state(connection, synced=True)
