"""What Greenhouse does not show is not gone before there is reason to believe it."""

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

Scope, Status = SyncRun.Scope, SyncRun.Status
Cause = Issue.Cause
KINDS: tuple[Any, ...] = (AtsRole, AtsUser, Job, JobGrant, Stage, Candidate, Application)
DAY = 24 * 3600 + 60

Run = Callable[..., SyncRun]


@pytest.fixture
def read(work: Callable[[], int]) -> Run:
    def synced(connection: Connection, scope: str = Scope.FULL) -> SyncRun:
        run = sync.request(connection, scope)
        work()
        run.refresh_from_db()
        return run

    return synced


def here() -> dict[str, int]:
    counted = {model.__name__: model.objects.filter(gone_at=None).count() for model in KINDS}
    return counted | {"named": Candidate.objects.exclude(last_name="").count()}


def no_site_admin_any_more(sandbox: Sandbox) -> int:
    reader: int = sandbox.credentials.find(V3["client_id"]).service_user_id
    sandbox.mutate("set_site_admin", user=reader, site_admin=False)
    return reader


def open_issues() -> set[tuple[str, str]]:
    return set(Issue.objects.filter(closed_at=None).values_list("cause", "key"))


# -- a reader who is no Site Admin any more ----------------------------------------------------
@either_refusal
@pytest.mark.parametrize("scope", [Scope.PEOPLE, Scope.FULL])
def test_a_reader_who_is_no_site_admin_any_more_empties_nothing(
    connect, sandbox: Sandbox, read: Run, later, scope: str
) -> None:
    connection = connect()
    later(600)  # the check of the set-up is no news any more
    before = here()
    reader = no_site_admin_any_more(sandbox)
    run = read(connection, scope)
    assert run.status == Status.FAILED
    assert "is not a Site Admin" in run.failure
    assert here() == before
    assert (Cause.NO_SITE_ADMIN, "") in open_issues()
    sandbox.mutate("set_site_admin", user=reader)
    assert read(connection, scope).status == Status.DONE
    assert here() == before


@either_refusal
def test_what_a_web_hook_names_is_not_erased_where_the_reader_is_shown_nothing(
    connect, sandbox: Sandbox
) -> None:
    connection = connect()
    one = Application.objects.filter(status="active", gone_at=None, job__status="open").first()
    before = here()
    no_site_admin_any_more(sandbox)
    for kind, pk in (
        ("candidates", one.candidate.remote_id),
        ("applications", one.remote_id),
        ("jobs", one.job.remote_id),
    ):
        told(connection, kind, pk)
    assert here() == before
    with pytest.raises(Exception, match="is not a Site Admin"):
        single.refresh_job(connection, one.job.remote_id)
    assert here() == before


def told(connection: Connection, kind: str, remote_id: int) -> None:
    address, _ = Address.objects.get_or_create(connection=connection)
    Delivery.objects.create(
        connection=connection,
        event_id=f"{kind}{remote_id}",
        action="update",
        subject=kind.removesuffix("s"),
        names={kind: [remote_id]},
    )
    reread.read(address)


# -- after the end of v1 -----------------------------------------------------------------------
def test_after_the_end_of_v1_what_a_web_hook_names_is_not_erased(connect, sandbox: Sandbox) -> None:
    connection = connect("harvest_key")
    one = Application.objects.filter(status="active", gone_at=None, job__status="open").first()
    before = here()
    answering(sandbox, "/v1/", lambda _: Answer(404, {"message": "Resource not found"}).response)
    told(connection, "candidates", one.candidate.remote_id)
    told(connection, "applications", one.remote_id)
    told(connection, "jobs", one.job.remote_id)
    assert here() == before
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {Delivery.Outcome.FAILED}


# -- a list that lacks most of what is here ----------------------------------------------------
LISTS = [
    ("users", AtsUser, Scope.PEOPLE),
    ("jobs", Job, Scope.FULL),
    ("candidates", Candidate, Scope.FULL),
    ("applications", Application, Scope.FULL),
]


def answering(sandbox: Sandbox, path: str, answer: Callable[[Request], Response]) -> None:
    inner = sandbox.app.handle
    sandbox.app.handle = lambda request: (  # type: ignore[method-assign]
        answer(request) if request.path.startswith(path) else inner(request)
    )


def shows_only(sandbox: Sandbox, kind: str, name: str, keep: int) -> Callable[[], None]:
    """A list of Greenhouse's that is cut short, until it is given back."""
    world, inner = sandbox.world(), sandbox.app.handle
    table = getattr(world, name)
    rows = list(table)[:keep]

    def cut(request: Request) -> Response:
        response = inner(request)
        if request.path != f"/{kind}/{name}" or response.status != 200:
            return response
        kept = [one for one in json.loads(response.body) if one["id"] in {row.id for row in rows}]
        short = Answer(200, kept).response
        short.headers.update({k: v for k, v in response.headers.items() if k != "Link"})
        return short

    sandbox.app.handle = cut  # type: ignore[method-assign]
    return lambda: setattr(sandbox.app, "handle", inner)


