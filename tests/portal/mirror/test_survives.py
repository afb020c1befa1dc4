"""A sync that is killed, raced or kept waiting ends with what Greenhouse holds.

Workers are processes of their own here, made by forking: they are truly killed, at a statement to
the database, within a page's transaction or outside of it.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections

from integrations.greenhouse.sandbox import Sandbox
from portal.issues.models import Issue
from portal.mirror import schedule, sync, tasks
from portal.mirror.models import Application, Job, SeenPage, SyncRun, SyncStep
from tests.portal.mirror.truth import assert_equal

Scope, Status = SyncRun.Scope, SyncRun.Status


def _worker(run: SyncRun, at: Callable[[str], int | None] = lambda sql: None) -> int:
    """A process that does the run; `at` gives the signal it sends itself before a statement."""
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:

        def watched(execute: Any, sql: str, *rest: Any) -> Any:
            if (number := at(sql)) is not None:
                os.kill(os.getpid(), number)
            return execute(sql, *rest)

        with database.execute_wrapper(watched):
            tasks.run(run.pk)
        status = 0
    finally:
        os._exit(status)


def _killed_after(statements: int) -> Callable[[str], int | None]:
    left = iter(range(statements, 0, -1))

    def at(sql: str) -> int | None:
        return None if next(left, None) else signal.SIGKILL

    return at


def _killed_at_its_first_step(sql: str) -> int | None:
    return signal.SIGKILL if sql.startswith('UPDATE "mirror_syncstep"') else None


def _end(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_place_it_goes_on_from_there(
    connect, sandbox: Sandbox, later, kind: str, seed: int
) -> None:
    connection = connect(kind)
    Job.objects.all().delete()
    Application.objects.all().delete()
    run, _ = sync.open_run(connection, by=None)
    chance, kills = random.Random(seed), 0
    while True:
        ended = _end(_worker(run, _killed_after(chance.randint(25, 45))))
        run.refresh_from_db()
        if not os.WIFSIGNALED(ended):
            break
        kills += 1
        assert os.WTERMSIG(ended) == signal.SIGKILL
        if not run.is_open:
            break  # killed after the run's end
        later(sync.silent_after().total_seconds() + 1)
        sync.sweep()
        run.refresh_from_db()
        assert run.status == Status.QUEUED, run.failure
    assert kills >= 5  # and as often with the other seed and generation
    assert run.status == Status.DONE
    assert not SeenPage.objects.exists()
    assert_equal(sandbox, kind)


@pytest.mark.parametrize(
    ("kind", "scope", "apart"),
    [
        pytest.param("harvest_oauth", Scope.RECENT, 3, id="what changed"),
        pytest.param("harvest_key", Scope.PEOPLE, 9, id="people and grants"),
    ],
)
def test_killed_at_twenty_places_of_a_smaller_run_each_ends_right(
    connect, sandbox: Sandbox, later, kind: str, scope: str, apart: int
) -> None:
    """One place after the other, each in a run of its own with changes of its own."""
    connection = connect(kind)
    changes = _work_goes_on(sandbox) if scope == Scope.RECENT else _access_changes(sandbox)
    later(15 * 60)
    for place in range(1, 100):
        next(changes)
        later(sync.silent_after().total_seconds() + 1)
        run, _ = sync.open_run(connection, by=None, scope=scope)
        killed = os.WIFSIGNALED(_end(_worker(run, _killed_after(2 + place * apart))))
        later(sync.silent_after().total_seconds() + 1)
        sync.sweep()
        run.refresh_from_db()
        assert run.is_open or not killed or run.status == Status.DONE
        if run.is_open:
            sync.run(run)
            run.refresh_from_db()
        assert run.status == Status.DONE, place
        assert not SeenPage.objects.exists()
        assert_equal(sandbox, kind)
        if not killed:
            break  # that was beyond its end
    assert place > 20


def _work_goes_on(sandbox: Sandbox) -> Iterator[None]:
    while True:
        active = [a for a in sandbox.world().applications if a.status == "active" and a.job_id]
        one, other = active[0], active[-1]
        sandbox.mutate("reject_application", application_id=one.id)
        named = {"first_name": f"A{one.id}", "last_name": "B"}
        sandbox.mutate("rename_candidate", candidate_id=one.candidate_id, **named)
        sandbox.mutate("rename_job", job_id=other.job_id, name=f"No longer {one.id}")
        sandbox.mutate("new_application", job_id=other.job_id)
        yield


def _access_changes(sandbox: Sandbox) -> Iterator[None]:
    world = sandbox.world()
    people = [u for u in world.users if world.emails_of(u.id) and not u.site_admin]
    jobs = [job for job in world.jobs if not job.is_template]
    for number in itertools.count():
        user, job = people[number % len(people)], jobs[number % len(jobs)]
        sandbox.mutate("add_grant", user=user.id, job_id=job.id)
        for grant in list(world.grants.where("user_id", people[number % 3].id))[:1]:
            sandbox.mutate("remove_grant", user=grant.user_id, job_id=grant.job_id)
        sandbox.mutate("deactivate_user" if number % 2 else "reactivate_user", user=people[0].id)
        yield


def test_a_worker_that_slept_while_another_took_over_writes_nothing_more(
    connect, sandbox: Sandbox, later
) -> None:
    connection = connect()
    run, _ = sync.open_run(connection, by=None)
    asked = iter(range(12, 0, -1))

    def asleep(sql: str) -> int | None:
        if 'INSERT INTO "connections_apicall"' not in sql:
            return None
        return signal.SIGSTOP if next(asked, None) == 1 else None

    sleeper = _worker(run, asleep)
    os.waitpid(sleeper, os.WUNTRACED)
    later(sync.silent_after().total_seconds() + 1)
    sync.sweep()
    run.refresh_from_db()
    assert sync.run(run)
    before = list(run.steps.values_list("kind", "pages", "seen"))
    os.kill(sleeper, signal.SIGCONT)
    assert _end(sleeper) == 0
    run.refresh_from_db()
    assert run.status == Status.DONE
    assert list(run.steps.values_list("kind", "pages", "seen")) == before
    assert_equal(sandbox, "harvest_oauth")


def test_of_two_workers_one_syncs(connect, sandbox: Sandbox) -> None:
    connection = connect()
    run, _ = sync.open_run(connection, by=None)
    asked = len(list(sandbox.requests))
    first, second = _worker(run), _worker(run)
    assert (_end(first), _end(second)) == (0, 0)
    run.refresh_from_db()
    assert run.status == Status.DONE
    paths = [one.path for one in list(sandbox.requests)[asked:] if one.path == "/v3/applications"]
    assert len(paths) == 1


def test_a_run_whose_workers_all_die_without_a_page_is_given_up(connect, later) -> None:
    connection = connect()
    run, _ = sync.open_run(connection, by=None)
    for _ in range(sync.MOST_TAKES):
        _end(_worker(run, _killed_at_its_first_step))
        later(sync.silent_after().total_seconds() + 1)
        sync.sweep()
    run.refresh_from_db()
    assert (run.status, run.cause) == (Status.FAILED, SyncRun.Cause.INTERRUPTED)


def test_a_worker_killed_after_the_first_sync_leaves_no_connection_waiting(connect) -> None:
    connection = connect()
    state = type(connection).State
    type(connection).objects.filter(pk=connection.pk).update(state=state.SYNCING)
    sync.sweep()
    connection.refresh_from_db()
    assert connection.state in {state.LIVE, state.DEGRADED}


def test_a_cursor_that_greenhouse_forgot_restarts_the_step_not_the_run(
    connect, sandbox: Sandbox, work, later
) -> None:
    """v3's cursors live an hour; a worker may have been dead for longer."""
    connection = connect()
    run, _ = sync.open_run(connection, by=None)
    step = run.steps.get(kind="applications")
    step.cursor = "/v3/applications?cursor=forgotten"
    step.save()
    run.steps.filter(kind="jobs").update(status=SyncStep.Status.DONE)
    sync.run(run)
    run.refresh_from_db()
    assert run.status == Status.DONE
    assert run.steps.get(kind="jobs").pages == 0
    assert_equal(sandbox, "harvest_oauth")


