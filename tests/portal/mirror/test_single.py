"""Reading one record again, and having it read by a worker, once."""

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
from tests.portal.mirror.reading import when_a_sync_reads
from tests.portal.mirror.truth import assert_equal

GRANTS = {
    "harvest_oauth": "/v3/user_job_permissions",
    "harvest_key": "/v1/users/{id}/permissions/jobs",
}


@contextmanager
def _still_being_written(write_it: Callable[[], object]) -> Iterator[None]:
    """Somebody else has written this, and commits half a second later."""
    written, go_on = Event(), Event()

    def somebody_else() -> None:
        with transaction.atomic():
            write_it()
            written.set()
            go_on.wait(5)
        connections.close_all()

    writing = Thread(target=somebody_else)
    writing.start()
    assert written.wait(5)
    Timer(0.5, go_on.set).start()
    yield
    writing.join()


def _active(job: Job | None = None) -> Application:
    rows = Application.objects.filter(status="active", job__status="open", job__isnull=False)
    found = (rows.filter(job=job) if job else rows).select_related("job", "candidate").first()
    assert found is not None
    return found


def test_an_application_is_read_as_it_is_now_and_gone_when_it_is_gone(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connection = connect(kind)
    application = _active()
    sandbox.mutate("reject_application", application_id=application.remote_id)
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = single.refresh_application(connection, provider, application.remote_id)
    assert now.status == "rejected"
    sandbox.mutate("delete_application", application_id=application.remote_id)
    with pytest.raises(NotFound):
        single.refresh_application(connection, provider, application.remote_id)
    application.refresh_from_db()
    assert application.gone_at is not None


def test_an_older_answer_that_is_written_later_takes_nothing_back(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connection = connect(kind)
    application = _active()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    asked, answer = timezone.now(), provider.get_application(application.remote_id)
    sandbox.mutate("reject_application", application_id=application.remote_id)
    single.refresh_application(connection, provider, application.remote_id)
    with asked_at(asked):  # a sync's page that was long under way
        written = write.applications(connection, [answer])
    assert written.touched == ()
    application.refresh_from_db()
    assert application.status == "rejected"
    sandbox.mutate("unreject_application", application_id=application.remote_id)
    with asked_at(timezone.now()):
        write.applications(connection, [provider.get_application(application.remote_id)])
    application.refresh_from_db()
    assert application.status == "active"


def test_an_older_answer_that_is_written_first_keeps_out_no_newer_one(
    connect, sandbox: Sandbox, kind: str
) -> None:
    """What counts is when each was asked for, not when it came to be written."""
    connection = connect(kind)
    application = _active()
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


def test_a_page_that_waits_for_a_click_to_be_written_leaves_it_as_it_is(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connection = connect(kind)
    application = _active()
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    sandbox.world().touch(sandbox.world().applications[application.remote_id])
    asked, page = timezone.now(), provider.get_application(application.remote_id)
    sandbox.mutate("reject_application", application_id=application.remote_id)
    newer = provider.get_application(application.remote_id)
    with _still_being_written(lambda: write.applications(connection, [newer])), asked_at(asked):
        write.applications(connection, [page])
    application.refresh_from_db()
    assert application.status == "rejected"


def test_a_new_application_brings_its_candidate_and_job(connect, sandbox: Sandbox, kind) -> None:
    connection = connect(kind)
    job = sandbox.mutate("create_job", name="Brand new")
    applied = sandbox.mutate("new_application", job_id=job.id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    now = single.refresh_application(connection, provider, applied.id)
    assert now.job.name == "Brand new"
    assert now.candidate.first_name == "Nina"
    assert now.stage.job == now.job


def test_a_job_is_read_with_its_stages_and_applications(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    connection = connect(kind)
    job = _active().job
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


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_a_part_that_cannot_be_read_is_not_gone(
    connect, sandbox: Sandbox, kind: str, named: bool
) -> None:
    """And nothing is, where one cannot even be named."""
    connection = connect(kind)
    job = _active().job
    broken, deleted = Stage.objects.filter(job=job, gone_at=None).order_by("-order")[:2]
    path = STAGES[kind].format(job.remote_id)

    def odd(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for one in rows:
            if one["id"] == broken.remote_id:
                one |= {"name": ["odd"], "sort_order": {}, "priority": {}}
                one |= {} if named else {"id": "odd"}
        return [one for one in rows if one["id"] != deleted.remote_id]

    _answers_with(sandbox, path, odd)
    single.refresh_job(connection, job.remote_id)
    broken.refresh_from_db()
    deleted.refresh_from_db()
    assert broken.gone_at is None
    assert (deleted.gone_at is not None) is named


def _answers_with(sandbox: Sandbox, path: str, change: Any) -> None:
    """Greenhouse answers this path with changed records."""
    inner = sandbox.app.handle

    def handle(request: Any) -> Any:
        response = inner(request)
        if request.path != path or response.status != 200:
            return response
        changed = ok(json.dumps(change(json.loads(response.body))).encode())
        changed.headers.update(response.headers)
        return changed

    sandbox.app.handle = handle  # type: ignore[method-assign]


def test_a_part_that_came_while_the_list_was_read_is_not_gone(
    connect, sandbox: Sandbox, meanwhile, kind: str
) -> None:
    connection = connect(kind)
    job = _active().job
    made = ats.Stage(
        id=999_999, job_id=job.remote_id, name="New", order=9, active=True, updated_at=None
    )
    meanwhile(STAGES[kind].format(job.remote_id), lambda: write.stages(connection, [made]))
    single.refresh_job(connection, job.remote_id)
    assert Stage.objects.get(remote_id=made.id).gone_at is None


def test_whoever_applied_and_is_unknown_here_is_read_at_once_or_soon_so_many(
    connect, sandbox: Sandbox, work, monkeypatch, kind: str
) -> None:
    monkeypatch.setattr(single, "MOST_SINGLES", 2)
    monkeypatch.setattr(single, "MOST_ASKED", 5)
    connection = connect(kind)
    job = _active().job
    for _ in range(6):
        sandbox.mutate("new_application", job_id=job.remote_id)
    nameless = Application.objects.filter(job=job, candidate=None)
    single.refresh_job(connection, job.remote_id)
    assert nameless.count() == 4
    assert SingleRead.objects.filter(kind=Kind.APPLICATION).count() == 3
    work()
    assert nameless.count() == 1  # a sync brings the rest


def test_a_deleted_job_is_gone_once_it_was_asked_for(connect, sandbox: Sandbox, work, kind) -> None:
    connection = connect(kind)
    job = _active().job
    sandbox.mutate("delete_job", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    job.refresh_from_db()
    assert job.gone_at is not None


def test_applications_of_a_deleted_job_follow_it(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    """Also those beyond the ones that are read at once; one that was moved before lives on."""
    connection = connect(kind)
    job = _active().job
    for _ in range(single.MOST_SINGLES + 5):
        sandbox.mutate("new_application", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    moved = _active(job)
    other = Job.objects.filter(status="open", gone_at=None).exclude(pk=job.pk).first()
    sandbox.mutate("transfer_application", application_id=moved.remote_id, job_id=other.remote_id)
    sandbox.mutate("delete_job", job_id=job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    moved.refresh_from_db()
    assert (moved.job, moved.gone_at) == (other, None)
    assert not Application.objects.filter(job=job, gone_at=None).exists()
    assert_equal(sandbox, kind, but=("candidates", "openings", "stages", "posts", "grants"))


def test_a_deleted_candidate_is_erased_here_with_a_receipt_that_names_nobody(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
    connection = connect(kind)
    application = next(a for a in Application.objects.select_related("candidate") if a.answers)
    person = application.candidate
    name = f"{person.first_name} {person.last_name}"
    sandbox.mutate("delete_candidate", candidate_id=person.remote_id)
    single.ask(connection, Kind.CANDIDATE, person.remote_id)
    work()
    person.refresh_from_db()
    application.refresh_from_db()
    assert (person.first_name, person.last_name, person.company) == ("", "", "")
    assert person.erased_at is not None
    assert application.answers == []
    receipt = Entry.objects.get(verb="mirror.erased")
    told = f"{receipt.words} {receipt.after}"
    assert not any(word in told for word in name.split())


def test_access_lost_in_greenhouse_is_lost_here_when_people_are_read(
    connect, sandbox: Sandbox, work, kind: str
) -> None:
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


def test_access_taken_back_does_not_return_with_an_older_page(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    """A full sync lists the grant, people are read beside it, and then its page is written."""
    connection = connect(kind)
    granted = JobGrant.objects.filter(user__primary_email=cast.remy.user.email, job__status="open")
    grant = granted.filter(job_admin=True, job__gone_at=None).select_related("user", "job").first()
    page = f"/requisitions/{grant.job_id}/"
    remy = sign_in(cast.remy)
    assert remy.get(page).status_code == 200

    def taken_back() -> None:
        sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
        sync.read_people(connection)

    with when_a_sync_reads(GRANTS[kind], taken_back):
        sync.run(sync.open_run(connection, by=None)[0])
    grant.refresh_from_db()
    assert grant.gone_at is not None
    assert remy.get(page).status_code == 404
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
def test_a_read_under_way_leaves_nothing_behind_in_a_mirror_that_is_emptied(
    connect, cast: Cast, sign_in, work, meanwhile, path: str
) -> None:
    connection = connect()
    job = _active().job
    Candidate.objects.filter(applications__job=job).delete()  # each is read anew
    ada = sign_in(cast.ada)

    def left() -> None:
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)

    meanwhile(f"/v3/{path}", left)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    for model in (Job, Stage, Candidate, Application):
        assert not model.objects.exists(), model


def test_a_read_under_way_when_another_account_comes_writes_nothing_of_the_former_one(
    connect, cast: Cast, sign_in, sandbox: Sandbox, work, meanwhile
) -> None:
    connection = connect()
    job = _active().job
    ada = sign_in(cast.ada)

    def changed() -> None:
        ada.post("/set-up/credential/", OTHER)
        set_up.empty(connection.pk)  # from here on the connection may be read again

    meanwhile("/v3/applications", changed)
    single.ask(connection, Kind.JOB, job.remote_id)
    work()
    for model, kind in ((Job, "jobs"), (Application, "applications")):
        theirs = {one.id for one in getattr(sandbox.world("other"), kind)}
        here = {*model.objects.values_list("remote_id", flat=True)}
        assert here, kind
        assert here <= theirs, kind


def test_a_click_under_way_when_its_connection_ends_leaves_nothing_behind(
    connect, cast: Cast, sign_in, sandbox: Sandbox, meanwhile
) -> None:
    connection = connect()
    application = _active()
    ada = sign_in(cast.ada)

    def left() -> None:
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)

    meanwhile("/v3/applications", left)
    with asking(connection.credential, lane=Lane.PEOPLE) as provider, pytest.raises(Ended):
        single.refresh_application(connection, provider, application.remote_id)
    assert not Application.objects.exists()


def test_whoever_ends_a_connection_waits_for_an_answer_that_is_being_written(
    connect, cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    connection = connect()
    ada = sign_in(cast.ada)
    job = _active().job
    new = sandbox.mutate("new_application", job_id=job.remote_id, first_name="Nina")
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    answer = provider.get_candidate(new.candidate_id)
    with _still_being_written(lambda: write.candidates(connection, [answer])):
        ada.post("/set-up/disconnect/", {"name": "Acme"})
        set_up.empty(connection.pk)
    assert not Candidate.objects.exists()


def test_asking_twice_reads_once_and_asking_while_it_is_read_reads_again(
    connect, sandbox: Sandbox, work, meanwhile
) -> None:
    connection = connect()
    job = _active().job
    single.ask(connection, Kind.JOB, job.remote_id)
    single.ask(connection, Kind.JOB, job.remote_id)
    assert work() == 1
    assert not SingleRead.objects.exists()
    single.ask(connection, Kind.JOB, job.remote_id)
    meanwhile("/v3/applications", lambda: single.ask(connection, Kind.JOB, job.remote_id))
    assert work() == 2
    assert not SingleRead.objects.exists()


def test_a_job_whose_reading_takes_long_is_not_handed_to_a_second_worker(
    connect, sandbox: Sandbox, work, later, meanwhile
) -> None:
    """Its reader lives, as its requests tell; only a silent one is followed by the next."""
    connection = connect()
    job = _active().job
    single.ask(connection, Kind.JOB, job.remote_id)

    def minutes_pass() -> None:
        later(150)
        single.sweep()

    for list_of_it in ("jobs", "job_interview_stages", "job_posts", "openings", "applications"):
        meanwhile(f"/v3/{list_of_it}", minutes_pass)
    assert work() == 1
    assert not SingleRead.objects.exists()
    wish = single.ask(connection, Kind.JOB, job.remote_id)
    SingleRead.objects.filter(pk=wish.pk).update(taken_at=timezone.now())  # and then it died
    later(sync.silent_after().total_seconds() + 1)
    work()
    single.sweep()
    assert work() == 1
    assert not SingleRead.objects.exists()


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "being read"])
@pytest.mark.parametrize("statement", range(1, 5))
def test_a_wish_fulfilled_while_it_is_asked_for_again_is_there_again(
    connect, work, taken: bool, statement: int
) -> None:
    """Another worker fulfils it before any of the statements that ask."""
    connection = connect()
    job = _active().job
    wish = single.ask(connection, Kind.JOB, job.remote_id)
    if taken:
        SingleRead.objects.filter(pk=wish.pk).update(taken_at=timezone.now())
    left = iter(range(statement))

    def fulfilled(execute: Any, sql: str, *rest: Any) -> Any:
        if "mirror_singleread" in sql and next(left, None) == statement - 1:
            SingleRead.objects.filter(pk=wish.pk).delete()
        return execute(sql, *rest)

    with database.execute_wrapper(fulfilled):
        again = single.ask(connection, Kind.JOB, job.remote_id)
    assert again.remote_id == job.remote_id
    work()
    assert not SingleRead.objects.filter(taken_at=None).exists()


def test_while_greenhouse_is_down_the_wish_is_kept_and_tried_again(
    connect, sandbox: Sandbox, work, later, quick_retries
) -> None:
    connection = connect()
    job = _active().job
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


def test_a_page_that_is_opened_stale_has_its_job_read(connect, sandbox, work, later) -> None:
    connection = connect()
    job = _active().job
    assert not single.refresh_if_stale(job)
    later(2 * 60 * 60)
    assert freshness.of(connection, job=job).stale
    assert single.refresh_if_stale(job)
    work()
    job.refresh_from_db()
    assert freshness.of(connection, job=job).state == freshness.State.LIVE


def test_a_deleted_stage_and_an_unknown_candidate_do_not_stop_a_job(
    connect, sandbox: Sandbox, work
) -> None:
    connection = connect()
    application = _active()
    Candidate.objects.filter(pk=application.candidate_id).delete()
    stage = Stage.objects.filter(job=application.job).last()
    sandbox.mutate("delete_stage", stage_id=stage.remote_id)
    single.ask(connection, Kind.JOB, application.job.remote_id)
    work()
    application.refresh_from_db()
    stage.refresh_from_db()
    assert application.candidate is not None
    assert not stage.active