@pytest.mark.parametrize(("name", "model", "scope"), LISTS, ids=[name for name, _, _ in LISTS])
def test_a_list_that_lacks_most_of_what_is_here_is_not_believed_at_once(
    connect, sandbox: Sandbox, read: Run, kind: str, name: str, model: Any, scope: str
) -> None:
    connection = connect(kind)
    before = here()
    back = shows_only(sandbox, "v1" if kind == "harvest_key" else "v3", name, 2)
    run = read(connection, scope)
    assert run.status == Status.FAILED
    assert "Nothing was removed here" in run.failure
    assert run.steps.get(kind=name).failure == run.failure
    assert here() == before
    issue = Issue.objects.get(cause=Cause.MOST_MISSING)
    assert (issue.key, issue.is_open, issue.severity) == (name, True, Issue.Severity.MUST_ACT)
    back()
    assert read(connection, scope).status == Status.DONE
    assert here() == before
    issue.refresh_from_db()
    assert issue.closed_why == "the list holds most of what is here"


def test_an_account_that_lost_most_of_it_is_believed_when_readings_agreed_for_a_day(
    connect, sandbox: Sandbox, read: Run, later
) -> None:
    connection = connect()
    candidates = list(sandbox.world().candidates)
    for row in candidates[3:]:
        sandbox.mutate("delete_candidate", candidate_id=row.id)
    for _ in range(5):
        assert read(connection).status == Status.FAILED
        later(5 * 3600)
    assert Candidate.objects.filter(gone_at=None).count() == len(candidates)
    assert open_issues() == {(Cause.MOST_MISSING, name) for name in ("candidates", "applications")}
    assert read(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == 3
    assert open_issues() == set()
    assert Application.objects.filter(gone_at=None).count() == sandbox.stats()["applications"]


def test_readings_days_apart_do_not_agree(connect, sandbox: Sandbox, read: Run, later) -> None:
    connection = connect()
    before = here()
    shows_only(sandbox, "v3", "candidates", 2)
    read(connection)
    later(5 * DAY)  # paused, say
    assert read(connection).status == Status.FAILED
    assert here() == before
    again = Issue.objects.get(cause=Cause.MOST_MISSING, closed_at=None)
    assert Issue.objects.filter(cause=Cause.MOST_MISSING).count() == 2
    assert again.last_seen_at - again.first_seen_at < timedelta(minutes=1)


def test_a_list_that_is_doubted_holds_up_no_other(connect, sandbox: Sandbox, read: Run) -> None:
    connection = connect()
    shows_only(sandbox, "v3", "users", 2)
    grant = JobGrant.objects.filter(gone_at=None, user__primary_email="remy@acme.example").first()
    sandbox.mutate("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    run = read(connection)
    assert run.status == Status.FAILED
    failed = run.steps.exclude(status__in=("done", "refused", "left_out"))
    assert list(failed.values_list("kind", flat=True)) == ["users"]
    grant.refresh_from_db()
    assert grant.gone_at


def test_less_than_most_is_believed_at_once(connect, sandbox: Sandbox, read: Run) -> None:
    connection = connect()
    candidates = list(sandbox.world().candidates)
    for row in candidates[: len(candidates) // 3]:
        sandbox.mutate("delete_candidate", candidate_id=row.id)
    assert read(connection).status == Status.DONE
    assert Candidate.objects.filter(gone_at=None).count() == len(list(sandbox.world().candidates))


@pytest.mark.parametrize("sandbox", [{"jobs": 4}], indirect=True)
def test_of_a_few_most_may_go_at_once_though_not_all(connect, sandbox: Sandbox, read: Run) -> None:
    connection = connect("harvest_key")
    few = Job.objects.filter(gone_at=None)
    first, *others = few.values_list("remote_id", flat=True)
    assert 1 < few.count() < doubt.FEWEST
    for job in others:
        sandbox.mutate("delete_job", job_id=job)
    read(connection)
    assert [job.remote_id for job in few.all()] == [first]
    sandbox.mutate("delete_job", job_id=first)
    assert read(connection).status == Status.FAILED  # but not all
    assert [job.remote_id for job in few.all()] == [first]


def test_what_changed_is_read_while_a_list_is_doubted(
    connect, sandbox: Sandbox, read: Run, later
) -> None:
    connection = connect()
    shows_only(sandbox, "v3", "jobs", 2)
    assert read(connection).status == Status.FAILED
    later(1200)
    assert Scope.RECENT in schedule.due(connection)
    assert read(connection, Scope.RECENT).status == Status.DONE
    assert open_issues() == {(Cause.MOST_MISSING, "jobs")}