def test_too_many_requests_are_waited_for(connect, sandbox: Sandbox, work) -> None:
    connection = connect("harvest_key")
    sandbox.faults.add("/v1/jobs", status=429, retry_after=1, times=2)
    sync.request(connection, Scope.FULL)
    work()
    assert SyncRun.objects.filter(scope=Scope.FULL).first().status == Status.DONE
    assert_equal(sandbox, "harvest_key")


def test_an_hour_without_greenhouse_is_told_as_its_own_and_mends_itself(
    connect, sandbox: Sandbox, work, later, quick_retries
) -> None:
    connect()
    sandbox.faults.add("/v3/", kind="drop_before", times=None)
    tried = SyncRun.objects.count()
    for _ in range(60):
        later(60)
        schedule.tick()
        work()
    failed = SyncRun.objects.count() - tried
    assert 3 <= failed <= 24  # growing pauses, of syncs and of people: no hammering
    issue = Issue.objects.get(cause=Issue.Cause.GREENHOUSE_DOWN)
    assert issue.is_open
    assert issue.fixer == Issue.Fixer.GREENHOUSE
    assert "This is Greenhouse, not you" in issue.words
    assert not Issue.objects.filter(cause=Issue.Cause.SYNC_FAILING).exists()
    sandbox.faults.clear()
    later(60 * 60)
    schedule.tick()
    work()
    assert not Issue.objects.get(pk=issue.pk).is_open
    assert_equal(sandbox, "harvest_oauth")


def test_what_fails_again_and_again_is_said_and_retried_at_growing_pauses(
    connect, sandbox: Sandbox, work, later
) -> None:
    connection = connect()
    sandbox.faults.add("/v3/jobs", kind="html", times=None)
    for _ in range(4):
        later(3 * 60 * 60)
        schedule.tick()
        work()
    issue = Issue.objects.get(cause=Issue.Cause.SYNC_FAILING)
    assert issue.facts["failures"] >= 3
    assert Scope.FULL not in schedule.due(connection)
    assert Scope.RECENT not in schedule.due(connection)
    sandbox.faults.clear()
    later(60 * 60)
    schedule.tick()
    work()
    assert not Issue.objects.get(cause=Issue.Cause.SYNC_FAILING).is_open
