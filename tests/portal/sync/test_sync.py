"""A sync makes the mirror equal to Greenhouse and reports its progress."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.sync import tasks
from portal.sync.engine import run_lifecycle
from portal.sync.models import (
    Application,
    AtsUser,
    Candidate,
    Job,
    JobGrant,
    RejectionReason,
    Stage,
    SyncRun,
    SyncStep,
)
from tests.api_generations import any_generation
from tests.conftest import V3, each_refusal
from tests.personas import Personas
from tests.portal.sync.permission_changes import revoke_permissions
from tests.portal.sync.sync_hooks import run_during_sync

SYNC = "/setup/sync/"


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


def _count(model) -> int:
    return model.objects.filter(gone_at=None).count()


def _assert_counts_equal(sandbox: Sandbox, kind: str) -> None:
    expected = sandbox.count_records()
    users = "users" if kind == "harvest_key" else "users_without_service_accounts"
    assert _count(AtsUser) == expected[users]
    assert _count(Job) == expected["requisitions"]
    assert _count(Candidate) == expected["candidates"]
    assert _count(Application) == expected["applications"]
    for state, count in expected["requisitions_by_status"].items():
        assert Job.objects.filter(status=state, gone_at=None).count() == count
    active = Application.objects.filter(status="active", gone_at=None)
    by_job = expected["active_applications_by_job"]
    for job in Job.objects.filter(gone_at=None):
        assert active.filter(job=job).count() == by_job[str(job.remote_id)]


def test_mirror_counts_equal_greenhouse(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    _assert_counts_equal(sandbox, kind)
    assert SyncRun.objects.get().status == SyncRun.Status.DONE


def test_v1_and_v3_fill_the_same_mirror(connect, sandbox: Sandbox, run_tasks, ada) -> None:
    connection = connect("harvest_key")
    models = (Job, Stage, Application, Candidate, RejectionReason)
    fields = {
        Job: ("remote_id", "name", "status", "confidential", "requisition_id"),
        Stage: ("remote_id", "name", "order", "active"),
        Application: ("remote_id", "status", "stage_remote_id", "job__remote_id"),
        Candidate: ("remote_id", "first_name", "last_name", "private"),
        RejectionReason: ("remote_id", "name"),
    }

    def read_mirror() -> dict[str, set]:
        return {model.__name__: set(model.objects.values_list(*fields[model])) for model in models}

    v1_content = read_mirror()
    assert all(v1_content.values())
    for model in (Application, Candidate, Stage, Job, RejectionReason):
        model.objects.all().delete()
    ada.post(reverse("onboarding:credential"), V3)
    run_tasks()
    ada.post("/setup/rotation/switch/")
    run_tasks()
    assert connection.credentials.get(state="in_use").kind == "harvest_oauth"
    assert SyncRun.objects.first().status == SyncRun.Status.DONE
    assert read_mirror() == v1_content


@any_generation
def test_deleted_records_gone_and_access_revoked(
    connect, sandbox: Sandbox, ada: Client, run_tasks, kind: str
) -> None:
    connect(kind)
    job = Job.objects.filter(status="open", confidential=False, grants__isnull=False).first()
    grant = (
        JobGrant.objects.filter(job__status="open")
        .exclude(job=job)
        .select_related("user", "job")
        .first()
    )
    sandbox.run_mutation("delete_job", job_id=job.remote_id)
    sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    ada.post(SYNC)
    run_tasks()
    job.refresh_from_db()
    assert job.gone_at is not None
    assert JobGrant.objects.get(pk=grant.pk).gone_at is not None
    _assert_counts_equal(sandbox, kind)


@any_generation
def test_refused_step_reported_and_rest_synced(
    connect, sandbox: Sandbox, ada: Client, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    revoke_permissions(
        sandbox, connection, "candidates.list", "candidates.retrieve"
    )  # not checked yet
    ada.post(SYNC)
    run_tasks()
    run = SyncRun.objects.first()
    refused = list(run.steps.filter(status=SyncStep.Status.REFUSED).values_list("kind", flat=True))
    assert run.status == SyncRun.Status.PARTIAL
    assert refused == ["candidates"]
    assert _count(Application) > 0
    assert b"except lists without permission" in ada.get(SYNC).content


def test_lost_contact_fails_run_and_deletes_nothing(
    connect, sandbox: Sandbox, ada: Client, run_tasks, quick_retries: None
) -> None:
    connect("harvest_key")
    before = _count(Application)
    sandbox.faults.add_fault("/v1/applications", kind="drop_before", times=None)
    ada.post(SYNC)
    run_tasks()
    run = SyncRun.objects.first()
    assert run.status == SyncRun.Status.FAILED
    assert "reach Greenhouse" in run.failure
    assert _count(Application) == before
    assert run.failure in html.unescape(ada.get(SYNC).content.decode())


def test_second_request_joins_open_run(connect, ada: Client, run_tasks) -> None:
    connect()
    ada.post(SYNC)
    ada.post(SYNC)
    assert SyncRun.objects.filter(status=SyncRun.Status.QUEUED).count() == 1
    run_tasks()
    assert SyncRun.objects.filter(status=SyncRun.Status.DONE).count() == 2


def test_joined_recent_sync_is_shown(connect, ada: Client, run_tasks) -> None:
    connection = connect()
    run = run_lifecycle.request_sync(connection, SyncRun.Scope.RECENT)
    ada.post(SYNC)
    assert connection.syncs.first() == run
    page = ada.get(SYNC).content.decode()
    assert "has been read" not in page
    assert 'hx-trigger="every 1s"' in page
    run_tasks()
    page = ada.get(SYNC).content.decode()
    assert "Everything is synced" in page
    assert "every 1s" not in page


def test_redelivered_task_syncs_once(connect, sandbox: Sandbox) -> None:
    connect()
    requests_before = len(list(sandbox.requests))
    tasks.run_sync(SyncRun.objects.get().pk)
    assert len(list(sandbox.requests)) == requests_before


def test_progress_shown_until_sync_ends(connect, sandbox: Sandbox, ada: Client, run_tasks) -> None:
    connect()
    ada.post(SYNC)
    pages = []
    with run_during_sync("/v3/applications", lambda: pages.append(ada.get(SYNC))):
        run_tasks()
    steps = dict(pages[0].context["lines"])
    assert steps["Requisitions"].read_count == len(list(sandbox.dataset().jobs))
    assert steps["Applications"].read_count == 0
    assert 0 < pages[0].context["ended"] < pages[0].context["number"]
    assert b'hx-trigger="every 1s"' in pages[0].content
    page = ada.get(SYNC).content
    assert b'hx-trigger="every 1s"' not in page
    assert b"Everything is synced" in page


@each_refusal
def test_connection_not_live_without_site_admin(
    personas: Personas, sandbox: Sandbox, ada: Client, run_tasks
) -> None:
    """Every scope is granted, yet Greenhouse shows this user no list."""
    client = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    ada.post(
        reverse("onboarding:credential"),
        {
            "kind": "harvest_oauth",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
        },
    )
    run_tasks()
    connection = Connection.objects.get(organization=personas.ada.organization)
    assert connection.state not in {Connection.State.LIVE, Connection.State.DEGRADED}
    assert "not a Site Admin" in ada.get("/setup/", follow=True).content.decode()
