"""Records missing from a Greenhouse list are kept until the loss is confirmed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http_server.messages import HttpError, Request, Response
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync import schedule
from portal.sync.engine import run_lifecycle
from portal.sync.integrity import mass_deletion_guard
from portal.sync.models import (
    Application,
    AtsRole,
    AtsUser,
    Candidate,
    Job,
    JobGrant,
    Stage,
    SyncRun,
)
from portal.sync.records import job_refresh
from portal.webhooks import delivery_worker
from portal.webhooks.models import Delivery, Endpoint
from tests.api_generations import any_generation
from tests.conftest import V3, each_refusal

Scope, Status = SyncRun.Scope, SyncRun.Status
Cause = Issue.Cause
MODELS: tuple[Any, ...] = (AtsRole, AtsUser, Job, JobGrant, Stage, Candidate, Application)
DAY = 24 * 3600 + 60

Run = Callable[..., SyncRun]


@pytest.fixture
def run_sync(run_tasks: Callable[[], int]) -> Run:
    def synced(connection: Connection, scope: str = Scope.FULL) -> SyncRun:
        run = run_lifecycle.request_sync(connection, scope)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


def count_rows() -> dict[str, int]:
    counts = {model.__name__: model.objects.filter(gone_at=None).count() for model in MODELS}
    return counts | {"named": Candidate.objects.exclude(last_name="").count()}


def revoke_site_admin(sandbox: Sandbox) -> int:
    reader: int = sandbox.credentials.find_credential(V3["client_id"]).service_user_id
    sandbox.run_mutation("set_site_admin", user=reader, site_admin=False)
    return reader


def open_issues() -> set[tuple[str, str]]:
    return set(Issue.objects.filter(closed_at=None).values_list("cause", "key"))


# -- the API user is no longer a Site Admin ----------------------------------------------------
@each_refusal
@pytest.mark.parametrize("scope", [Scope.PEOPLE, Scope.FULL])
def test_lost_site_admin_deletes_nothing(
    connect, sandbox: Sandbox, run_sync: Run, advance_clock, scope: str
) -> None:
    connection = connect()
    advance_clock(600)  # the permission check of the setup is no longer recent
    before = count_rows()
    reader = revoke_site_admin(sandbox)
    run = run_sync(connection, scope)
    assert run.status == Status.FAILED
    assert "not a Site Admin" in run.failure
    assert count_rows() == before
    assert (Cause.NO_SITE_ADMIN, "") in open_issues()
    sandbox.run_mutation("set_site_admin", user=reader)
    assert run_sync(connection, scope).status == Status.DONE
    assert count_rows() == before


@each_refusal
def test_webhook_deletes_nothing_when_reader_sees_nothing(connect, sandbox: Sandbox) -> None:
    connection = connect()
    application = Application.objects.filter(
        status="active", gone_at=None, job__status="open"
    ).first()
    before = count_rows()
    revoke_site_admin(sandbox)
    for kind, pk in (
        ("candidates", application.candidate.remote_id),
        ("applications", application.remote_id),
        ("jobs", application.job.remote_id),
    ):
        deliver_webhook(connection, kind, pk)
    assert count_rows() == before
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {Delivery.Outcome.FAILED}
    with pytest.raises(Exception, match="not a Site Admin"):
        job_refresh.refresh_job(connection, application.job.remote_id)
    assert count_rows() == before


def deliver_webhook(connection: Connection, kind: str, remote_id: int) -> None:
    address, _ = Endpoint.objects.get_or_create(connection=connection)
    Delivery.objects.create(
        connection=connection,
        event_id=f"{kind}{remote_id}",
        action="update",
        subject=kind.removesuffix("s"),
        record_ids={kind: [remote_id]},
    )
    delivery_worker.process_deliveries(address)


# -- after v1 is shut down ---------------------------------------------------------------------
def test_webhook_deletes_nothing_after_v1_shutdown(connect, sandbox: Sandbox) -> None:
    connection = connect("harvest_key")
    application = Application.objects.filter(
        status="active", gone_at=None, job__status="open"
    ).first()
    before = count_rows()
    answer_path_with(
        sandbox, "/v1/", lambda _: HttpError(404, {"message": "Resource not found"}).response
    )
    deliver_webhook(connection, "candidates", application.candidate.remote_id)
    deliver_webhook(connection, "applications", application.remote_id)
    deliver_webhook(connection, "jobs", application.job.remote_id)
    assert count_rows() == before
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {Delivery.Outcome.FAILED}


# -- a list that lacks most of the mirrored rows -----------------------------------------------
LISTS = [
    ("users", AtsUser, Scope.PEOPLE),
    ("jobs", Job, Scope.FULL),
    ("candidates", Candidate, Scope.FULL),
    ("applications", Application, Scope.FULL),
]


def answer_path_with(sandbox: Sandbox, path: str, answer: Callable[[Request], Response]) -> None:
    inner = sandbox.app.handle
    sandbox.app.handle = lambda request: (  # type: ignore[method-assign]
        answer(request) if request.path.startswith(path) else inner(request)
    )


def truncate_list(sandbox: Sandbox, kind: str, name: str, size: int) -> Callable[[], None]:
    """Cut a Greenhouse list to its first rows; return a function that restores it."""
    world, inner = sandbox.dataset(), sandbox.app.handle
    table = getattr(world, name)
    visible_ids = {row.id for row in list(table)[:size]}

    def truncated_response(request: Request) -> Response:
        response = inner(request)
        if request.path != f"/{kind}/{name}" or response.status != 200:
            return response
        visible = [row for row in json.loads(response.body) if row["id"] in visible_ids]
        truncated = HttpError(200, visible).response
        truncated.headers.update({k: v for k, v in response.headers.items() if k != "Link"})
        return truncated

    sandbox.app.handle = truncated_response  # type: ignore[method-assign]
    return lambda: setattr(sandbox.app, "handle", inner)


@pytest.mark.parametrize(("name", "model", "scope"), LISTS, ids=[name for name, _, _ in LISTS])
@any_generation
def test_mass_deletion_not_applied_at_once(
    connect, sandbox: Sandbox, run_sync: Run, kind: str, name: str, model: Any, scope: str
) -> None:
    connection = connect(kind)
    before = count_rows()
    restore_list = truncate_list(sandbox, "v1" if kind == "harvest_key" else "v3", name, 2)
    run = run_sync(connection, scope)
    assert run.status == Status.FAILED
    assert "Nothing was removed here" in run.failure
    assert run.steps.get(kind=name).failure == run.failure
    assert count_rows() == before
    issue = Issue.objects.get(cause=Cause.MASS_DELETION)
    assert (issue.key, issue.is_open, issue.severity) == (name, True, Issue.Severity.CRITICAL)
    restore_list()
    assert run_sync(connection, scope).status == Status.DONE
    assert count_rows() == before
    issue.refresh_from_db()
    assert issue.resolution == "the list is complete again"


def test_mass_deletion_applied_after_a_day(
    connect, sandbox: Sandbox, run_sync: Run, advance_clock
) -> None:
    connection = connect()
    candidates = list(sandbox.dataset().candidates)
    for row in candidates[3:]:
        sandbox.run_mutation("delete_candidate", candidate_id=row.id)
    for _ in range(5):
        assert run_sync(connection).status == Status.FAILED
        advance_clock(5 * 3600)
    assert Candidate.objects.filter(gone_at=None).count() == len(candidates)
    assert open_issues() == {(Cause.MASS_DELETION, name) for name in ("candidates", "applications")}
    assert run_sync(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == 3
    assert open_issues() == set()
    assert (
        Application.objects.filter(gone_at=None).count() == sandbox.count_records()["applications"]
    )


def test_mass_deletion_days_apart_not_confirmed(
    connect, sandbox: Sandbox, run_sync: Run, advance_clock
) -> None:
    connection = connect()
    before = count_rows()
    truncate_list(sandbox, "v3", "candidates", 2)
    run_sync(connection)
    advance_clock(5 * DAY)  # for example, the connection was paused
    assert run_sync(connection).status == Status.FAILED
    assert count_rows() == before
    reopened = Issue.objects.get(cause=Cause.MASS_DELETION, closed_at=None)
    assert Issue.objects.filter(cause=Cause.MASS_DELETION).count() == 2
    assert reopened.last_seen_at - reopened.first_seen_at < timedelta(minutes=1)


def test_mass_deletion_in_one_list_blocks_no_other(
    connect, sandbox: Sandbox, run_sync: Run
) -> None:
    connection = connect()
    truncate_list(sandbox, "v3", "users", 2)
    grant = JobGrant.objects.filter(gone_at=None, user__primary_email="remy@acme.example").first()
    sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    run = run_sync(connection)
    assert run.status == Status.FAILED
    failed = run.steps.exclude(status__in=("done", "refused", "skipped"))
    assert list(failed.values_list("kind", flat=True)) == ["users"]
    grant.refresh_from_db()
    assert grant.gone_at


def test_minority_deletion_applied_at_once(connect, sandbox: Sandbox, run_sync: Run) -> None:
    connection = connect()
    candidates = list(sandbox.dataset().candidates)
    for row in candidates[: len(candidates) // 3]:
        sandbox.run_mutation("delete_candidate", candidate_id=row.id)
    assert run_sync(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == len(list(sandbox.dataset().candidates))


@pytest.mark.parametrize("sandbox", [{"jobs": 4}], indirect=True)
def test_short_list_may_lose_most_but_not_all(connect, sandbox: Sandbox, run_sync: Run) -> None:
    connection = connect("harvest_key")
    remaining_jobs = Job.objects.filter(gone_at=None)
    first, *others = remaining_jobs.values_list("remote_id", flat=True)
    assert 1 < remaining_jobs.count() < mass_deletion_guard.MIN_RECORDS
    for job in others:
        sandbox.run_mutation("delete_job", job_id=job)
    run_sync(connection)
    assert [job.remote_id for job in remaining_jobs.all()] == [first]
    sandbox.run_mutation("delete_job", job_id=first)
    assert run_sync(connection).status == Status.FAILED
    assert [job.remote_id for job in remaining_jobs.all()] == [first]


def test_recent_sync_runs_while_list_is_suspect(
    connect, sandbox: Sandbox, run_sync: Run, advance_clock
) -> None:
    connection = connect()
    truncate_list(sandbox, "v3", "jobs", 2)
    assert run_sync(connection).status == Status.FAILED
    advance_clock(1200)
    schedule.request_due_syncs()
    assert SyncRun.objects.filter(connection=connection, scope=Scope.RECENT).exists()
    assert run_sync(connection, Scope.RECENT).status == Status.DONE
    assert open_issues() == {(Cause.MASS_DELETION, "jobs")}
