"""The machine's clock jumps forwards or backwards while work is under way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction
from portal.applications.tasks import sweep
from portal.connections.models import Connection
from portal.core import queue
from portal.issues.models import Issue
from portal.mirror import schedule, sync, tasks
from portal.mirror.models import SyncRun
from portal.onboarding.apps import _schedule
from tests.cast import Cast
from tests.portal.applications.clicking import an_application, click, reject, truth, writes
from tests.portal.mirror.truth import assert_equal

HOUR, DAY = 60 * 60, 24 * 60 * 60


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
def test_clock_jump_sends_action_once(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, jump: int
) -> None:
    connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    later(jump)
    outbox.release()
    sweep()
    sweep()
    later(max(0, -jump) + 5 * 60)  # five minutes after the click in real time
    sweep()
    work()
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == truth(sandbox, application).stage_id


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_clock_jump_back_keeps_rejection_undoable(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, jump: int
) -> None:
    connect()
    remy, application = sign_in(cast.remy), an_application()
    reject(remy, application)
    later(jump)
    outbox.release()
    work()
    sent_count = len(writes(sandbox))
    assert sent_count == (
        1 if jump > 0 else 0
    )  # due after a jump forwards, waiting after one backwards
    if not sent_count:
        action = ApplicationAction.objects.get()
        remy.post(reverse("applications:withdraw", args=[action.pk]))
        action.refresh_from_db()
        assert action.status == ApplicationAction.Status.WITHDRAWN


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_clock_jump_leaves_sync_working(connect, sandbox: Sandbox, work, later, jump: int) -> None:
    connection = connect()
    later(jump)
    schedule.tick()
    run = sync.request(connection, SyncRun.Scope.FULL)
    work()
    assert SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first().status == SyncRun.Status.DONE
    assert run is not None
    assert_equal(sandbox, "harvest_oauth")
    assert Connection.objects.get().state in {"live", "degraded"}
    assert not Issue.objects.filter(cause="sync_failing").exists()


def test_dead_workers_run_requeued_after_clock_jump(connect, sandbox: Sandbox, later) -> None:
    connection = connect()
    run, _ = sync.open_run(connection, by=None)
    SyncRun.objects.filter(pk=run.pk).update(
        status="running", heard_at=timezone.now() + timedelta(hours=1)
    )
    later(HOUR + sync.silent_after().total_seconds() + 1)
    sync.sweep()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.QUEUED
    tasks.run(run.pk)
    assert_equal(sandbox, "harvest_oauth")


def test_schedule_recovers_after_clock_was_ahead(
    transactional_db: None,
) -> None:
    """A schedule stores its next run, which is a day away once the clock is set back."""
    _schedule()
    now = timezone.now()
    for minutes in (1, 24 * 60):
        planned = now + timedelta(days=1, minutes=minutes)
        Schedule.objects.filter(minutes=minutes).update(next_run=planned)
    queue.mend_schedules()
    for minutes in (1, 24 * 60):
        due_soon = Schedule.objects.filter(minutes=minutes, next_run__lt=now + timedelta(minutes=1))
        assert due_soon.count() == Schedule.objects.filter(minutes=minutes).count() > 0


def test_slow_worker_clock_does_not_reschedule(transactional_db: None, later) -> None:
    """The database clock decides; otherwise every task would run again and again."""
    _schedule()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    later(-HOUR)
    queue.mend_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


def test_schedule_due_soon_left_unchanged(transactional_db: None) -> None:
    _schedule()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    queue.mend_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


@pytest.mark.parametrize("jump", [-HOUR, 11 * HOUR])
def test_session_survives_clock_jump(cast: Cast, sign_in, later, jump: int) -> None:
    ada = sign_in(cast.ada)
    later(jump)
    assert ada.get(reverse("members:list")).status_code == 200
