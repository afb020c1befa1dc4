"""The queue is emptied, as if Redis had lost its data; sweeps enqueue the work again."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
from django.core import mail
from django.urls import reverse
from django_q.brokers import get_broker
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction
from portal.connections.models import CheckRun
from portal.core.models import SharedState
from portal.issues.models import Issue
from portal.onboarding import setup_flow
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from portal.wiring.schedules import schedule_recurring_tasks
from tests import queue
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    get_sandbox_application,
    list_writes,
    submit_action,
)
from tests.redis_server import clear_cache


@pytest.fixture
def pass_minutes(run_tasks: Callable[[], int], advance_clock) -> Callable[[int], None]:
    """Let minutes pass and run every frequent schedule."""
    schedule_recurring_tasks()

    def run_schedules(minutes: int) -> None:
        for _ in range(minutes // 2):
            advance_clock(120)
            for task in Schedule.objects.filter(minutes__lte=5).values_list("func", flat=True):
                module, name = task.rsplit(".", 1)
                getattr(import_module(module), name)()
            outbox.release_due_actions()
            runner.release_due_batches()
            run_tasks()

    return run_schedules


def _lose_redis_data() -> None:
    """Tasks, rate budget and tokens are gone."""
    get_broker().purge_queue()
    clear_cache()
    SharedState.objects.all().delete()


@pytest.mark.slow("runs every frequent schedule for twelve minutes")
def test_lost_queue_is_restored_by_sweeps(
    connect, personas: Personas, sandbox: Sandbox, sign_in, pass_minutes
) -> None:
    connection = connect()
    application = find_application()
    submit_action(sign_in(personas.remy), "advance", application)
    check = setup_flow.request_check(connection, by=personas.ada.user)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    sign_in(personas.ada).post(
        reverse("members:list"), {"email": "new@acme.example", "role": "recruiter"}
    )
    queued_modules = {task.rsplit(".", 1)[0] for task, _ in queue.list_queued_tasks()}
    assert {"portal.applications.tasks", "portal.connections.tasks", "portal.sync.tasks",
            "portal.members.tasks"} <= queued_modules  # fmt: skip
    mail_count = len(mail.outbox)

    _lose_redis_data()
    pass_minutes(12)

    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(list_writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id
    check.refresh_from_db()
    assert check.status == CheckRun.Status.DONE
    newest = SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first()
    assert newest.status == SyncRun.Status.DONE
    invitations = [m for m in mail.outbox[mail_count:] if m.to == ["new@acme.example"]]
    assert len(invitations) == 1
    assert not Issue.objects.filter(closed_at=None, cause="sync_failing").exists()
