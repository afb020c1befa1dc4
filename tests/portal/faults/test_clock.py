"""The machine's clock jumps forwards or backwards while work is under way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.applications.tasks import recover_lost_actions
from portal.connections.models import Connection
from portal.core import queue
from portal.issues.models import Issue
from portal.sync import schedule, tasks
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import SyncRun
from portal.wiring.schedules import schedule_recurring_tasks
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    get_sandbox_application,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.sync.sandbox_truth import assert_sync_matches

HOUR, DAY = 60 * 60, 24 * 60 * 60


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
def test_clock_jump_sends_action_once(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock, jump: int
) -> None:
    connect()
    application = find_application()
    submit_action(sign_in(personas.remy), "advance", application)
    advance_clock(jump)
    outbox.release_due_actions()
    recover_lost_actions()
    recover_lost_actions()
    advance_clock(max(0, -jump) + 5 * 60)  # five minutes after the click in real time
    recover_lost_actions()
    run_tasks()
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(list_writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_clock_jump_back_keeps_rejection_undoable(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock, jump: int
) -> None:
    connect()
    remy, application = sign_in(personas.remy), find_application()
    reject_application(remy, application)
    advance_clock(jump)
    outbox.release_due_actions()
    run_tasks()
    sent_count = len(list_writes(sandbox))
    assert sent_count == (
        1 if jump > 0 else 0
    )  # due after a jump forwards, waiting after one backwards
    if not sent_count:
        action = ApplicationAction.objects.get()
        remy.post(reverse("applications:cancel_action", args=[action.pk]))
        action.refresh_from_db()
        assert action.status == ApplicationAction.Status.CANCELED


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_clock_jump_leaves_sync_working(
    connect, sandbox: Sandbox, run_tasks, advance_clock, jump: int
) -> None:
    connection = connect()
    advance_clock(jump)
    schedule.request_due_syncs()
    run = run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    assert SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first().status == SyncRun.Status.DONE
    assert run is not None
    assert_sync_matches(sandbox, "harvest_oauth")
    assert Connection.objects.get().state in {"live", "degraded"}
    assert not Issue.objects.filter(cause="sync_failing").exists()


def test_dead_workers_run_requeued_after_clock_jump(
    connect, sandbox: Sandbox, advance_clock
) -> None:
    connection = connect()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    SyncRun.objects.filter(pk=run.pk).update(
        status="running", heartbeat_at=timezone.now() + timedelta(hours=1)
    )
    advance_clock(HOUR + run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
    run_recovery.recover_stalled_runs()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.QUEUED
    tasks.run_sync(run.pk)
    assert_sync_matches(sandbox, "harvest_oauth")


def test_schedule_recovers_after_clock_was_ahead(
    transactional_db: None,
) -> None:
    """A schedule stores its next run, which is a day away once the clock is set back."""
    schedule_recurring_tasks()
    now = timezone.now()
    for minutes in (1, 24 * 60):
        planned = now + timedelta(days=1, minutes=minutes)
        Schedule.objects.filter(minutes=minutes).update(next_run=planned)
    queue.repair_schedules()
    for minutes in (1, 24 * 60):
        due_soon = Schedule.objects.filter(minutes=minutes, next_run__lt=now + timedelta(minutes=1))
        assert due_soon.count() == Schedule.objects.filter(minutes=minutes).count() > 0


def test_slow_worker_clock_does_not_reschedule(transactional_db: None, advance_clock) -> None:
    """The database clock decides; otherwise every task would run again and again."""
    schedule_recurring_tasks()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    advance_clock(-HOUR)
    queue.repair_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


def test_schedule_due_soon_left_unchanged(transactional_db: None) -> None:
    schedule_recurring_tasks()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    queue.repair_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


@pytest.mark.parametrize("jump", [-HOUR, 11 * HOUR])
def test_session_survives_clock_jump(personas: Personas, sign_in, advance_clock, jump: int) -> None:
    ada = sign_in(personas.ada)
    advance_clock(jump)
    assert ada.get(reverse("members:list")).status_code == 200
