"""The queue is emptied while things wait in it, as a Redis that lost its memory: the rows stand,
and the sweeps ask for each of them again.
"""

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
def minutes_pass(work: Callable[[], int], later) -> Callable[[int], None]:
    """The clock goes on, and everything that it asks for is done."""
    _schedule()

    def passed(minutes: int) -> None:
        for _ in range(minutes // 2):
            later(120)
            for task in Schedule.objects.filter(minutes__lte=5).values_list("func", flat=True):
                module, name = task.rsplit(".", 1)
                getattr(import_module(module), name)()
            outbox.release()
            bulk.release()
            work()

    return passed


def _forgets_everything() -> None:
    """Redis comes back with nothing: no tasks, no rate budget, no tokens."""
    get_broker().purge_queue()
    cache.clear()
    SharedState.objects.all().delete()


def test_everything_that_waited_is_done_all_the_same(
    connect, cast: Cast, sandbox: Sandbox, sign_in, minutes_pass
) -> None:
    connection = connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    check = journey.request_check(connection, by=cast.ada.user)
    sync.request(connection, SyncRun.Scope.FULL)
    sign_in(cast.ada).post(
        reverse("members:list"), {"email": "new@acme.example", "role": "recruiter"}
    )
    waited = {task.rsplit(".", 1)[0] for task, _ in queue.queued()}
    assert {"portal.applications.tasks", "portal.onboarding.tasks", "portal.mirror.tasks",
            "portal.members.tasks"} <= waited  # fmt: skip
    mails = len(mail.outbox)

    _forgets_everything()
    minutes_pass(12)

    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(writes(sandbox)) == 1
    application.refresh_from_db()
    assert application.stage_remote_id == truth(sandbox, application).stage_id
    check.refresh_from_db()
    assert check.status == CheckRun.Status.DONE
    newest = SyncRun.objects.filter(scope=SyncRun.Scope.FULL).first()
    assert newest.status == SyncRun.Status.DONE
    invited = [m for m in mail.outbox[mails:] if m.to == ["new@acme.example"]]
    assert len(invited) == 1
    assert not Issue.objects.filter(closed_at=None, cause="sync_failing").exists()
