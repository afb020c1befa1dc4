"""Life of a sync run: request, claim, requeue and end; a failed run keeps what it read.

The run of a worker that stops sending heartbeats is requeued and resumes after the last page.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, RateLimited
from portal.accounts.models import User
from portal.connections import waiting
from portal.connections.models import Connection
from portal.connections.permissions import unread_lists
from portal.core import queue, transitions
from portal.core.database.compiled_queries import compile_once
from portal.core.database.concurrent_creation import create_or_join
from portal.core.database.outages import DATABASE_AWAY
from portal.core.garbage_collection import collect_garbage_rarely
from portal.core.hooks import Hook
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.cancellation import cancel_outdated_runs, cancel_runs
from portal.sync.engine import plan
from portal.sync.engine.run_outcome import (
    RunOutcome,
    build_failure,
    build_failure_from_error,
    end_run,
    judge_steps,
)
from portal.sync.engine.worker import LeaseLost, SyncWorker, TurnOver
from portal.sync.models import SyncRun, SyncStep

logger = logging.getLogger(__name__)

RUN_TASK = "portal.sync.tasks.run_sync"
# Called with the connection's ID after each turn of a run, and whether a full run is complete.
data_synced: Hook[[int, bool], None] = Hook()
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
        # Locks the connection before the run, as the end of a permission check does.
        unread_lists.mark_unread(connection, plan.list_skipped_lists(connection, steps))
        run = SyncRun.objects.create(connection=connection, requested_by=by, scope=scope)
        for step in steps:
            step.run = run
        SyncStep.objects.bulk_create(steps)
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
    if sync.is_waiting or not _claim_run(sync):
        return False
    if _load_state(sync.connection_id) == [Connection.State.PAUSED]:
        cancel_runs(sync.connection)
    elif not restart_outdated_runs(sync.connection):
        outcome = _run_steps(sync)
        if outcome is not None:
            end_run(sync, outcome)
        if sync.status in SyncRun.COMPLETED:
            # Lists that were granted after this run had been planned without them.
            request_granted_lists(sync.connection)
    return True


@compile_once
def _load_state(connection_id: int) -> QuerySet[Connection, str]:
    return Connection.objects.filter(pk=connection_id).values_list("state", flat=True)


def _claim_run(sync: SyncRun) -> bool:
    now = timezone.now()
    return transitions.try_move(
        sync,
        SyncRun.Status.RUNNING,
        why="started",
        started_at=sync.started_at or now,
        heartbeat_at=now,
        lease_token=uuid.uuid4().hex,
        claim_count=sync.claim_count + 1,
        credential=sync.credential or sync.connection.credential,
    )


def _run_steps(sync: SyncRun) -> RunOutcome | None:
    """Run the remaining steps; None if the run continues later or somebody else has it."""
    worker = SyncWorker(sync)
    try:
        with collect_garbage_rarely():
            worker.run_remaining_steps()
    except LeaseLost:
        return None
    except TurnOver:
        requeue_run(sync, "turn over: continues from here", claim_count=0)
        return None
    except SecretUnreadable:
        sentence = "The stored credential can't be read. Enter it again."
        return build_failure(Cause.CREDENTIAL, sentence)
    except (AtsUnavailable, RateLimited) as error:
        return None if _postpone_run(sync, error) else _give_up_waiting(worker, error)
    except AtsError as error:
        if isinstance(error, BadCredential) and restart_outdated_runs(sync.connection):
            return None  # the credential was replaced during the run
        return build_failure_from_error(error)
    except DATABASE_AWAY:
        raise  # without a database nothing can be recorded: the sweep resumes the run
    except Exception:
        logger.exception("Sync %d failed unexpectedly", sync.pk)
        return _fail_unexpectedly(worker)
    return judge_steps(sync)


def _fail_unexpectedly(worker: SyncWorker) -> RunOutcome:
    sentence = "The sync stopped because of an unexpected error. It restarts automatically."
    with suppress(LeaseLost):
        worker.fail_running_step(sentence)
    return build_failure(Cause.UNREADABLE, sentence)


def _give_up_waiting(worker: SyncWorker, error: AtsUnavailable | RateLimited) -> RunOutcome:
    sentence = waiting.describe_giving_up(error)
    with suppress(LeaseLost):
        worker.fail_running_step(sentence)
    return build_failure_from_error(error, sentence)


def _postpone_run(sync: SyncRun, error: AtsUnavailable | RateLimited) -> bool:
    """Go on later from here; False once the run has waited for too long."""
    # A written page resets the count.
    has_progressed = SyncRun.objects.filter(pk=sync.pk, claim_count=0).exists()
    wait = waiting.plan_wait(sync, error, has_progressed=has_progressed)
    if wait is None:
        return False
    requeue_run(sync, f"{wait['wait_cause'].label}: continues later", claim_count=0, **wait)
    return True


def restart_outdated_runs(connection: Connection) -> bool:
    """End runs that use a replaced credential and request a full sync; True if there were any."""
    ended = cancel_outdated_runs(connection)
    needs_full_sync = any(run.scope != Scope.PEOPLE for run in ended)
    if needs_full_sync and connection.credential is not None:
        request_sync(connection, Scope.FULL)
    return bool(ended)


@transaction.atomic
def requeue_run(sync: SyncRun, why: str, **fields: Any) -> None:
    """Put a running run back into the queue; it continues after its last written page."""
    values = {"lease_token": "", "queued_at": timezone.now(), **waiting.NOT_WAITING, **fields}
    if transitions.try_move(sync, SyncRun.Status.QUEUED, why=why, **values):
        queue.enqueue_task(
            RUN_TASK,
            sync.pk,
            organization_id=sync.connection.organization_id,
            due_at=values["due_at"],
        )


def sync_people(connection: Connection) -> SyncRun:
    """Sync people and their access in this process, joining an open run."""
    sync, _ = get_or_create_run(connection, by=None, scope=Scope.PEOPLE)
    execute_run(sync)
    return sync
