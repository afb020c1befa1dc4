"""The machine's clock is moved: forwards, backwards, in the middle of things."""

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
def test_a_click_under_way_is_sent_once(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, jump: int
) -> None:
    connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    later(jump)
    outbox.release()
    sweep()
    sweep()
    later(max(0, -jump) + 5 * 60)  # by the true clock, some minutes after it was set
    sweep()
    work()
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == truth(sandbox, application).stage_id


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_what_is_held_can_be_taken_back_and_never_goes_out_too_soon_by_the_clock_set_back(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, jump: int
) -> None:
    connect()
    remy, application = sign_in(cast.remy), an_application()
    reject(remy, application)
    later(jump)
    outbox.release()
    work()
    sent = len(writes(sandbox))
    assert sent == (1 if jump > 0 else 0)  # forwards its time has come; backwards it waits
    if not sent:
        action = ApplicationAction.objects.get()
        remy.post(reverse("applications:withdraw", args=[action.pk]))
        action.refresh_from_db()
        assert action.status == ApplicationAction.Status.WITHDRAWN


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_sync_and_its_schedule_live_through_it(
    connect, sandbox: Sandbox, work, later, jump: int
) -> None:
    made = connect()
    later(jump)
    schedule.tick()
    run = sync.request(made, SyncRun.Scope.FULL)
    work()
    assert SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first().status == SyncRun.Status.DONE
    assert run is not None
    assert_equal(sandbox, "harvest_oauth")
    assert Connection.objects.get().state in {"live", "degraded"}
    assert not Issue.objects.filter(cause="sync_failing").exists()


def test_a_run_whose_worker_died_before_the_clock_went_back_is_still_taken_up(
    connect, sandbox: Sandbox, later
) -> None:
    made = connect()
    run, _ = sync.open_run(made, by=None)
    SyncRun.objects.filter(pk=run.pk).update(
        status="running", heard_at=timezone.now() + timedelta(hours=1)
    )
    later(HOUR + sync.silent_after().total_seconds() + 1)
    sync.sweep()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.QUEUED
    tasks.run(run.pk)
    assert_equal(sandbox, "harvest_oauth")


def test_what_a_clock_that_was_ahead_planned_too_late_is_brought_back(
    transactional_db: None,
) -> None:
    """A schedule remembers when it comes next: with the clock set back that is a day from now."""
    _schedule()
    now = timezone.now()
    for minutes in (1, 24 * 60):
        planned = now + timedelta(days=1, minutes=minutes)
        Schedule.objects.filter(minutes=minutes).update(next_run=planned)
    queue.mend_schedules()
    for minutes in (1, 24 * 60):
        soon = Schedule.objects.filter(minutes=minutes, next_run__lt=now + timedelta(minutes=1))
        assert soon.count() == Schedule.objects.filter(minutes=minutes).count() > 0


def test_a_worker_whose_clock_is_slow_mends_nothing(transactional_db: None, later) -> None:
    """Else it would have everything called again and again. The database's clock counts."""
    _schedule()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    later(-HOUR)
    queue.mend_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


def test_what_is_rightly_planned_is_left_alone(transactional_db: None) -> None:
    _schedule()
    Schedule.objects.update(next_run=timezone.now() + timedelta(seconds=50))
    before = list(Schedule.objects.order_by("pk").values_list("next_run", flat=True))
    queue.mend_schedules()
    assert list(Schedule.objects.order_by("pk").values_list("next_run", flat=True)) == before


@pytest.mark.parametrize("jump", [-HOUR, 11 * HOUR])
def test_who_is_signed_in_stays_so_within_half_a_day(cast: Cast, sign_in, later, jump: int) -> None:
    ada = sign_in(cast.ada)
    later(jump)
    assert ada.get(reverse("members:list")).status_code == 200
