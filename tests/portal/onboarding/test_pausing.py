"""Pausing and resuming a connection, also during a sync."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.applications.outbox import release
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.mirror import schedule, sync, trouble
from portal.mirror.models import Application, Job, SyncRun
from tests.cast import Cast
from tests.conftest import FULL
from tests.generations import any_generation
from tests.portal.applications import clicking
from tests.portal.mirror.reading import when_a_sync_reads
from tests.portal.mirror.truth import assert_equal

PAUSE, RESUME, SYNC = "/set-up/pause/", "/set-up/resume/", "/set-up/sync/"
Status = SyncRun.Status


@pytest.fixture
def connection(connect) -> Connection:
    return connect()


@pytest.fixture
def ada(connection: Connection, cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def test_pause_stops_syncs_and_hides_jobs(
    ada: Client, connection: Connection, cast: Cast, sign_in, work
) -> None:
    ada.post("/set-up/pause/")
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    syncs = connection.syncs.count()
    schedule.tick()
    ada.post("/set-up/sync/")
    work()
    assert connection.syncs.count() == syncs
    page = sign_in(cast.sam).get("/requisitions/").content.decode()
    assert "The connection to Greenhouse is paused" in page


def test_check_does_not_end_pause(ada: Client, connection: Connection, work) -> None:
    ada.post("/set-up/pause/")
    ada.post("/set-up/permissions/")
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED


def test_resume_checks_and_goes_live(ada: Client, connection: Connection, work) -> None:
    ada.post("/set-up/pause/")
    ada.post("/set-up/resume/")
    ada.post("/set-up/resume/")
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


# -- during a sync ------------------------------------------------------------------------------
def test_pause_stops_running_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(SYNC)
    job = Job.objects.filter(gone_at=None).first()
    sandbox.mutate("rename_job", job_id=job.remote_id, name="Renamed in Greenhouse")
    with when_a_sync_reads("/v3/jobs", lambda: ada.post(PAUSE)):
        work()
    paths = [request.path for request in sandbox.requests]
    assert paths[-1] == "/v3/jobs"  # no request after the open one
    assert not Job.objects.filter(name="Renamed in Greenhouse").exists()
    run = connection.syncs.first()
    assert (run.status, run.failure) == (Status.STOPPED, "")
    step_statuses = list(run.steps.order_by("id").values_list("kind", "status"))
    jobs_index = [kind for kind, _ in step_statuses].index("jobs")
    assert {status for _, status in step_statuses[:jobs_index]} == {"done"}
    assert {status for _, status in step_statuses[jobs_index:]} == {"stopped"}
    page = ada.get("/set-up/syncs/").content.decode()
    assert "Ended, because the connection was paused." in page
    assert "When the pause ends" in page
    assert "Failed" not in page


def test_stopped_sync_is_not_a_failure(
    ada: Client, connection: Connection, sandbox: Sandbox, cast: Cast, sign_in, work, later
) -> None:
    sandbox.faults.add("/v3/jobs", kind="html", times=None)
    for _ in range(3):
        later(3 * 60 * 60)
        schedule.tick()
        work()
    before = [run.pk for run in trouble.failures(connection)]
    issue = Issue.objects.get(cause=Issue.Cause.SYNC_FAILING)
    sandbox.faults.clear()
    ada.post(SYNC)
    with when_a_sync_reads("/v3/jobs", lambda: ada.post(PAUSE)):
        work()
    trouble.look(connection)
    assert [run.pk for run in trouble.failures(connection)] == before
    issue.refresh_from_db()
    assert issue.is_open  # nor is it a success
    assert "Sync: ended, because the connection was paused" in _read_staff_page(cast, sign_in)


def _read_staff_page(cast: Cast, sign_in) -> str:
    """Acme's page as customer success sees it."""
    organization = cast.ada.organization_id
    page: str = (
        sign_in(cast.cas)
        .get(reverse("admin:accounts_organization_desk", args=[organization]))
        .content.decode()
    )
    return page


def test_resume_syncs_what_pause_interrupted(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(SYNC)
    with when_a_sync_reads("/v3/jobs", lambda: ada.post(PAUSE)):
        work()
    name = "Renamed while it was paused"
    job = Job.objects.filter(gone_at=None).first()
    sandbox.mutate("rename_job", job_id=job.remote_id, name=name)
    ada.post(RESUME)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert Job.objects.filter(name=name).exists()
    statuses = list(connection.syncs.values_list("status", flat=True)[:2])
    assert statuses == [Status.DONE, Status.STOPPED]


@any_generation
def test_first_sync_paused_and_resumed(
    cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", FULL[kind])
    path = "/v1/jobs" if kind == "harvest_key" else "/v3/jobs"
    with when_a_sync_reads(path, lambda: ada.post(PAUSE)):
        work()
    connection = Connection.objects.get(organization=cast.ada.organization)
    assert connection.state == Connection.State.PAUSED
    assert SyncRun.objects.get().status == Status.STOPPED
    page = ada.get("/set-up/", follow=True).content.decode()
    assert "The connection is paused" in page
    assert "End the pause" in page
    ada.post(SYNC)
    work()
    assert SyncRun.objects.count() == 1
    assert not [message for message in mail.outbox if "Greenhouse is connected" in message.subject]
    ada.post(RESUME)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert [message.to for message in mail.outbox if "Greenhouse is connected" in message.subject]
    assert_equal(sandbox, kind)


def test_pause_stops_queued_sync(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(SYNC)
    ada.post(PAUSE)
    requests_before = len(list(sandbox.requests))
    sync.request(connection, SyncRun.Scope.RECENT)  # requested at the moment of the pause
    work()
    assert len(list(sandbox.requests)) == requests_before
    assert list(connection.syncs.values_list("status", flat=True)[:2]) == [Status.STOPPED] * 2


def test_sweep_stops_sync_left_open_by_pause(connection: Connection) -> None:
    run, _ = sync.open_run(connection, by=None)
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.PAUSED)
    sync.sweep()
    run.refresh_from_db()
    assert run.status == Status.STOPPED


def test_stopped_people_sync_shown_in_history(ada: Client, connection: Connection, work) -> None:
    sync.request(connection, SyncRun.Scope.PEOPLE)
    ada.post(PAUSE)
    work()
    assert "ended, because the connection was paused" in ada.get("/set-up/syncs/").content.decode()


# -- pending actions ----------------------------------------------------------------------------
def test_pending_action_not_sent_after_pause(
    ada: Client, sandbox: Sandbox, cast: Cast, sign_in, work, later
) -> None:
    remy, application = sign_in(cast.remy), clicking.an_application()
    clicking.reject(remy, application)
    ada.post(PAUSE)
    later(60)
    release()
    work()
    action = clicking.newest()
    assert action.status == ApplicationAction.Status.FAILED
    assert action.outcome.endswith("Ask an admin of your organization. Nothing was sent.")
    assert not clicking.writes(sandbox)
    assert Application.objects.get(pk=application.pk).status == "active"


def test_pause_can_end_with_permission_missing(
    ada: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    ada.post(PAUSE)
    sandbox.credentials.find(FULL["harvest_oauth"]["client_id"]).remove({"jobs.list"})
    ada.post("/set-up/permissions/")
    work()
    page = ada.get("/set-up/", follow=True).content.decode()
    assert "Something essential is missing" in page
    assert "End the pause" in page
