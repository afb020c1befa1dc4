"""The queue is emptied, as if Redis had lost its data; sweeps enqueue the work again."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
from django.core import mail
from django.core.cache import cache
from django.urls import reverse
from django_q.brokers import get_broker
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import bulk, outbox
from portal.applications.models import ApplicationAction
from portal.connections.models import CheckRun
from portal.core.models import SharedState
from portal.issues.models import Issue
from portal.mirror import sync
from portal.mirror.models import SyncRun
from portal.onboarding import journey
from portal.onboarding.apps import _schedule
from tests import queue
from tests.cast import Cast
from tests.portal.applications.clicking import an_application, click, truth, writes


@pytest.fixture
def pass_minutes(work: Callable[[], int], later) -> Callable[[int], None]:
    """Let minutes pass and run every frequent schedule."""
    _schedule()

    def run_schedules(minutes: int) -> None:
        for _ in range(minutes // 2):
            later(120)
            for task in Schedule.objects.filter(minutes__lte=5).values_list("func", flat=True):
                module, name = task.rsplit(".", 1)
                getattr(import_module(module), name)()
            outbox.release()
            bulk.release()
            work()

    return run_schedules


def _lose_redis_data() -> None:
    """Tasks, rate budget and tokens are gone."""
    get_broker().purge_queue()
    cache.clear()
    SharedState.objects.all().delete()


@pytest.mark.slow("runs every frequent schedule for twelve minutes")
def test_lost_queue_is_restored_by_sweeps(
    connect, cast: Cast, sandbox: Sandbox, sign_in, pass_minutes
) -> None:
    connection = connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    check = journey.request_check(connection, by=cast.ada.user)
    sync.request(connection, SyncRun.Scope.FULL)
    sign_in(cast.ada).post(
        reverse("members:list"), {"email": "new@acme.example", "role": "recruiter"}
    )
    queued_modules = {task.rsplit(".", 1)[0] for task, _ in queue.queued()}
    assert {"portal.applications.tasks", "portal.onboarding.tasks", "portal.mirror.tasks",
            "portal.members.tasks"} <= queued_modules  # fmt: skip
    mail_count = len(mail.outbox)

    _lose_redis_data()
    pass_minutes(12)

    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == truth(sandbox, application).stage_id
    check.refresh_from_db()
    assert check.status == CheckRun.Status.DONE
    newest = SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first()
    assert newest.status == SyncRun.Status.DONE
    invitations = [m for m in mail.outbox[mail_count:] if m.to == ["new@acme.example"]]
    assert len(invitations) == 1
    assert not Issue.objects.filter(closed_at=None, cause="sync_failing").exists()
