"""A worker killed by SIGKILL in the middle of a check, a click or a batch: nothing is lost, nothing
is done twice. For syncs see tests/portal/mirror/test_survives.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import bulk, outbox
from portal.applications import tasks as applications
from portal.applications.models import ApplicationAction, Batch
from portal.connections.models import CheckRun
from portal.onboarding import journey
from portal.onboarding import tasks as onboarding
from tests.cast import Cast
from tests.portal.applications.clicking import an_application, click, truth, writes
from tests.portal.applications.clicking import applications as some
from tests.portal.applications.many import confirm
from tests.portal.faults.dying import killed_at

Status = ApplicationAction.Status
MINUTE = 60


@pytest.fixture
def remy(cast: Cast, connect, sign_in) -> Client:
    connect()
    return sign_in(cast.remy)


@pytest.fixture
def recovered(work: Callable[[], int], later) -> Callable[[], None]:
    """The minutes pass and every sweep looks, as the clock would have it."""

    def settled() -> None:
        for _ in range(4):
            later(4 * MINUTE)
            onboarding.sweep()
            applications.sweep()
            bulk.release()
            work()

    return settled


def test_a_check_ends_and_the_next_one_finds_everything(
    connect, cast: Cast, work, recovered
) -> None:
    connection = connect()
    before = {r.permission: r.outcome for r in connection.last_check.results.all()}
    chance = random.Random(3)
    for _ in range(3):
        run = journey.request_check(connection, by=cast.ada.user)
        assert killed_at(chance.randint(6, 40), lambda run=run: onboarding.check(run.pk))
        recovered()
        run.refresh_from_db()
        assert not run.is_open
        connection.refresh_from_db()
        assert connection.state in {"live", "degraded"}  # what worked goes on working
    run = journey.request_check(connection, by=cast.ada.user)
    work()
    assert {r.permission: r.outcome for r in run.results.all()} == before
    run.refresh_from_db()
    assert run.status == CheckRun.Status.DONE


def test_a_click_is_sent_once_wherever_its_worker_was_killed(
    remy: Client, sandbox: Sandbox, recovered
) -> None:
    """At each statement in turn, before and after Greenhouse was told."""
    told = set()
    for statement in range(0, 60, 4):
        application = an_application()
        done = len(writes(sandbox))
        click(remy, "advance", application)
        action = ApplicationAction.objects.first()
        killed = killed_at(statement, lambda pk=action.pk: applications.send(pk))
        told.add((killed, len(writes(sandbox)) - done))
        recovered()
        action.refresh_from_db()
        assert action.status in {Status.DONE, Status.FAILED}, statement
        sent = len(writes(sandbox)) - done
        assert sent == (1 if action.status == Status.DONE else 0), statement
        application.refresh_from_db()
        assert application.stage_remote_id == truth(sandbox, application).stage_id, statement
        if not killed:
            break
    assert {(True, 0), (True, 1), (False, 1)} <= told  # before, after, and not at all


def test_a_batch_ends_with_each_of_its_applications_done_once(
    remy: Client, sandbox: Sandbox, later, recovered
) -> None:
    by_job: dict[int, list] = {}
    for one in some():
        by_job.setdefault(one.job_id, []).append(one)
    chosen = max(by_job.values(), key=len)[:4]
    confirm(remy, "advance", chosen)
    batch, chance, kills = Batch.objects.get(), random.Random(5), 0
    later(11)
    for _ in range(12):
        bulk.release()
        kills += killed_at(chance.randint(8, 25), lambda: applications.batch(batch.pk))
        recovered()
        if not batch.actions.filter(status__in=ApplicationAction.OPEN).exists():
            break
    assert kills
    assert len(writes(sandbox)) == batch.actions.filter(status=Status.DONE).count()
    assert not batch.actions.filter(status__in=ApplicationAction.OPEN).exists()
    for one in chosen:
        one.refresh_from_db()
        assert one.stage_remote_id == truth(sandbox, one).stage_id
    outbox.sweep()
    assert len(writes(sandbox)) <= len(chosen)
