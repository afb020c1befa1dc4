"""Records missing from a Greenhouse list are kept until the loss is confirmed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http import Answer, Request, Response
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.mirror import doubt, schedule, single, sync
from portal.mirror.models import (
    Application,
    AtsRole,
    AtsUser,
    Candidate,
    Job,
    JobGrant,
    Stage,
    SyncRun,
)
from portal.webhooks import reread
from portal.webhooks.models import Address, Delivery
from tests.conftest import V3, either_refusal
from tests.generations import any_generation

Scope, Status = SyncRun.Scope, SyncRun.Status
Cause = Issue.Cause
MODELS: tuple[Any, ...] = (AtsRole, AtsUser, Job, JobGrant, Stage, Candidate, Application)
DAY = 24 * 3600 + 60

Run = Callable[..., SyncRun]


@pytest.fixture
def run_sync(work: Callable[[], int]) -> Run:
    def synced(connection: Connection, scope: str = Scope.FULL) -> SyncRun:
        run = sync.request(connection, scope)
        work()
        run.refresh_from_db()
        return run

    return synced


def count_rows() -> dict[str, int]:
    counts = {model.__name__: model.objects.filter(gone_at=None).count() for model in MODELS}
    return counts | {"named": Candidate.objects.exclude(last_name="").count()}


def revoke_site_admin(sandbox: Sandbox) -> int:
    reader: int = sandbox.credentials.find(V3["client_id"]).service_user_id
    sandbox.mutate("set_site_admin", user=reader, site_admin=False)
    return reader


def open_issues() -> set[tuple[str, str]]:
    return set(Issue.objects.filter(closed_at=None).values_list("cause", "key"))


# -- the API user is no longer a Site Admin ----------------------------------------------------
@either_refusal
@pytest.mark.parametrize("scope", [Scope.PEOPLE, Scope.FULL])
def test_lost_site_admin_deletes_nothing(
    connect, sandbox: Sandbox, run_sync: Run, later, scope: str
) -> None:
    connection = connect()
    later(600)  # the permission check of the setup is no longer recent
    before = count_rows()
    reader = revoke_site_admin(sandbox)
    run = run_sync(connection, scope)
    assert run.status == Status.FAILED
    assert "is not a Site Admin" in run.failure
    assert count_rows() == before
    assert (Cause.NO_SITE_ADMIN, "") in open_issues()
    sandbox.mutate("set_site_admin", user=reader)
    assert run_sync(connection, scope).status == Status.DONE
    assert count_rows() == before


@either_refusal
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
    with pytest.raises(Exception, match="is not a Site Admin"):
        single.refresh_job(connection, application.job.remote_id)
    assert count_rows() == before


def deliver_webhook(connection: Connection, kind: str, remote_id: int) -> None:
    address, _ = Address.objects.get_or_create(connection=connection)
    Delivery.objects.create(
        connection=connection,
        event_id=f"{kind}{remote_id}",
        action="update",
        subject=kind.removesuffix("s"),
        names={kind: [remote_id]},
    )
    reread.read(address)


# -- after v1 is shut down ---------------------------------------------------------------------
def test_webhook_deletes_nothing_after_v1_shutdown(connect, sandbox: Sandbox) -> None:
    connection = connect("harvest_key")
    application = Application.objects.filter(
        status="active", gone_at=None, job__status="open"
    ).first()
    before = count_rows()
    answer_path_with(
        sandbox, "/v1/", lambda _: Answer(404, {"message": "Resource not found"}).response
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
    world, inner = sandbox.world(), sandbox.app.handle
    table = getattr(world, name)
    visible_ids = {row.id for row in list(table)[:size]}

    def truncated_response(request: Request) -> Response:
        response = inner(request)
        if request.path != f"/{kind}/{name}" or response.status != 200:
            return response
        visible = [row for row in json.loads(response.body) if row["id"] in visible_ids]
        truncated = Answer(200, visible).response
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
    issue = Issue.objects.get(cause=Cause.MOST_MISSING)
    assert (issue.key, issue.is_open, issue.severity) == (name, True, Issue.Severity.MUST_ACT)
    restore_list()
    assert run_sync(connection, scope).status == Status.DONE
    assert count_rows() == before
    issue.refresh_from_db()
    assert issue.closed_why == "the list holds most of what is here"


def test_mass_deletion_applied_after_a_day(connect, sandbox: Sandbox, run_sync: Run, later) -> None:
    connection = connect()
    candidates = list(sandbox.world().candidates)
    for row in candidates[3:]:
        sandbox.mutate("delete_candidate", candidate_id=row.id)
    for _ in range(5):
        assert run_sync(connection).status == Status.FAILED
        later(5 * 3600)
    assert Candidate.objects.filter(gone_at=None).count() == len(candidates)
    assert open_issues() == {(Cause.MOST_MISSING, name) for name in ("candidates", "applications")}
    assert run_sync(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == 3
    assert open_issues() == set()
    assert Application.objects.filter(gone_at=None).count() == sandbox.stats()["applications"]


def test_mass_deletion_days_apart_not_confirmed(
    connect, sandbox: Sandbox, run_sync: Run, later
) -> None:
    connection = connect()
    before = count_rows()
    truncate_list(sandbox, "v3", "candidates", 2)
    run_sync(connection)
    later(5 * DAY)  # for example, the connection was paused
    assert run_sync(connection).status == Status.FAILED
    assert count_rows() == before
    reopened = Issue.objects.get(cause=Cause.MOST_MISSING, closed_at=None)
    assert Issue.objects.filter(cause=Cause.MOST_MISSING).count() == 2
    assert reopened.last_seen_at - reopened.first_seen_at < timedelta(minutes=1)


def test_mass_deletion_in_one_list_blocks_no_other(
    connect, sandbox: Sandbox, run_sync: Run
) -> None:
    connection = connect()
    truncate_list(sandbox, "v3", "users", 2)
    grant = JobGrant.objects.filter(gone_at=None, user__primary_email="remy@acme.example").first()
    sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    run = run_sync(connection)
    assert run.status == Status.FAILED
    failed = run.steps.exclude(status__in=("done", "refused", "left_out"))
    assert list(failed.values_list("kind", flat=True)) == ["users"]
    grant.refresh_from_db()
    assert grant.gone_at


def test_minority_deletion_applied_at_once(connect, sandbox: Sandbox, run_sync: Run) -> None:
    connection = connect()
    candidates = list(sandbox.world().candidates)
    for row in candidates[: len(candidates) // 3]:
        sandbox.mutate("delete_candidate", candidate_id=row.id)
    assert run_sync(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == len(list(sandbox.world().candidates))


@pytest.mark.parametrize("sandbox", [{"jobs": 4}], indirect=True)
def test_short_list_may_lose_most_but_not_all(connect, sandbox: Sandbox, run_sync: Run) -> None:
    connection = connect("harvest_key")
    remaining_jobs = Job.objects.filter(gone_at=None)
    first, *others = remaining_jobs.values_list("remote_id", flat=True)
    assert 1 < remaining_jobs.count() < doubt.FEWEST
    for job in others:
        sandbox.mutate("delete_job", job_id=job)
    run_sync(connection)
    assert [job.remote_id for job in remaining_jobs.all()] == [first]
    sandbox.mutate("delete_job", job_id=first)
    assert run_sync(connection).status == Status.FAILED
    assert [job.remote_id for job in remaining_jobs.all()] == [first]


def test_recent_sync_runs_while_list_is_suspect(
    connect, sandbox: Sandbox, run_sync: Run, later
) -> None:
    connection = connect()
    truncate_list(sandbox, "v3", "jobs", 2)
    assert run_sync(connection).status == Status.FAILED
    later(1200)
    assert Scope.RECENT in schedule.due(connection)
    assert run_sync(connection, Scope.RECENT).status == Status.DONE
    assert open_issues() == {(Cause.MOST_MISSING, "jobs")}
