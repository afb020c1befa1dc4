"""The mirror: after a sync it holds what Greenhouse holds."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.mirror import sync
from portal.mirror.models import (
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
from tests.cast import Cast
from tests.conftest import either_refusal
from tests.portal.mirror.permissions import taken_away

SYNC = "/set-up/sync/"


@pytest.fixture
def ada(cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def _here(model) -> int:
    return model.objects.filter(gone_at=None).count()


def _counts_equal_the_truth(sandbox: Sandbox, kind: str) -> None:
    truth = sandbox.stats()
    users = "users" if kind == "harvest_key" else "users_without_service_accounts"
    assert _here(AtsUser) == truth[users]
    assert _here(Job) == truth["jobs_not_template"]
    assert _here(Candidate) == truth["candidates"]
    assert _here(Application) == truth["applications"]
    for state, count in truth["jobs_not_template_by_status"].items():
        assert Job.objects.filter(status=state, gone_at=None).count() == count
    active = Application.objects.filter(status="active", gone_at=None)
    by_job = truth["active_applications_by_job"]
    for job in Job.objects.filter(gone_at=None):
        assert active.filter(job=job).count() == by_job[str(job.remote_id)]


def test_the_mirror_counts_what_greenhouse_counts(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    _counts_equal_the_truth(sandbox, kind)
    assert SyncRun.objects.get().status == SyncRun.Status.DONE


def test_both_generations_fill_the_same_mirror(connect, sandbox: Sandbox, work, ada) -> None:
    connect("harvest_key")
    models = (Job, Stage, Application, Candidate, RejectionReason)
    fields = {
        Job: ("remote_id", "name", "status", "confidential", "requisition_id"),
        Stage: ("remote_id", "name", "order", "active"),
        Application: ("remote_id", "status", "stage_remote_id", "job__remote_id"),
        Candidate: ("remote_id", "first_name", "last_name", "private"),
        RejectionReason: ("remote_id", "name"),
    }

    def content() -> dict[str, set]:
        return {m.__name__: set(m.objects.values_list(*fields[m])) for m in models}

    by_key = content()
    from tests.conftest import V3

    ada.post(reverse("onboarding:credential"), V3)
    work()
    ada.post(SYNC)
    work()
    assert content() == by_key


def test_what_greenhouse_lost_is_marked_gone_and_lost_access_ends(
    connect, sandbox: Sandbox, ada: Client, work, kind: str
) -> None:
    connect(kind)
    job = Job.objects.filter(status="open", confidential=False, grants__isnull=False).first()
    grant = (
        JobGrant.objects.filter(job__status="open")
        .exclude(job=job)
        .select_related("user", "job")
        .first()
    )
    sandbox.mutate("delete_job", job_id=job.remote_id)
    sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    ada.post(SYNC)
    work()
    job.refresh_from_db()
    assert job.gone_at is not None
    assert JobGrant.objects.get(pk=grant.pk).gone_at is not None
    _counts_equal_the_truth(sandbox, kind)


def test_a_step_that_may_not_be_read_is_said_and_the_rest_goes_on(
    connect, sandbox: Sandbox, ada: Client, work, kind: str
) -> None:
    connection = connect(kind)
    taken_away(sandbox, connection, "candidates.list", "candidates.retrieve")  # no check knows yet
    ada.post(SYNC)
    work()
    run = SyncRun.objects.first()
    refused = list(run.steps.filter(status=SyncStep.Status.REFUSED).values_list("kind", flat=True))
    assert run.status == SyncRun.Status.PARTIAL
    assert refused == ["candidates"]
    assert _here(Application) > 0
    assert b"except what may not be read" in ada.get(SYNC).content


def test_losing_contact_fails_the_run_in_words_and_marks_nothing_gone(
    connect, sandbox: Sandbox, ada: Client, work, quick_retries: None
) -> None:
    connect("harvest_key")
    before = _here(Application)
    sandbox.faults.add("/v1/applications", kind="drop_before", times=None)
    ada.post(SYNC)
    work()
    run = SyncRun.objects.first()
    assert run.status == SyncRun.Status.FAILED
    assert "not answering" in run.failure
    assert _here(Application) == before
    assert run.failure.encode() in ada.get(SYNC).content


def test_a_second_request_joins_the_open_run(connect, ada: Client, work) -> None:
    connect()
    ada.post(SYNC)
    ada.post(SYNC)
    assert SyncRun.objects.filter(status=SyncRun.Status.QUEUED).count() == 1
    work()
    assert SyncRun.objects.filter(status=SyncRun.Status.DONE).count() == 2


def test_a_sync_of_what_changed_that_was_joined_is_the_one_to_watch(
    connect, ada: Client, work
) -> None:
    connection = connect()
    run = sync.request(connection, SyncRun.Scope.RECENT)
    ada.post(SYNC)
    assert connection.syncs.first() == run
    page = ada.get(SYNC).content.decode()
    assert "has been read" not in page
    assert 'hx-trigger="every 1s"' in page
    work()
    page = ada.get(SYNC).content.decode()
    assert "Everything has been read" in page
    assert "every 1s" not in page


def test_a_task_delivered_twice_syncs_once(connect, sandbox: Sandbox) -> None:
    connect()
    asked = len(list(sandbox.requests))
    from portal.mirror.tasks import run

    run(SyncRun.objects.get().pk)
    assert len(list(sandbox.requests)) == asked


def test_progress_is_told_while_it_runs_and_the_polling_ends(connect, ada: Client, work) -> None:
    connect()
    ada.post(SYNC)
    assert b'hx-trigger="every 1s"' in ada.get(SYNC).content
    work()
    page = ada.get(SYNC).content
    assert b'hx-trigger="every 1s"' not in page
    assert b"Everything has been read" in page


@either_refusal
def test_a_reader_who_is_no_site_admin_does_not_make_a_connection_live(
    cast: Cast, sandbox: Sandbox, ada: Client, work
) -> None:
    """Every scope is ticked, and yet Greenhouse shows this user no list."""
    made = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    ada.post(
        reverse("onboarding:credential"),
        {
            "kind": "harvest_oauth",
            "client_id": made.client_id,
            "client_secret": made.client_secret,
        },
    )
    work()
    connection = Connection.objects.get(organization=cast.ada.organization)
    assert connection.state not in {Connection.State.LIVE, Connection.State.DEGRADED}
    assert "not a Site Admin" in ada.get("/set-up/", follow=True).content.decode()
