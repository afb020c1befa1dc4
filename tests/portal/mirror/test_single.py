"""Refreshing single records, directly and through queued requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections, transaction
from django.utils import timezone

from integrations.ats import types as ats
from integrations.ats.errors import NotFound
from integrations.ats.wiring import Lane
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http import ok
from portal.audit.models import Entry
from portal.connections.open import asking, open_provider
from portal.mirror import freshness, single, sync, write
from portal.mirror.guard import Ended
from portal.mirror.models import Application, AtsUser, Candidate, Job, JobGrant, SingleRead, Stage
from portal.mirror.single import Kind
from portal.mirror.upsert import asked_at
from portal.onboarding import tasks as set_up
from tests.cast import Cast
from tests.conftest import V3
from tests.generations import any_generation
from tests.portal.mirror.reading import when_a_sync_reads
from tests.portal.mirror.truth import assert_equal

GRANTS = {
    "harvest_oauth": "/v3/user_job_permissions",
    "harvest_key": "/v1/users/{id}/permissions/jobs",
}


@contextmanager
def _held_in_open_transaction(write: Callable[[], object]) -> Iterator[None]:
    """Another thread performs this write and commits half a second later."""
    written, commit = Event(), Event()

    def write_in_transaction() -> None:
        with transaction.atomic():
            write()
            written.set()
            commit.wait(5)
        connections.close_all()

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
    sandbox.mutate("reject_application", application_id=application.remote_id)
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = single.refresh_application(connection, provider, application.remote_id)
    assert now.status == "rejected"
    sandbox.mutate("delete_application", application_id=application.remote_id)
    with pytest.raises(NotFound):
        single.refresh_application(connection, provider, application.remote_id)
    application.refresh_from_db()
    assert application.gone_at is not None


@any_generation
def test_older_answer_written_later_is_ignored(connect, sandbox: Sandbox, kind: str) -> None:
    connection = connect(kind)
    application = _active_application()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    asked, answer = timezone.now(), provider.get_application(application.remote_id)
    sandbox.mutate("reject_application", application_id=application.remote_id)
    single.refresh_application(connection, provider, application.remote_id)
    with asked_at(asked):  # as a slow sync writes its page
        result = write.applications(connection, [answer])
    assert result.touched == ()
    application.refresh_from_db()
    assert application.status == "rejected"
    sandbox.mutate("unreject_application", application_id=application.remote_id)
    with asked_at(timezone.now()):
        write.applications(connection, [provider.get_application(application.remote_id)])
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
    sandbox.world().touch(sandbox.world().applications[application.remote_id])
    asked, page = timezone.now(), provider.get_application(application.remote_id)
    sandbox.mutate("reject_application", application_id=application.remote_id)
    asked_later, newer = timezone.now(), provider.get_application(application.remote_id)
    with asked_at(asked):
        write.applications(connection, [page])
    with asked_at(asked_later):
        write.applications(connection, [newer])
    application.refresh_from_db()
    assert application.status == "rejected"


@any_generation
def test_older_page_waiting_for_lock_is_ignored(connect, sandbox: Sandbox, kind: str) -> None:
    connection = connect(kind)
    application = _active_application()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    sandbox.world().touch(sandbox.world().applications[application.remote_id])
    asked, page = timezone.now(), provider.get_application(application.remote_id)
    sandbox.mutate("reject_application", application_id=application.remote_id)
    newer = provider.get_application(application.remote_id)
    with (
        _held_in_open_transaction(lambda: write.applications(connection, [newer])),
        asked_at(asked),
    ):
        write.applications(connection, [page])
    application.refresh_from_db()
    assert application.status == "rejected"


def test_new_application_brings_candidate_and_job(connect, sandbox: Sandbox, kind) -> None:
    connection = connect(kind)
    job = sandbox.mutate("create_job", name="Brand new")
    applied = sandbox.mutate("new_application", job_id=job.id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = single.refresh_application(connection, provider, applied.id)
    assert now.job.name == "Brand new"
    assert now.candidate.first_name == "Nina"
    assert now.stage.job == now.job


def test_job_refresh_reads_stages_and_applications(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    connection = connect(kind)
    job = _active_application().job
    moved, rejected = Application.objects.filter(job=job, status="active")[:2]
    other = Job.objects.filter(status="open", gone_at=None).exclude(pk=job.pk).first()
    sandbox.mutate("rename_job", job_id=job.remote_id, name="Renamed")
    sandbox.mutate("transfer_application", application_id=moved.remote_id, job_id=other.remote_id)
    sandbox.mutate("reject_application", application_id=rejected.remote_id)
    new = sandbox.mutate("new_application", job_id=job.remote_id, first_name="Nina")
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    for row in (job, moved, rejected):
        row.refresh_from_db()
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
    single.refresh_job(connection, job.remote_id)
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
        changed = ok(json.dumps(change(json.loads(response.body))).encode())
        changed.headers.update(response.headers)
        return changed

    sandbox.app.handle = handle  # type: ignore[method-assign]


@any_generation
def test_stage_created_during_refresh_is_not_gone(
    connect, sandbox: Sandbox, meanwhile, kind: str
) -> None:
    connection = connect(kind)
    job = _active_application().job
    new_stage = ats.Stage(
        id=999_999, job_id=job.remote_id, name="New", order=9, active=True, updated_at=None
    )
    meanwhile(STAGES[kind].format(job.remote_id), lambda: write.stages(connection, [new_stage]))
    single.refresh_job(connection, job.remote_id)
    assert Stage.objects.get(remote_id=new_stage.id).gone_at is None


@any_generation
def test_unknown_applicants_read_up_to_limits(
    connect, sandbox: Sandbox, work, monkeypatch, kind: str
) -> None:
    monkeypatch.setattr(single, "MOST_SINGLES", 2)
    monkeypatch.setattr(single, "MOST_ASKED", 5)
    connection = connect(kind)
    job = _active_application().job
    for _ in range(6):
        sandbox.mutate("new_application", job_id=job.remote_id)
    unknown_applicants = Application.objects.filter(job=job, candidate=None)
    single.refresh_job(connection, job.remote_id)
    assert unknown_applicants.count() == 4
    assert SingleRead.objects.filter(kind=Kind.APPLICATION).count() == 3
    work()
    assert unknown_applicants.count() == 1  # the next sync reads the rest


@any_generation
def test_deleted_job_gone_after_refresh(connect, sandbox: Sandbox, work, kind) -> None:
    connection = connect(kind)
    job = _active_application().job
    sandbox.mutate("delete_job", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    job.refresh_from_db()
    assert job.gone_at is not None


def test_deleted_job_takes_its_applications_along(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    """Also those beyond the limit of immediate reads; a transferred application stays."""
    connection = connect(kind)
    job = _active_application().job
    for _ in range(single.MOST_SINGLES + 5):
        sandbox.mutate("new_application", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    moved = _active_application(job)
    other = Job.objects.filter(status="open", gone_at=None).exclude(pk=job.pk).first()
    sandbox.mutate("transfer_application", application_id=moved.remote_id, job_id=other.remote_id)
    sandbox.mutate("delete_job", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    moved.refresh_from_db()
    assert (moved.job, moved.gone_at) == (other, None)
    assert not Application.objects.filter(job=job, gone_at=None).exists()
    assert_equal(sandbox, kind, but=("candidates", "openings", "stages", "posts", "grants"))


@any_generation
def test_deleted_candidate_erased_with_anonymous_receipt(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    connection = connect(kind)
    application = next(a for a in Application.objects.select_related("candidate") if a.answers)
    candidate = application.candidate
    name = f"{candidate.first_name} {candidate.last_name}"
    sandbox.mutate("delete_candidate", candidate_id=candidate.remote_id)
    single.ask(connection, Kind.CANDIDATE, candidate.remote_id)
    work()
    candidate.refresh_from_db()
    application.refresh_from_db()
    assert (candidate.first_name, candidate.last_name, candidate.company) == ("", "", "")
    assert candidate.erased_at is not None
    assert application.answers == []
    receipt = Entry.objects.get(verb="mirror.erased")
    receipt_text = f"{receipt.words} {receipt.after}"
    assert not any(part in receipt_text for part in name.split())


def test_lost_access_ends_after_people_sync(connect, sandbox: Sandbox, work, kind: str) -> None:
    connection = connect(kind)
    grant = JobGrant.objects.select_related("user", "job").first()
    leaver = AtsUser.objects.filter(deactivated=False, site_admin=True).first()
    sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    sandbox.mutate("deactivate_user", user=leaver.remote_id)
    single.ask(connection, Kind.PEOPLE)
    work()
    leaver.refresh_from_db()
    assert JobGrant.objects.get(pk=grant.pk).gone_at is not None
    assert leaver.deactivated


def test_revoked_grant_not_restored_by_older_page(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    """The grant is listed by a full sync, revoked, and only then that page is written."""
    connection = connect(kind)
    granted = JobGrant.objects.filter(user__primary_email=cast.remy.user.email, job__status="open")
    grant = granted.filter(job_admin=True, job__gone_at=None).select_related("user", "job").first()
    path = f"/requisitions/{grant.job_id}/"
    remy = sign_in(cast.remy)
    assert remy.get(path).status_code == 200

    def revoke_grant() -> None:
        sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
        sync.read_people(connection)

    with when_a_sync_reads(GRANTS[kind], revoke_grant):
        sync.run(sync.open_run(connection, by=None)[0])
    grant.refresh_from_db()
    assert grant.gone_at is not None
    assert remy.get(path).status_code == 404
    sync.request(connection, sync.Scope.PEOPLE)
    work()
    assert_equal(sandbox, kind)


OTHER = {
    **V3,
    "client_id": greenhouse.OTHER_V3_CLIENT_ID,
    "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
    "another_account": "Acme",
}


@pytest.mark.parametrize("path", ["jobs", "job_interview_stages", "applications", "candidates"])
def test_emptied_mirror_not_refilled_by_open_read(
    connect, cast: Cast, sign_in, work, meanwhile, path: str
) -> None:
    connection = connect()
    job = _active_application().job
    Candidate.objects.filter(applications__job=job).delete()  # each is read anew
    ada = sign_in(cast.ada)

    def disconnect() -> None:
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)

    meanwhile(f"/v3/{path}", disconnect)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    for model in (Job, Stage, Candidate, Application):
        assert not model.objects.exists(), model


def test_open_read_of_former_account_is_discarded(
    connect, cast: Cast, sign_in, sandbox: Sandbox, work, meanwhile
) -> None:
    connection = connect()
    job = _active_application().job
    ada = sign_in(cast.ada)

    def switch_account() -> None:
        ada.post("/set-up/credential/", OTHER)
        set_up.empty(connection.pk)  # from here on the connection may be read again

    meanwhile("/v3/applications", switch_account)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    for model, kind in ((Job, "jobs"), (Application, "applications")):
        expected_ids = {row.id for row in getattr(sandbox.world("other"), kind)}
        mirrored_ids = {*model.objects.values_list("remote_id", flat=True)}
        assert mirrored_ids, kind
        assert mirrored_ids <= expected_ids, kind


def test_open_click_writes_nothing_after_disconnect(
    connect, cast: Cast, sign_in, sandbox: Sandbox, meanwhile
) -> None:
    connection = connect()
    application = _active_application()
    ada = sign_in(cast.ada)

    def disconnect() -> None:
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)

    meanwhile("/v3/applications", disconnect)
    with asking(connection.credential, lane=Lane.PEOPLE) as provider, pytest.raises(Ended):
        single.refresh_application(connection, provider, application.remote_id)
    assert not Application.objects.exists()


def test_disconnect_waits_for_open_write(connect, cast: Cast, sandbox: Sandbox, sign_in) -> None:
    connection = connect()
    ada = sign_in(cast.ada)
    job = _active_application().job
    new = sandbox.mutate("new_application", job_id=job.remote_id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    answer = provider.get_candidate(new.candidate_id)
    with _held_in_open_transaction(lambda: write.candidates(connection, [answer])):
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)
    assert not Candidate.objects.exists()


def test_repeated_request_reads_once(connect, sandbox: Sandbox, work, meanwhile) -> None:
    connection = connect()
    job = _active_application().job
    single.ask(connection, Kind.JOB, job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    assert work() == 1
    assert not SingleRead.objects.exists()
    single.ask(connection, Kind.JOB, job.remote_id)
    meanwhile("/v3/applications", lambda: single.ask(connection, Kind.JOB, job.remote_id))
    assert work() == 2
    assert not SingleRead.objects.exists()


def test_slow_refresh_not_given_to_second_worker(
    connect, sandbox: Sandbox, work, later, meanwhile
) -> None:
    """A reader that makes requests is alive; only a silent one is replaced."""
    connection = connect()
    job = _active_application().job
    single.ask(connection, Kind.JOB, job.remote_id)

    def let_minutes_pass() -> None:
        later(150)
        single.sweep()

    for name in ("jobs", "job_interview_stages", "job_posts", "openings", "applications"):
        meanwhile(f"/v3/{name}", let_minutes_pass)
    assert work() == 1
    assert not SingleRead.objects.exists()
    request = single.ask(connection, Kind.JOB, job.remote_id)
    SingleRead.objects.filter(pk=request.pk).update(taken_at=timezone.now())  # the worker then died
    later(sync.silent_after().total_seconds() + 1)
    work()
    single.sweep()
    assert work() == 1
    assert not SingleRead.objects.exists()


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "being read"])
@pytest.mark.parametrize("statement", range(1, 5))
def test_request_fulfilled_during_repeat_is_kept(
    connect, work, taken: bool, statement: int
) -> None:
    """Another worker fulfills it before any of the statements of the repeated request."""
    connection = connect()
    job = _active_application().job
    request = single.ask(connection, Kind.JOB, job.remote_id)
    if taken:
        SingleRead.objects.filter(pk=request.pk).update(taken_at=timezone.now())
    countdown = iter(range(statement))

    def fulfill_request(execute: Any, sql: str, *args: Any) -> Any:
        if "mirror_singleread" in sql and next(countdown, None) == statement - 1:
            SingleRead.objects.filter(pk=request.pk).delete()
        return execute(sql, *args)

    with database.execute_wrapper(fulfill_request):
        again = single.ask(connection, Kind.JOB, job.remote_id)
    assert again.remote_id == job.remote_id
    work()
    assert not SingleRead.objects.filter(taken_at=None).exists()


def test_request_retried_after_outage(
    connect, sandbox: Sandbox, work, later, quick_retries
) -> None:
    connection = connect()
    job = _active_application().job
    sandbox.mutate("rename_job", job_id=job.remote_id, name="Renamed")
    sandbox.faults.add("/v3/", kind="drop_before", times=None)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    assert SingleRead.objects.count() == 1
    sandbox.faults.clear()
    later(120)
    single.sweep()
    work()
    job.refresh_from_db()
    assert job.name == "Renamed"
    assert not SingleRead.objects.exists()


def test_stale_page_triggers_job_refresh(connect, sandbox, work, later) -> None:
    connection = connect()
    job = _active_application().job
    assert not single.refresh_if_stale(job)
    later(2 * 60 * 60)
    assert freshness.of(connection, job=job).stale
    assert single.refresh_if_stale(job)
    work()
    job.refresh_from_db()
    assert freshness.of(connection, job=job).state == freshness.State.LIVE


def test_deleted_stage_and_unknown_candidate_are_handled(connect, sandbox: Sandbox, work) -> None:
    connection = connect()
    application = _active_application()
    Candidate.objects.filter(pk=application.candidate_id).delete()
    stage = Stage.objects.filter(job=application.job).last()
    sandbox.mutate("delete_stage", stage_id=stage.remote_id)
    single.ask(connection, Kind.JOB, application.job.remote_id)
    work()
    application.refresh_from_db()
    stage.refresh_from_db()
    assert application.candidate is not None
    assert not stage.active
