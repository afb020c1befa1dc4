"""Greenhouse asks one customer to wait, or is slow: no worker waits, and others go on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from time_machine import TimeMachineFixture

from integrations.ats.client_context import ClientContext, Lane
from integrations.ats.errors import AtsUnavailable
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.connections.client import open_provider
from portal.connections.models import CallPause, CheckRun, Connection, TokenRevocation
from portal.connections.oauth import revocation
from portal.connections.permissions import check_runs
from portal.sync.engine import run_lifecycle
from portal.sync.models import Job, RefreshRequest, SyncRun, SyncStep
from portal.sync.records.refresh_requests import request_refresh
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application, submit_action

ACME = {"credential": greenhouse.ACME_V3_CLIENT_ID, "times": None}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, float]]:
    """Seconds that each task slept: nobody more than one."""
    seconds: dict[int, float] = defaultdict(float)
    wait = ClientContext.wait

    def record_wait(context: ClientContext, amount: float) -> None:
        seconds[id(context.log_call)] += amount
        wait(context, amount)

    monkeypatch.setattr(ClientContext, "wait", record_wait)
    yield seconds
    assert max(seconds.values(), default=0) <= 1


@pytest.fixture(autouse=True)
def _long_pause(settings) -> None:
    """Calls stay paused until the test moves the clock, however busy the machine is."""
    settings.BREAKER_COOLDOWN_SECONDS = 100.0


@pytest.fixture
def acme(connect: Callable[..., Connection]) -> Connection:
    return connect()


def open_check(connection: Connection) -> CheckRun:
    check, _ = check_runs.open_run(connection, by=None)
    check_runs.queue.enqueue_task(
        check_runs.CHECK_TASK, check.pk, organization_id=connection.organization_id
    )
    return check


def refresh_any_job(connection: Connection) -> RefreshRequest:
    job = Job.objects.filter(connection=connection, gone_at=None).first()
    return request_refresh(connection, RefreshRequest.Kind.JOB, job.remote_id)


# -- 429 ---------------------------------------------------------------------------------------
def test_other_customer_is_checked_during_429(
    acme: Connection, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, slept
) -> None:
    other = {"kind": "harvest_key", "api_key": greenhouse.OTHER_V1_KEY}
    sandbox.faults.add_fault("/v3", status=429, retry_after=60, **ACME)
    request = refresh_any_job(acme)
    sign_in(personas.zoe).post(reverse("onboarding:credential"), other)
    started_at = timezone.now()
    run_tasks()
    request.refresh_from_db()
    assert request.wait_cause == "rate_limit"
    assert 55 < (request.due_at - started_at).total_seconds() < 75
    check = CheckRun.objects.get(connection__organization=personas.zoe.organization)
    assert check.status == CheckRun.Status.DONE
    assert not slept


def test_postponed_refresh_is_fulfilled_when_due(
    acme: Connection, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v3", status=429, retry_after=60, **ACME)
    request = refresh_any_job(acme)
    run_tasks()
    sandbox.faults.clear_faults()
    run_tasks()
    assert RefreshRequest.objects.filter(pk=request.pk).exists()
    advance_clock(61)
    run_tasks()
    assert not RefreshRequest.objects.filter(pk=request.pk).exists()


def test_check_waits_and_resumes(
    acme: Connection, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v3", status=429, retry_after=600, **ACME)
    check = open_check(acme)
    run_tasks()
    check.refresh_from_db()
    assert check.status == CheckRun.Status.QUEUED
    page = sign_in(personas.ada).get(reverse("onboarding:permissions")).content.decode()
    assert "Greenhouse asked us to wait. We" in page
    sandbox.faults.clear_faults()
    advance_clock(400)  # longer than a silent check lives
    assert check_runs.fail_silent_runs() == []
    assert check_runs.list_unstarted_runs() == {}
    advance_clock(210)
    run_tasks()
    check.refresh_from_db()
    assert check.status == CheckRun.Status.DONE


def test_check_keeps_results_while_it_waits(
    acme: Connection, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v3/offices", status=429, retry_after=30)
    check = open_check(acme)
    run_tasks()
    assert check.results.filter(outcome="waiting").exists()
    advance_clock(31)
    run_tasks()
    assert {result.outcome for result in check.results.all()} == {"granted"}


@pytest.mark.parametrize(
    "sandbox", [{"introspection": False, "forbidden_body": "empty"}], indirect=True
)
def test_resumed_check_remembers_granted_lists(
    connect: Callable[..., Connection], sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    connection = connect(without={"harvest:notes:list"})
    sandbox.faults.add_fault("/v3/notes", status=429, retry_after=30)
    check = open_check(connection)
    run_tasks()
    waiting = check.results.filter(outcome="waiting").exclude(permission="notes.list")
    waiting.update(outcome="unclear")
    advance_clock(31)
    run_tasks()
    assert check.results.get(permission="notes.list").outcome == "missing"


def test_interrupted_check_stores_nothing_more(
    acme: Connection, monkeypatch: pytest.MonkeyPatch, run_tasks
) -> None:
    verify = HarvestV3.verify_credential
    check = open_check(acme)

    def interrupt(provider: HarvestV3) -> None:
        verify(provider)
        check_runs.interrupt_open_runs(acme, "Stopped.")

    monkeypatch.setattr(HarvestV3, "verify_credential", interrupt)
    run_tasks()
    check.refresh_from_db()
    assert check.status == CheckRun.Status.FAILED
    assert set(check.results.values_list("outcome", flat=True)) == {"waiting"}


def test_check_stores_results_together(
    acme: Connection, run_tasks, django_assert_max_num_queries
) -> None:
    check = open_check(acme)
    with django_assert_max_num_queries(40):  # there are 39 results
        check_runs.execute_run(check)
    assert check.results.filter(outcome="granted").count() == check.results.count()


def test_sync_slice_ends_at_429(
    acme: Connection, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v3/candidates", status=429, retry_after=120)
    run = run_lifecycle.request_sync(acme, SyncRun.Scope.FULL)
    run_tasks()
    run.refresh_from_db()
    assert (run.status, run.wait_cause) == (SyncRun.Status.QUEUED, "rate_limit")
    assert not run.steps.filter(status=SyncStep.Status.FAILED).exists()
    page = sign_in(personas.ada).get(reverse("onboarding:sync")).content.decode()
    assert "Greenhouse asked us to wait. We" in page
    read_before = sum(run.steps.values_list("requests", flat=True))
    advance_clock(121)
    run_tasks()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.DONE
    assert read_before > 0
    assert run.steps.get(kind="users").requests == 1  # not read again


def test_sync_gives_up_after_patience(
    acme: Connection, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v3", status=429, retry_after=86_400, **ACME)
    run = run_lifecycle.request_sync(acme, SyncRun.Scope.FULL)
    for _ in range(3):
        run_tasks()
        advance_clock(901)  # a Retry-After of a day is capped
    run_tasks()
    run.refresh_from_db()
    assert (run.status, run.cause) == (SyncRun.Status.FAILED, SyncRun.Cause.RATE_LIMIT)
    assert run.steps.filter(status=SyncStep.Status.FAILED).exists()


# -- circuit breaker ---------------------------------------------------------------------------
@pytest.fixture
def _stopped_clock(time_machine: TimeMachineFixture) -> None:
    """A pause ends when the test says so, also on a machine that stands still or sets its clock."""
    time_machine.move_to(timezone.now(), tick=False)


def break_greenhouse(sandbox: Sandbox, acme: Connection) -> None:
    sandbox.faults.add_fault("/v3", status=503, **ACME)
    for _ in range(3):
        with pytest.raises(AtsUnavailable):
            open_provider(acme.credential, lane=Lane.PEOPLE).get_job(1)


@pytest.mark.usefixtures("_stopped_clock")
def test_open_breaker_is_shown_and_measured(
    acme: Connection, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    break_greenhouse(sandbox, acme)
    summary = reverse("admin:accounts_organization_summary", args=[acme.organization_id])
    staff = sign_in(personas.cas)
    assert "Greenhouse is slow. Requests resume at" in staff.get(summary).content.decode()
    metrics = sign_in(personas.ola).get(reverse("metrics")).content.decode()
    assert 'portal_greenhouse_pauses{cause="slow"} 1.0' in metrics
    sandbox.faults.clear_faults()
    sent = len(sandbox.requests)
    with pytest.raises(AtsUnavailable):
        open_provider(acme.credential, lane=Lane.PEOPLE).get_job(1)
    assert len(sandbox.requests) == sent
    advance_clock(101)
    request = refresh_any_job(acme)
    run_tasks()
    assert not RefreshRequest.objects.filter(pk=request.pk).exists()
    assert not CallPause.objects.exists()


@pytest.mark.usefixtures("_stopped_clock")
def test_action_waits_for_breaker_unsent(
    acme: Connection, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    application = find_application()
    break_greenhouse(sandbox, acme)
    sandbox.faults.clear_faults()
    submit_action(sign_in(personas.remy), "advance", application)
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == ApplicationAction.Status.SCHEDULED
    assert action.outcome == "Greenhouse is slow right now. Still trying."
    assert not [r for r in sandbox.requests if r.path.endswith("/move")]
    advance_clock(101)
    outbox.release_due_actions()
    run_tasks()
    action.refresh_from_db()
    assert action.status == ApplicationAction.Status.DONE
    assert len([r for r in sandbox.requests if r.path.endswith("/move")]) == 1


def test_web_request_has_a_patience(acme: Connection, sandbox: Sandbox) -> None:
    provider = open_provider(acme.credential, lane=Lane.PEOPLE, patience=0.3)
    sandbox.faults.add_fault("/v3/jobs", latency_ms=4000)
    started_at = timezone.now()
    with pytest.raises(AtsUnavailable):
        provider.get_job(1)
    assert timezone.now() - started_at < timedelta(seconds=3)


# -- revocation --------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [429, 503])
def test_revocation_is_retried_by_a_worker(
    acme: Connection, sandbox: Sandbox, settings, run_tasks, advance_clock, status: int
) -> None:
    settings.GREENHOUSE_PARTNER_CLIENT_ID = greenhouse.PARTNER_CLIENT_ID
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = greenhouse.PARTNER_CLIENT_SECRET
    sandbox.faults.add_fault("/revoke", status=status, retry_after=90, times=1)
    revocation.request_revocation(acme, "refresh.1.1.token", subject=None)
    run_tasks()
    assert TokenRevocation.objects.exists()
    advance_clock(91)
    run_tasks()
    assert not TokenRevocation.objects.exists()
