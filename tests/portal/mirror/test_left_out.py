"""What nothing switched on needs is not asked for; once it is granted it is read whole."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.mirror import single, sync, tasks
from portal.mirror.models import Application, Candidate, Job, Office, SyncRun, SyncStep
from portal.mirror.single import Kind
from tests.cast import Cast
from tests.portal.mirror.permissions import given, taken_away
from tests.portal.mirror.truth import assert_equal

CANDIDATES = {"candidates.list", "candidates.retrieve"}
Scope = SyncRun.Scope


@pytest.fixture
def ada(cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


@pytest.fixture
def refresh(work):
    def refreshed(connection: Connection, scope: str) -> SyncRun:
        run = sync.request(connection, scope)
        work()
        run.refresh_from_db()
        return run

    return refreshed


def _left_out(run: SyncRun) -> list[str]:
    steps = run.steps.filter(status=SyncStep.Status.LEFT_OUT)
    return list(steps.order_by("id").values_list("kind", flat=True))


def _asked(sandbox: Sandbox, do) -> list[str]:
    """The paths that are asked for meanwhile."""
    before = len(list(sandbox.requests))
    do()
    return [request.path for request in list(sandbox.requests)[before:]]


def test_a_sync_of_changes_spends_no_request_on_what_is_off_and_says_so(
    connect, sandbox: Sandbox, ada: Client, later, refresh
) -> None:
    connection = connect(without={"application_stages.list"})
    later(15 * 60)
    asked = _asked(sandbox, lambda: refresh(connection, Scope.RECENT))
    assert "/v3/applications" in asked
    assert "/v3/application_stages" not in asked
    run = connection.syncs.first()
    assert (run.status, _left_out(run)) == (SyncRun.Status.DONE, ["stays"])
    said = (
        "Left out: Time in stage, because Stage history is off: the Greenhouse credential lacks "
        "“Applications · Get: List Application Stages”."
    )
    assert said in html.unescape(ada.get("/set-up/syncs/").content.decode())


def test_a_first_sync_leaves_out_what_is_off_and_that_is_no_failure(
    connect, ada: Client, kind: str
) -> None:
    connect(kind, without=CANDIDATES)
    run = SyncRun.objects.get()
    assert (run.status, _left_out(run)) == (SyncRun.Status.DONE, ["candidates"])
    assert Application.objects.exists()
    page = html.unescape(ada.get("/set-up/sync/").content.decode())
    assert "What is switched on has been read" in page
    assert "Left out: Candidates, because Candidates' names is off" in page


def test_nothing_is_called_gone_by_what_was_left_out(
    connect, sandbox: Sandbox, ada: Client, work, refresh
) -> None:
    connection = connect()
    before = Candidate.objects.filter(gone_at=None).count()
    taken_away(sandbox, connection, *CANDIDATES)
    ada.post("/set-up/permissions/")
    work()
    assert _left_out(refresh(connection, Scope.FULL)) == ["candidates"]
    assert Candidate.objects.filter(gone_at=None).count() == before


def test_what_a_check_found_granted_is_read_whole_by_the_next_sync(
    connect, sandbox: Sandbox, ada: Client, work, later, refresh, kind: str
) -> None:
    """So is what hangs on it: applications that came without their candidates get them."""
    connection = connect(kind, without=CANDIDATES | {"offices.list"})
    assert _left_out(SyncRun.objects.get()) == ["offices", "candidates"]
    given(sandbox, connection, "offices.list", *CANDIDATES)
    later(15 * 60)
    assert _left_out(refresh(connection, Scope.RECENT)) == ["candidates"]  # no check has looked yet
    ada.post("/set-up/permissions/")
    work()
    later(15 * 60)
    run = refresh(connection, Scope.RECENT)
    assert (run.scope, _left_out(run)) == (Scope.FULL, [])
    assert Office.objects.exists()
    assert_equal(sandbox, kind)
    later(15 * 60)
    assert refresh(connection, Scope.RECENT).scope == Scope.RECENT


def test_what_is_refused_although_a_check_found_it_granted_is_not_read_whole_each_time(
    connect, sandbox: Sandbox, ada: Client, work, later, refresh
) -> None:
    connection = connect(without={"offices.list"})
    given(sandbox, connection, "offices.list")
    ada.post("/set-up/permissions/")
    work()
    sandbox.faults.add("/v3/offices", status=403, times=1)
    for scope in (Scope.FULL, Scope.RECENT):
        later(15 * 60)
        assert refresh(connection, Scope.RECENT).scope == scope


def test_grants_that_tell_nothing_without_roles_cost_no_request_per_user(
    connect, sandbox: Sandbox, refresh
) -> None:
    """An API key's grants name interviewers too: without the roles nobody is shown anything by."""
    connection = connect("harvest_key", without={"user_roles.list"})
    asked = _asked(sandbox, lambda: refresh(connection, Scope.PEOPLE))
    assert "/v1/users" in asked
    assert not [path for path in asked if "permissions/jobs" in path]
    assert _left_out(connection.syncs.first()) == ["roles", "grants"]


def test_a_new_requisition_does_not_bring_what_is_off(
    connect, sandbox: Sandbox, later, refresh
) -> None:
    connection = connect(without={"openings.list_for_job"})
    later(15 * 60)
    refresh(connection, Scope.RECENT)
    later(15 * 60)
    sandbox.mutate("create_job", name="Brand new")
    run = refresh(connection, Scope.RECENT)
    assert _left_out(run) == ["openings"]
    assert run.steps.filter(kind__in=("stages", "posts"), status="done").count() == 2


def test_one_requisition_is_read_again_without_what_is_off(
    connect, sandbox: Sandbox, kind: str
) -> None:
    off = {"job_posts.list", "job_posts.list_for_job", "job_posts.retrieve_for_job"}
    connection = connect(kind, without=off | CANDIDATES)
    job = Job.objects.filter(applications__status="active").first()
    asked = _asked(sandbox, lambda: single.refresh_job(connection, job.remote_id))
    assert [path for path in asked if "application" in path]
    assert not [path for path in asked if "candidates" in path or "job_post" in path]


def test_a_record_that_is_off_is_not_read_again_for_a_web_hook(connect, sandbox: Sandbox) -> None:
    connection = connect(without=CANDIDATES)
    wish = single.ask(connection, Kind.CANDIDATE, 1)
    assert _asked(sandbox, lambda: tasks.read_single(wish.pk)) == []
    assert not type(wish).objects.filter(pk=wish.pk).exists()
