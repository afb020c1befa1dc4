"""Workers killed by SIGKILL during a check, an action or a batch lose and repeat nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import tasks as applications
from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.connections import tasks as connections
from portal.connections.models import CheckRun
from portal.onboarding import setup_flow
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    get_sandbox_application,
    list_writes,
    submit_action,
)
from tests.portal.applications.batch_helpers import confirm_batch, pick_from_one_job
from tests.portal.faults.process_kill import kill_at_statement

Status = ApplicationAction.Status
MINUTE = 60


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect()
    return sign_in(personas.remy)


@pytest.fixture
def run_recovery(run_tasks: Callable[[], int], advance_clock) -> Callable[[], None]:
    """Let minutes pass and run every sweep, as the schedule would."""

    def run_sweeps() -> None:
        for _ in range(4):
            advance_clock(4 * MINUTE)
            connections.recover_lost_checks()
            applications.recover_lost_actions()
            runner.release_due_batches()
            run_tasks()

    return run_sweeps


@pytest.mark.slow("kills six permission checks and repeats them")
def test_killed_check_ends_and_can_be_repeated(
    connect, personas: Personas, run_tasks, run_recovery
) -> None:
    connection = connect()
    before = {r.permission: r.outcome for r in connection.last_check.results.all()}
    for statement in range(5, 31, 5):  # while it probes, and while it draws conclusions
        run = setup_flow.request_check(connection, by=personas.ada.user)
        assert kill_at_statement(statement, lambda run=run: connections.check_permissions(run.pk))
        run_recovery()
        run.refresh_from_db()
        assert not run.is_open
        connection.refresh_from_db()
        assert connection.state in {"live", "degraded"}  # still usable
    run = setup_flow.request_check(connection, by=personas.ada.user)
    run_tasks()
    assert {r.permission: r.outcome for r in run.results.all()} == before
    run.refresh_from_db()
    assert run.status == CheckRun.Status.DONE


@pytest.mark.slow("kills a worker before every fourth database statement")
def test_killed_action_sent_at_most_once(remy: Client, sandbox: Sandbox, run_recovery) -> None:
    """The kill moves through the statements before and after the write."""
    observed = set()
    for statement in range(0, 60, 4):
        application = find_application()
        writes_before = len(list_writes(sandbox))
        submit_action(remy, "advance", application)
        action = ApplicationAction.objects.first()
        killed = kill_at_statement(statement, lambda pk=action.pk: applications.send_action(pk))
        observed.add((killed, len(list_writes(sandbox)) - writes_before))
        run_recovery()
        action.refresh_from_db()
        assert action.status in {Status.DONE, Status.FAILED}, statement
        sent_count = len(list_writes(sandbox)) - writes_before
        assert sent_count == (1 if action.status == Status.DONE else 0), statement
        application.refresh_from_db()
        assert (
            application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id
        ), statement
        if not killed:
            break
    assert {(True, 0), (True, 1), (False, 1)} <= observed  # before the write, after it, never


@pytest.mark.slow("kills a worker until every action of a batch is settled")
def test_killed_batch_applies_each_action_once(
    remy: Client, sandbox: Sandbox, advance_clock, run_recovery
) -> None:
    chosen = pick_from_one_job(4)
    confirm_batch(remy, "advance", chosen)
    batch, rng, kills = Batch.objects.get(), random.Random(5), 0
    advance_clock(11)
    for _ in range(12):
        runner.release_due_batches()
        kills += kill_at_statement(rng.randint(8, 25), lambda: applications.send_batch(batch.pk))
        run_recovery()
        if not batch.actions.filter(status__in=ApplicationAction.OPEN_STATUSES).exists():
            break
    assert kills
    assert len(list_writes(sandbox)) == batch.actions.filter(status=Status.DONE).count()
    assert not batch.actions.filter(status__in=ApplicationAction.OPEN_STATUSES).exists()
    for application in chosen:
        application.refresh_from_db()
        assert application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id
    outbox.recover_lost_actions()
    assert len(list_writes(sandbox)) <= len(chosen)
