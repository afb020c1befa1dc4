"""Pausing and resuming a connection, also during a sync."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions.outbox import release_due_actions
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync import alerts, schedule
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import Application, Job, SyncRun
from tests.api_generations import any_generation
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas
from tests.portal.applications import action_helpers
from tests.portal.sync.sandbox_truth import assert_sync_matches
from tests.portal.sync.sync_hooks import run_during_sync

PAUSE, RESUME, SYNC = "/setup/pause/", "/setup/resume/", "/setup/sync/"
Status = SyncRun.Status


@pytest.fixture
def connection(connect) -> Connection:
    return connect()


@pytest.fixture
def ada(connection: Connection, personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


def test_pause_stops_syncs_and_hides_jobs(
    ada: Client, connection: Connection, personas: Personas, sign_in, run_tasks
) -> None:
    ada.post("/setup/pause/")
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    syncs = connection.syncs.count()
    schedule.request_due_syncs()
    ada.post("/setup/sync/")
    run_tasks()
    assert connection.syncs.count() == syncs
    page = sign_in(personas.sam).get("/requisitions/").content.decode()
    assert "The connection to Greenhouse is paused" in page


def test_check_does_not_end_pause(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post("/setup/pause/")
    ada.post("/setup/permissions/")
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED


def test_resume_checks_and_goes_live(ada: Client, connection: Connection, run_tasks) -> None:
    ada.post("/setup/pause/")
    ada.post("/setup/resume/")
    ada.post("/setup/resume/")
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


# -- during a sync ------------------------------------------------------------------------------
def test_pause_stops_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(SYNC)
    job = Job.objects.filter(gone_at=None).first()
    sandbox.run_mutation("rename_job", job_id=job.remote_id, name="Renamed in Greenhouse")
    with run_during_sync("/v3/jobs", lambda: ada.post(PAUSE)):
        run_tasks()
    paths = [request.path for request in sandbox.requests]
    assert paths[-1] == "/v3/jobs"  # no request after the open one
    assert not Job.objects.filter(name="Renamed in Greenhouse").exists()
    run = connection.syncs.first()
    assert (run.status, run.failure) == (Status.STOPPED, "")
    step_statuses = list(run.steps.order_by("id").values_list("kind", "status"))
    jobs_index = [kind for kind, _ in step_statuses].index("jobs")
    assert {status for _, status in step_statuses[:jobs_index]} == {"done"}
    assert {status for _, status in step_statuses[jobs_index:]} == {"stopped"}
    page = ada.get("/setup/syncs/").content.decode()
    assert "Stopped: the connection was paused." in page
    assert "After you resume" in page
    assert "Failed" not in page


def test_stopped_sync_is_not_a_failure(
    ada: Client,
    connection: Connection,
    sandbox: Sandbox,
    personas: Personas,
    sign_in,
    run_tasks,
    advance_clock,
) -> None:
    sandbox.faults.add_fault("/v3/jobs", kind="html", times=None)
    for _ in range(3):
        advance_clock(3 * 60 * 60)
        schedule.request_due_syncs()
        run_tasks()
    before = [run.pk for run in alerts.get_recent_failures(connection)]
    issue = Issue.objects.get(cause=Issue.Cause.SYNC_FAILING)
    sandbox.faults.clear_faults()
    ada.post(SYNC)
    with run_during_sync("/v3/jobs", lambda: ada.post(PAUSE)):
        run_tasks()
    alerts.update_alerts(connection)
    assert [run.pk for run in alerts.get_recent_failures(connection)] == before
    issue.refresh_from_db()
    assert issue.is_open  # nor is it a success
    assert "Sync: stopped: the connection was paused" in _read_staff_page(personas, sign_in)


def _read_staff_page(personas: Personas, sign_in) -> str:
    """Acme's page as customer success sees it."""
    organization = personas.ada.organization_id
    page: str = (
        sign_in(personas.cas)
        .get(reverse("admin:accounts_organization_summary", args=[organization]))
        .content.decode()
    )
    return page


def test_resume_syncs_what_pause_interrupted(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(SYNC)
    with run_during_sync("/v3/jobs", lambda: ada.post(PAUSE)):
        run_tasks()
    name = "Renamed while it was paused"
    job = Job.objects.filter(gone_at=None).first()
    sandbox.run_mutation("rename_job", job_id=job.remote_id, name=name)
    ada.post(RESUME)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert Job.objects.filter(name=name).exists()
    statuses = list(connection.syncs.values_list("status", flat=True)[:2])
    assert statuses == [Status.DONE, Status.STOPPED]


@any_generation
def test_first_sync_paused_and_resumed(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", FULL_CREDENTIALS[kind])
    path = "/v1/jobs" if kind == "harvest_key" else "/v3/jobs"
    with run_during_sync(path, lambda: ada.post(PAUSE)):
        run_tasks()
    connection = Connection.objects.get(organization=personas.ada.organization)
    assert connection.state == Connection.State.PAUSED
    assert SyncRun.objects.get().status == Status.STOPPED
    page = ada.get("/setup/", follow=True).content.decode()
    assert "The connection is paused" in page
    assert "Resume" in page
    ada.post(SYNC)
    run_tasks()
    assert SyncRun.objects.count() == 1
    assert not [message for message in mail.outbox if "Greenhouse is connected" in message.subject]
    ada.post(RESUME)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert [message.to for message in mail.outbox if "Greenhouse is connected" in message.subject]
    assert_sync_matches(sandbox, kind)


def test_pause_stops_queued_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(SYNC)
    ada.post(PAUSE)
    requests_before = len(list(sandbox.requests))
    run_lifecycle.request_sync(
        connection, SyncRun.Scope.RECENT
    )  # requested at the moment of the pause
    run_tasks()
    assert len(list(sandbox.requests)) == requests_before
    assert list(connection.syncs.values_list("status", flat=True)[:2]) == [Status.STOPPED] * 2


def test_sweep_stops_sync_left_open_by_pause(connection: Connection) -> None:
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.PAUSED)
    run_recovery.recover_stalled_runs()
    run.refresh_from_db()
    assert run.status == Status.STOPPED


def test_stopped_people_sync_shown_in_history(
    ada: Client, connection: Connection, run_tasks
) -> None:
    run_lifecycle.request_sync(connection, SyncRun.Scope.PEOPLE)
    ada.post(PAUSE)
    run_tasks()
    assert "stopped: the connection was paused" in ada.get("/setup/syncs/").content.decode()


# -- pending actions ----------------------------------------------------------------------------
def test_pending_action_not_sent_after_pause(
    ada: Client, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    remy, application = sign_in(personas.remy), action_helpers.find_application()
    action_helpers.reject_application(remy, application)
    ada.post(PAUSE)
    advance_clock(60)
    release_due_actions()
    run_tasks()
    action = action_helpers.get_latest_action()
    assert action.status == ApplicationAction.Status.FAILED
    assert action.outcome.endswith("Ask Ada to fix it in Setup. Nothing was sent.")
    assert not action_helpers.list_writes(sandbox)
    assert Application.objects.get(pk=application.pk).status == "active"


def test_pause_can_end_with_permission_missing(
    ada: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(PAUSE)
    sandbox.credentials.find_credential(
        FULL_CREDENTIALS["harvest_oauth"]["client_id"]
    ).remove_permissions({"jobs.list"})
    ada.post("/setup/permissions/")
    run_tasks()
    page = ada.get("/setup/", follow=True).content.decode()
    assert "A required permission is missing" in page
    assert "Resume" in page
