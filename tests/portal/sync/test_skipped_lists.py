"""Syncs skip records of features that are off, and read them fully once granted."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.sync import tasks
from portal.sync.engine import run_lifecycle
from portal.sync.models import Application, Candidate, Job, Office, SyncRun, SyncStep
from portal.sync.records import job_refresh, refresh_requests
from portal.sync.records.refresh_requests import Kind
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.sync.permission_changes import grant_permissions, revoke_permissions
from tests.portal.sync.sandbox_truth import assert_sync_matches
from tests.queue import run_next_task

CANDIDATES = {"candidates.list", "candidates.retrieve"}
Scope = SyncRun.Scope


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


@pytest.fixture
def run_sync(run_tasks):
    def synced(connection: Connection, scope: str) -> SyncRun:
        run = run_lifecycle.request_sync(connection, scope)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


def _skipped_steps(run: SyncRun) -> list[str]:
    steps = run.steps.filter(status=SyncStep.Status.SKIPPED)
    return list(steps.order_by("id").values_list("kind", flat=True))


def _record_requests(sandbox: Sandbox, operation) -> list[str]:
    """The paths requested during the operation."""
    before = len(list(sandbox.requests))
    operation()
    return [request.path for request in list(sandbox.requests)[before:]]


def test_recent_sync_skips_records_of_disabled_feature(
    connect, sandbox: Sandbox, ada: Client, advance_clock, run_sync
) -> None:
    connection = connect(without={"application_stages.list"})
    advance_clock(15 * 60)
    paths = _record_requests(sandbox, lambda: run_sync(connection, Scope.RECENT))
    assert "/v3/applications" in paths
    assert "/v3/application_stages" not in paths
    run = connection.syncs.first()
    assert (run.status, _skipped_steps(run)) == (SyncRun.Status.DONE, ["stage_history"])
    notice = (
        "Skipped: Time in stage. Stage history is off: the Greenhouse credential is missing "
        "“harvest:application_stages:list”."
    )
    assert notice in html.unescape(ada.get("/setup/syncs/").content.decode())


@any_generation
def test_first_sync_skips_disabled_records_and_succeeds(connect, ada: Client, kind: str) -> None:
    connect(kind, without=CANDIDATES)
    run = SyncRun.objects.get()
    assert (run.status, _skipped_steps(run)) == (SyncRun.Status.DONE, ["candidates"])
    assert Application.objects.exists()
    page = html.unescape(ada.get("/setup/sync/").content.decode())
    assert "Synced, except lists without permission" in page
    assert "Skipped: Candidates. Candidates' names is off" in page


def test_skipped_records_not_marked_gone(
    connect, sandbox: Sandbox, ada: Client, run_tasks, run_sync
) -> None:
    connection = connect()
    before = Candidate.objects.filter(gone_at=None).count()
    revoke_permissions(sandbox, connection, *CANDIDATES)
    ada.post("/setup/permissions/")
    run_tasks()
    assert _skipped_steps(run_sync(connection, Scope.FULL)) == ["candidates"]
    assert Candidate.objects.filter(gone_at=None).count() == before


def test_granted_records_read_fully_at_once(
    connect, sandbox: Sandbox, ada: Client, run_tasks, advance_clock, run_sync, kind: str
) -> None:
    """Dependent records too: applications synced without their candidates get them."""
    connection = connect(kind, without=CANDIDATES | {"offices.list"})
    assert _skipped_steps(SyncRun.objects.get()) == ["offices", "candidates"]
    grant_permissions(sandbox, connection, "offices.list", *CANDIDATES)
    advance_clock(15 * 60)
    assert _skipped_steps(run_sync(connection, Scope.RECENT)) == ["candidates"]  # not checked yet
    ada.post("/setup/permissions/")
    run_tasks()
    run = connection.syncs.exclude(scope=Scope.PEOPLE).first()
    assert (run.scope, _skipped_steps(run)) == (Scope.FULL, [])
    assert Office.objects.exists()
    assert_sync_matches(sandbox, kind)
    advance_clock(15 * 60)
    assert run_sync(connection, Scope.RECENT).scope == Scope.RECENT


def test_refused_records_fully_read_only_once(
    connect, sandbox: Sandbox, ada: Client, run_tasks, advance_clock, run_sync
) -> None:
    connection = connect(without={"offices.list"})
    grant_permissions(sandbox, connection, "offices.list")
    ada.post("/setup/permissions/")
    assert run_next_task()  # the check
    sandbox.faults.add_fault("/v3/offices", status=403, times=1)
    run_tasks()
    refused = SyncStep.objects.get(kind="offices", status=SyncStep.Status.REFUSED)
    assert refused.run.scope == Scope.FULL
    advance_clock(15 * 60)
    assert run_sync(connection, Scope.RECENT).scope == Scope.RECENT


def test_grants_not_read_without_roles(connect, sandbox: Sandbox, run_sync) -> None:
    """An API key's grants include interviewers; without roles, nobody is shown anything by them."""
    connection = connect("harvest_key", without={"user_roles.list"})
    paths = _record_requests(sandbox, lambda: run_sync(connection, Scope.PEOPLE))
    assert "/v1/users" in paths
    assert not [path for path in paths if "permissions/jobs" in path]
    assert _skipped_steps(connection.syncs.first()) == ["roles", "grants"]


def test_new_job_skips_disabled_records(connect, sandbox: Sandbox, advance_clock, run_sync) -> None:
    connection = connect(without={"openings.list_for_job"})
    advance_clock(15 * 60)
    run_sync(connection, Scope.RECENT)
    advance_clock(15 * 60)
    sandbox.run_mutation("create_job", name="Brand new")
    run = run_sync(connection, Scope.RECENT)
    assert _skipped_steps(run) == ["openings"]
    assert run.steps.filter(kind__in=("stages", "posts"), status="done").count() == 2


def test_job_refresh_skips_disabled_records(connect, sandbox: Sandbox, kind: str) -> None:
    disabled = {"job_posts.list", "job_posts.list_for_job", "job_posts.retrieve_for_job"}
    connection = connect(kind, without=disabled | CANDIDATES)
    job = Job.objects.filter(applications__status="active").first()
    paths = _record_requests(sandbox, lambda: job_refresh.refresh_job(connection, job.remote_id))
    assert [path for path in paths if "application" in path]
    assert not [path for path in paths if "candidates" in path or "job_post" in path]


def test_webhook_refresh_skips_disabled_record(connect, sandbox: Sandbox) -> None:
    connection = connect(without=CANDIDATES)
    request = refresh_requests.request_refresh(connection, Kind.CANDIDATE, 1)
    assert _record_requests(sandbox, lambda: tasks.refresh_record(request.pk)) == []
    assert not type(request).objects.filter(pk=request.pk).exists()
