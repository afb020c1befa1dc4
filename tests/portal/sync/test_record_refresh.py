"""Refreshing single records, directly and through queued requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsUnavailable, NotFound
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http_server.messages import json_response
from portal.audit.models import Entry
from portal.connections.client import open_interactive_provider, open_provider
from portal.connections.models import Connection
from portal.core.database.thread_connections import ThreadOwner
from portal.issues.models import Issue
from portal.onboarding import tasks as set_up
from portal.sync import freshness
from portal.sync.engine import run_lifecycle
from portal.sync.engine.upsert import written_as_of
from portal.sync.integrity.write_guard import ConnectionChanged
from portal.sync.models import (
    Application,
    AtsUser,
    Candidate,
    Job,
    JobGrant,
    RefreshRequest,
    Stage,
    SyncRun,
)
from portal.sync.records import (
    changed_candidates,
    job_refresh,
    record_refresh,
    refresh_requests,
    refresh_worker,
)
from portal.sync.records.refresh_requests import Kind
from portal.sync.writers import application_records, job_records
from tests.api_generations import any_generation
from tests.conftest import V3
from tests.personas import Personas
from tests.portal.sync.sandbox_truth import assert_sync_matches
from tests.portal.sync.sync_hooks import run_during_sync

GRANTS = {
    "harvest_oauth": "/v3/user_job_permissions",
    "harvest_key": "/v1/users/{id}/permissions/jobs",
}


@contextmanager
def _hold_in_transaction(write: Callable[[], object]) -> Iterator[None]:
    """Another thread performs this write and commits half a second later."""
    written, commit = Event(), Event()

    def write_in_transaction() -> None:
        with owner.lend_scope(), transaction.atomic():
            write()
            written.set()
            commit.wait(5)

    owner = ThreadOwner()
    writer = Thread(target=write_in_transaction)
    writer.start()
    assert written.wait(5)
    Timer(0.5, commit.set).start()
    yield
    writer.join()


def _active_application(job: Job | None = None) -> Application:
    rows = Application.objects.filter(status="active", job__status="open", job__isnull=False)
    application = (rows.filter(job=job) if job else rows).select_related("job", "candidate").first()
    assert application is not None
    return application


def test_application_refresh_follows_change_and_deletion(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connection = connect(kind)
    application = _active_application()
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = record_refresh.refresh_application(connection, provider, application.remote_id)
    assert now.status == "rejected"
    sandbox.run_mutation("delete_application", application_id=application.remote_id)
    with pytest.raises(NotFound):
        record_refresh.refresh_application(connection, provider, application.remote_id)
    application.refresh_from_db()
    assert application.gone_at is not None


@any_generation
def test_older_answer_written_later_is_ignored(connect, sandbox: Sandbox, kind: str) -> None:
    connection = connect(kind)
    application = _active_application()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    asked, answer = timezone.now(), provider.get_application(application.remote_id)
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    record_refresh.refresh_application(connection, provider, application.remote_id)
    with written_as_of(asked):  # as a slow sync writes its page
        result = application_records.write_applications(connection, [answer])
    assert result.written_ids == ()
    application.refresh_from_db()
    assert application.status == "rejected"
    sandbox.run_mutation("unreject_application", application_id=application.remote_id)
    with written_as_of(timezone.now()):
        application_records.write_applications(
            connection, [provider.get_application(application.remote_id)]
        )
    application.refresh_from_db()
    assert application.status == "active"


@any_generation
def test_older_answer_written_first_blocks_no_newer_one(
    connect, sandbox: Sandbox, kind: str
) -> None:
    """The request time counts, not the time of writing."""
    connection = connect(kind)
    application = _active_application()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    sandbox.dataset().record_activity(sandbox.dataset().applications[application.remote_id])
    asked, page = timezone.now(), provider.get_application(application.remote_id)
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    asked_later, newer = timezone.now(), provider.get_application(application.remote_id)
    with written_as_of(asked):
        application_records.write_applications(connection, [page])
    with written_as_of(asked_later):
        application_records.write_applications(connection, [newer])
    application.refresh_from_db()
    assert application.status == "rejected"


@any_generation
def test_older_page_waiting_for_lock_is_ignored(connect, sandbox: Sandbox, kind: str) -> None:
    connection = connect(kind)
    application = _active_application()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    sandbox.dataset().record_activity(sandbox.dataset().applications[application.remote_id])
    asked, page = timezone.now(), provider.get_application(application.remote_id)
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    newer = provider.get_application(application.remote_id)
    with (
        _hold_in_transaction(lambda: application_records.write_applications(connection, [newer])),
        written_as_of(asked),
    ):
        application_records.write_applications(connection, [page])
    application.refresh_from_db()
    assert application.status == "rejected"


def test_new_application_brings_candidate_and_job(connect, sandbox: Sandbox, kind) -> None:
    connection = connect(kind)
    job = sandbox.run_mutation("create_job", name="Brand new")
    applied = sandbox.run_mutation("new_application", job_id=job.id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = record_refresh.refresh_application(connection, provider, applied.id)
    assert now.job.name == "Brand new"
    assert now.candidate.first_name == "Nina"
    assert now.stage.job == now.job


def test_job_refresh_reads_stages_and_applications(
    connect, sandbox: Sandbox, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    job = _active_application().job
    moved, rejected = Application.objects.filter(job=job, status="active")[:2]
    other = Job.objects.filter(status="open", gone_at=None).exclude(pk=job.pk).first()
    sandbox.run_mutation("rename_job", job_id=job.remote_id, name="Renamed")
    candidate = rejected.candidate
    names = {"first_name": "Rena", "last_name": "Med"}
    sandbox.run_mutation("rename_candidate", candidate_id=candidate.remote_id, **names)
    sandbox.run_mutation(
        "transfer_application", application_id=moved.remote_id, job_id=other.remote_id
    )
    sandbox.run_mutation("reject_application", application_id=rejected.remote_id)
    new = sandbox.run_mutation("new_application", job_id=job.remote_id, first_name="Nina")
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    for row in (job, moved, rejected, candidate):
        row.refresh_from_db()
    assert (candidate.first_name, candidate.last_name) == ("Rena", "Med")
    assert (job.name, moved.job, rejected.status) == ("Renamed", other, "rejected")
    assert moved.gone_at is None
    assert Application.objects.get(remote_id=new.id).candidate.first_name == "Nina"
    assert job.read_at is not None


STAGES = {"harvest_oauth": "/v3/job_interview_stages", "harvest_key": "/v1/jobs/{}/stages"}


@pytest.mark.parametrize("has_id", [True, False], ids=["with id", "without id"])
def test_unreadable_stage_is_not_marked_gone(
    connect, sandbox: Sandbox, kind: str, has_id: bool
) -> None:
    """If even a row's id is unreadable, no stage is marked gone."""
    connection = connect(kind)
    job = _active_application().job
    broken, deleted = Stage.objects.filter(job=job, gone_at=None).order_by("-order")[:2]
    path = STAGES[kind].format(job.remote_id)

    def break_stage(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            if row["id"] == broken.remote_id:
                row |= {"name": ["odd"], "sort_order": {}, "priority": {}}
                row |= {} if has_id else {"id": "odd"}
        return [row for row in rows if row["id"] != deleted.remote_id]

    _change_answer(sandbox, path, break_stage)
    job_refresh.refresh_job(connection, job.remote_id)
    broken.refresh_from_db()
    deleted.refresh_from_db()
    assert broken.gone_at is None
    assert (deleted.gone_at is not None) is has_id


def _change_answer(sandbox: Sandbox, path: str, change: Any) -> None:
    """Change the records that Greenhouse returns for this path."""
    inner = sandbox.app.handle

    def handle(request: Any) -> Any:
        response = inner(request)
        if request.path != path or response.status != 200:
            return response
        changed = json_response(json.dumps(change(json.loads(response.body))).encode())
        changed.headers.update(response.headers)
        return changed

    sandbox.app.handle = handle  # type: ignore[method-assign]


@any_generation
def test_stage_created_during_refresh_is_not_gone(
    connect, sandbox: Sandbox, on_response, kind: str
) -> None:
    connection = connect(kind)
    job = _active_application().job
    new_stage = ats.Stage(id=999_999, job_id=job.remote_id, name="New", order=9, active=True)
    on_response(
        STAGES[kind].format(job.remote_id),
        lambda: job_records.write_stages(connection, [new_stage]),
    )
    job_refresh.refresh_job(connection, job.remote_id)
    assert Stage.objects.get(remote_id=new_stage.id).gone_at is None


@any_generation
def test_unknown_applicants_read_up_to_limits(
    connect, sandbox: Sandbox, run_tasks, monkeypatch, kind: str
) -> None:
    monkeypatch.setattr(job_refresh, "MAX_SINGLE_READS", 2)
    monkeypatch.setattr(job_refresh, "MAX_QUEUED_READS", 5)
    monkeypatch.setattr(changed_candidates, "MAX_PAGES", 0)
    connection = connect(kind)
    job = _active_application().job
    for _ in range(6):
        sandbox.run_mutation("new_application", job_id=job.remote_id)
    unknown_applicants = Application.objects.filter(job=job, candidate=None)
    job_refresh.refresh_job(connection, job.remote_id)
    assert unknown_applicants.count() == 4
    assert RefreshRequest.objects.filter(kind=Kind.APPLICATION).count() == 3
    run_tasks()
    assert unknown_applicants.count() == 1  # the next sync reads the rest


def _count_candidate_lists(sandbox: Sandbox) -> int:
    paths = [request.path for request in sandbox.requests if "updated_a" in request.query]
    return sum(path.endswith("/candidates") for path in paths)


@any_generation
def test_changed_candidates_read_once_per_round(
    connect, sandbox: Sandbox, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    job_ids = Job.objects.filter(status="open", gone_at=None).values_list("remote_id", flat=True)
    for _ in range(2):
        sandbox.requests.clear_entries()
        for job_id in job_ids[:5]:
            refresh_requests.request_refresh(connection, Kind.JOB, job_id)
        run_tasks()
        assert _count_candidate_lists(sandbox) == 1


@any_generation
def test_simultaneous_refreshes_read_candidates_once(
    connect, sandbox: Sandbox, monkeypatch, kind: str
) -> None:
    connection = connect(kind)
    requested_at, remote_id = timezone.now(), _active_application().job.remote_id
    read_changed = changed_candidates._read_changed

    def read_while_another_refreshes(*args: object) -> None:
        job_refresh.refresh_job(connection, remote_id, requested_at=requested_at)
        read_changed(*args)

    monkeypatch.setattr(changed_candidates, "_read_changed", read_while_another_refreshes)
    sandbox.requests.clear_entries()
    job_refresh.refresh_job(connection, remote_id, requested_at=requested_at)
    assert _count_candidate_lists(sandbox) == 1


@any_generation
def test_failed_read_of_candidates_is_repeated(
    connect, sandbox: Sandbox, monkeypatch, kind: str
) -> None:
    connection = connect(kind)
    requested_at, remote_id = timezone.now(), _active_application().job.remote_id
    with monkeypatch.context() as patch:
        patch.setattr(changed_candidates, "_read_changed", Mock(side_effect=AtsUnavailable("x")))
        with pytest.raises(AtsUnavailable):
            job_refresh.refresh_job(connection, remote_id, requested_at=requested_at)
    sandbox.requests.clear_entries()
    job_refresh.refresh_job(connection, remote_id, requested_at=requested_at)
    assert _count_candidate_lists(sandbox) == 1


@any_generation
def test_later_refresh_shows_later_rename(connect, sandbox: Sandbox, run_tasks, kind: str) -> None:
    connection = connect(kind)
    application = _active_application()
    candidate = application.candidate
    for name in ("First", "Second"):
        sandbox.run_mutation(
            "rename_candidate", candidate_id=candidate.remote_id, first_name=name, last_name="X"
        )
        refresh_requests.request_refresh(connection, Kind.JOB, application.job.remote_id)
        run_tasks()
        candidate.refresh_from_db()
        assert candidate.first_name == name


@any_generation
def test_deleted_job_gone_after_refresh(connect, sandbox: Sandbox, run_tasks, kind) -> None:
    connection = connect(kind)
    job = _active_application().job
    sandbox.run_mutation("delete_job", job_id=job.remote_id)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    job.refresh_from_db()
    assert job.gone_at is not None


def test_deleted_job_takes_its_applications_along(
    connect, sandbox: Sandbox, run_tasks, kind: str
) -> None:
    """Also those beyond the limit of immediate reads; a transferred application stays."""
    connection = connect(kind)
    job = _active_application().job
    for _ in range(job_refresh.MAX_SINGLE_READS + 5):
        sandbox.run_mutation("new_application", job_id=job.remote_id)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    moved = _active_application(job)
    other = Job.objects.filter(status="open", gone_at=None).exclude(pk=job.pk).first()
    sandbox.run_mutation(
        "transfer_application", application_id=moved.remote_id, job_id=other.remote_id
    )
    sandbox.run_mutation("delete_job", job_id=job.remote_id)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    moved.refresh_from_db()
    assert (moved.job, moved.gone_at) == (other, None)
    assert not Application.objects.filter(job=job, gone_at=None).exists()
    assert_sync_matches(sandbox, kind, but=("candidates", "openings", "stages", "posts", "grants"))


@any_generation
def test_deleted_candidate_erased_with_anonymous_receipt(
    connect, sandbox: Sandbox, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    application = next(a for a in Application.objects.select_related("candidate") if a.answers)
    candidate = application.candidate
    name = f"{candidate.first_name} {candidate.last_name}"
    sandbox.run_mutation("delete_candidate", candidate_id=candidate.remote_id)
    refresh_requests.request_refresh(connection, Kind.CANDIDATE, candidate.remote_id)
    run_tasks()
    candidate.refresh_from_db()
    application.refresh_from_db()
    assert (candidate.first_name, candidate.last_name, candidate.company) == ("", "", "")
    assert candidate.erased_at is not None
    assert application.answers == []
    receipt = Entry.objects.get(verb="candidate.erased")
    receipt_text = f"{receipt.description} {receipt.after}"
    assert not any(part in receipt_text for part in name.split())


def test_lost_access_ends_after_people_sync(
    connect, sandbox: Sandbox, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    grant = JobGrant.objects.select_related("user", "job").first()
    leaver = AtsUser.objects.filter(deactivated=False, site_admin=True).first()
    sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    sandbox.run_mutation("deactivate_user", user=leaver.remote_id)
    refresh_requests.request_refresh(connection, Kind.PEOPLE)
    run_tasks()
    leaver.refresh_from_db()
    assert JobGrant.objects.get(pk=grant.pk).gone_at is not None
    assert leaver.deactivated


def test_revoked_grant_not_restored_by_older_page(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    """The grant is listed by a full sync, revoked, and only then that page is written."""
    connection = connect(kind)
    granted = JobGrant.objects.filter(
        user__primary_email=personas.remy.user.email, job__status="open"
    )
    grant = granted.filter(job_admin=True, job__gone_at=None).select_related("user", "job").first()
    path = f"/requisitions/{grant.job_id}/"
    remy = sign_in(personas.remy)
    assert remy.get(path).status_code == 200

    def revoke_grant() -> None:
        sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
        run_lifecycle.sync_people(connection)

    with run_during_sync(GRANTS[kind], revoke_grant):
        run_lifecycle.execute_run(run_lifecycle.get_or_create_run(connection, by=None)[0])
    grant.refresh_from_db()
    assert grant.gone_at is not None
    assert remy.get(path).status_code == 404
    run_lifecycle.request_sync(connection, run_lifecycle.Scope.PEOPLE)
    run_tasks()
    assert_sync_matches(sandbox, kind)


OTHER = {
    **V3,
    "client_id": greenhouse.OTHER_V3_CLIENT_ID,
    "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
    "another_account": "Acme",
}


@pytest.mark.parametrize("path", ["jobs", "job_interview_stages", "applications", "candidates"])
def test_emptied_mirror_not_refilled_by_open_read(
    connect, personas: Personas, sign_in, run_tasks, on_response, path: str
) -> None:
    connection = connect()
    job = _active_application().job
    Candidate.objects.filter(applications__job=job).delete()  # each is read anew
    ada = sign_in(personas.ada)

    def disconnect() -> None:
        ada.post("/setup/disconnect/", {"name": "Acme"})
        set_up.delete_synced_data(connection.pk)

    on_response(f"/v3/{path}", disconnect)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    for model in (Job, Stage, Candidate, Application):
        assert not model.objects.exists(), model


def test_open_read_of_former_account_is_discarded(
    connect, personas: Personas, sign_in, sandbox: Sandbox, run_tasks, on_response
) -> None:
    connection = connect()
    job = _active_application().job
    ada = sign_in(personas.ada)

    def switch_account() -> None:
        ada.post("/setup/credential/", OTHER)
        set_up.delete_synced_data(connection.pk)  # from here on the connection may be read again

    on_response("/v3/applications", switch_account)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    for model, kind in ((Job, "jobs"), (Application, "applications")):
        expected_ids = {row.id for row in getattr(sandbox.dataset("other"), kind)}
        mirrored_ids = {*model.objects.values_list("remote_id", flat=True)}
        assert mirrored_ids, kind
        assert mirrored_ids <= expected_ids, kind


def test_open_click_writes_nothing_after_disconnect(
    connect, personas: Personas, sign_in, sandbox: Sandbox, on_response
) -> None:
    connection = connect()
    application = _active_application()
    ada = sign_in(personas.ada)

    def disconnect() -> None:
        ada.post("/setup/disconnect/", {"name": "Acme"})
        set_up.delete_synced_data(connection.pk)

    on_response("/v3/applications", disconnect)
    with (
        open_interactive_provider(connection.credential, lane=Lane.PEOPLE) as provider,
        pytest.raises(ConnectionChanged),
    ):
        record_refresh.refresh_application(connection, provider, application.remote_id)
    assert not Application.objects.exists()


def test_disconnect_waits_for_open_write(
    connect, personas: Personas, sandbox: Sandbox, sign_in
) -> None:
    connection = connect()
    ada = sign_in(personas.ada)
    job = _active_application().job
    new = sandbox.run_mutation("new_application", job_id=job.remote_id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    answer = provider.get_candidate(new.candidate_id)
    with _hold_in_transaction(lambda: application_records.write_candidates(connection, [answer])):
        ada.post("/setup/disconnect/", {"name": "Acme"})
        set_up.delete_synced_data(connection.pk)
    assert not Candidate.objects.exists()


def test_repeated_request_reads_once(connect, sandbox: Sandbox, run_tasks, on_response) -> None:
    connection = connect()
    job = _active_application().job
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    assert run_tasks() == 1
    assert not RefreshRequest.objects.exists()
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    on_response(
        "/v3/applications",
        lambda: refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id),
    )
    assert run_tasks() == 2
    assert not RefreshRequest.objects.exists()


def test_slow_refresh_not_given_to_second_worker(
    connect, sandbox: Sandbox, run_tasks, advance_clock, on_response, settings
) -> None:
    """A reader that makes requests is alive; only a silent one is replaced."""
    settings.WORKER_TURN_SECONDS = 3600
    connection = connect()
    job = _active_application().job
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)

    def let_minutes_pass() -> None:
        advance_clock(150)
        refresh_worker.requeue_stalled_requests()

    for name in ("jobs", "job_interview_stages", "job_posts", "openings", "applications"):
        on_response(f"/v3/{name}", let_minutes_pass)
    assert run_tasks() == 1
    assert not RefreshRequest.objects.exists()
    request = refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    RefreshRequest.objects.filter(pk=request.pk).update(
        claimed_at=timezone.now()
    )  # the worker then died
    advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
    run_tasks()
    refresh_worker.requeue_stalled_requests()
    assert run_tasks() == 1
    assert not RefreshRequest.objects.exists()


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "being read"])
@pytest.mark.parametrize("statement", range(1, 5))
def test_request_fulfilled_during_repeat_is_kept(
    connect, run_tasks, taken: bool, statement: int
) -> None:
    """Another worker fulfills it before any of the statements of the repeated request."""
    connection = connect()
    job = _active_application().job
    request = refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    if taken:
        RefreshRequest.objects.filter(pk=request.pk).update(claimed_at=timezone.now())
    countdown = iter(range(statement))

    def fulfill_request(execute: Any, sql: str, *args: Any) -> Any:
        if "sync_refreshrequest" in sql and next(countdown, None) == statement - 1:
            RefreshRequest.objects.filter(pk=request.pk).delete()
        return execute(sql, *args)

    with database.execute_wrapper(fulfill_request):
        again = refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    assert again.remote_id == job.remote_id
    run_tasks()
    assert not RefreshRequest.objects.filter(claimed_at=None).exists()


def test_request_retried_after_outage(connect, sandbox: Sandbox, run_tasks, advance_clock) -> None:
    connection = connect()
    job = _active_application().job
    sandbox.run_mutation("rename_job", job_id=job.remote_id, name="Renamed")
    sandbox.faults.add_fault("/v3/", kind="drop_before", times=None)
    refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
    run_tasks()
    assert RefreshRequest.objects.count() == 1
    sandbox.faults.clear_faults()
    advance_clock(30)
    run_tasks()
    job.refresh_from_db()
    assert job.name == "Renamed"
    assert not RefreshRequest.objects.exists()


def test_stale_page_triggers_job_refresh(connect, sandbox, run_tasks, advance_clock) -> None:
    connection = connect()
    job = _active_application().job
    assert not refresh_requests.refresh_if_stale(job, freshness.get_freshness(connection, job=job))
    advance_clock(2 * 60 * 60)
    job_freshness = freshness.get_freshness(connection, job=job)
    assert job_freshness.stale
    assert refresh_requests.refresh_if_stale(job, job_freshness)
    run_tasks()
    job.refresh_from_db()
    assert freshness.get_freshness(connection, job=job).state == freshness.State.LIVE


def test_deleted_stage_and_unknown_candidate_are_handled(
    connect, sandbox: Sandbox, run_tasks
) -> None:
    connection = connect()
    application = _active_application()
    Candidate.objects.filter(pk=application.candidate_id).delete()
    stage = Stage.objects.filter(job=application.job).last()
    sandbox.run_mutation("delete_stage", stage_id=stage.remote_id)
    refresh_requests.request_refresh(connection, Kind.JOB, application.job.remote_id)
    run_tasks()
    application.refresh_from_db()
    stage.refresh_from_db()
    assert application.candidate is not None
    assert not stage.active


def test_unexpected_error_settles_one_read(
    connect, sandbox: Sandbox, run_tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect()
    failing, other = Application.objects.filter(status="active", gone_at=None)[:2]
    refresh_application = refresh_worker.refresh_application

    def fail_for_one(connection: Connection, provider: Any, remote_id: int) -> Application:
        if remote_id == failing.remote_id:
            raise KeyError("odd data")
        return refresh_application(connection, provider, remote_id)

    monkeypatch.setattr(refresh_worker, "refresh_application", fail_for_one)
    sandbox.run_mutation("reject_application", application_id=other.remote_id)
    for application in (failing, other):
        refresh_requests.request_refresh(connection, Kind.APPLICATION, application.remote_id)
    run_tasks()
    other.refresh_from_db()
    assert other.status == "rejected"
    assert not RefreshRequest.objects.exists()
    issue = Issue.objects.get(cause=Issue.Cause.REFRESH_FAILED, closed_at=None)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    issue.refresh_from_db()
    assert issue.closed_at is not None
