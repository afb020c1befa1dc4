"""Workers killed by SIGKILL during a check, an action or a batch lose and repeat nothing."""

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
from tests.portal.applications.many import confirm_batch, pick_from_one_job
from tests.portal.faults.dying import kill_at_statement

Status = ApplicationAction.Status
MINUTE = 60


@pytest.fixture
def remy(cast: Cast, connect, sign_in) -> Client:
    connect()
    return sign_in(cast.remy)


@pytest.fixture
def recover(work: Callable[[], int], later) -> Callable[[], None]:
    """Let minutes pass and run every sweep, as the schedule would."""

    def run_sweeps() -> None:
        for _ in range(4):
            later(4 * MINUTE)
            onboarding.sweep()
            applications.sweep()
            bulk.release()
            work()

    return run_sweeps


@pytest.mark.slow("kills three permission checks and repeats them")
def test_killed_check_ends_and_can_be_repeated(connect, cast: Cast, work, recover) -> None:
    connection = connect()
    before = {r.permission: r.outcome for r in connection.last_check.results.all()}
    rng = random.Random(3)
    for _ in range(3):
        run = journey.request_check(connection, by=cast.ada.user)
        assert kill_at_statement(rng.randint(6, 40), lambda run=run: onboarding.check(run.pk))
        recover()
        run.refresh_from_db()
        assert not run.is_open
        connection.refresh_from_db()
        assert connection.state in {"live", "degraded"}  # still usable
    run = journey.request_check(connection, by=cast.ada.user)
    work()
    assert {r.permission: r.outcome for r in run.results.all()} == before
    run.refresh_from_db()
    assert run.status == CheckRun.Status.DONE


@pytest.mark.slow("kills a worker before every fourth database statement")
def test_killed_action_sent_at_most_once(remy: Client, sandbox: Sandbox, recover) -> None:
    """The kill moves through the statements before and after the write."""
    observed = set()
    for statement in range(0, 60, 4):
        application = an_application()
        writes_before = len(writes(sandbox))
        click(remy, "advance", application)
        action = ApplicationAction.objects.first()
        killed = kill_at_statement(statement, lambda pk=action.pk: applications.send(pk))
        observed.add((killed, len(writes(sandbox)) - writes_before))
        recover()
        action.refresh_from_db()
        assert action.status in {Status.DONE, Status.FAILED}, statement
        sent_count = len(writes(sandbox)) - writes_before
        assert sent_count == (1 if action.status == Status.DONE else 0), statement
        application.refresh_from_db()
        assert application.stage_remote_id == truth(sandbox, application).stage_id, statement
        if not killed:
            break
    assert {(True, 0), (True, 1), (False, 1)} <= observed  # before the write, after it, never


@pytest.mark.slow("kills a worker until every action of a batch is settled")
def test_killed_batch_applies_each_action_once(
    remy: Client, sandbox: Sandbox, later, recover
) -> None:
    chosen = pick_from_one_job(4)
    confirm_batch(remy, "advance", chosen)
    batch, rng, kills = Batch.objects.get(), random.Random(5), 0
    later(11)
    for _ in range(12):
        bulk.release()
        kills += kill_at_statement(rng.randint(8, 25), lambda: applications.batch(batch.pk))
        recover()
        if not batch.actions.filter(status__in=ApplicationAction.OPEN).exists():
            break
    assert kills
    assert len(writes(sandbox)) == batch.actions.filter(status=Status.DONE).count()
    assert not batch.actions.filter(status__in=ApplicationAction.OPEN).exists()
    for application in chosen:
        application.refresh_from_db()
        assert application.stage_remote_id == truth(sandbox, application).stage_id
    outbox.sweep()
    assert len(writes(sandbox)) <= len(chosen)
