"""Syncs survive killed workers, races and outages.

Workers are forked processes and killed at a database statement, inside or outside a transaction.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections

from integrations.ats.emails import normalize_email
from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import User
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync import schedule, tasks
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import Application, AtsUser, Job, SeenPage, SyncRun, SyncStep
from tests.factories import MembershipFactory
from tests.portal.sync.sandbox_truth import assert_sync_matches

Scope, Status = SyncRun.Scope, SyncRun.Status


def _fork_worker(
    run: SyncRun, signal_before: Callable[[str], int | None] = lambda sql: None
) -> int:
    """Run the sync in a forked process that may signal itself before a statement."""
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:

        def send_signal(execute: Any, sql: str, *rest: Any) -> Any:
            if (signal_number := signal_before(sql)) is not None:
                os.kill(os.getpid(), signal_number)
            return execute(sql, *rest)

        with database.execute_wrapper(send_signal):
            tasks.run_sync(run.pk)
        status = 0
    finally:
        os._exit(status)


def _kill_after(statements: int) -> Callable[[str], int | None]:
    countdown = iter(range(statements, 0, -1))

    def signal_before(sql: str) -> int | None:
        return None if next(countdown, None) else signal.SIGKILL

    return signal_before


def _kill_at_first_step(sql: str) -> int | None:
    return signal.SIGKILL if 'UPDATE "sync_syncstep"' in sql else None


def _wait_for_exit(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


@pytest.mark.slow("kills a sync at least five times")
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_sync_resumes_until_done(
    connect, sandbox: Sandbox, advance_clock, kind: str, seed: int
) -> None:
    connection = connect(kind)
    Job.objects.all().delete()
    Application.objects.all().delete()
    AtsUser.objects.update(access_read_at=None)
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    chance, kills = random.Random(seed), 0
    while True:
        ended = _wait_for_exit(_fork_worker(run, _kill_after(chance.randint(25, 45))))
        run.refresh_from_db()
        if not os.WIFSIGNALED(ended):
            break
        kills += 1
        assert os.WTERMSIG(ended) == signal.SIGKILL
        if not run.is_open:
            break  # killed after the run's end
        advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
        run_recovery.recover_stalled_runs()
        run.refresh_from_db()
        assert run.status == Status.QUEUED, run.failure
    assert kills >= 5
    assert run.status == Status.DONE
    assert not SeenPage.objects.exists()
    assert_sync_matches(sandbox, kind)


@pytest.mark.slow("kills a sync at each of twenty and more places")
@pytest.mark.parametrize(
    ("kind", "scope", "spacing"),
    [
        pytest.param("harvest_oauth", Scope.RECENT, 2, id="what changed"),
        pytest.param("harvest_key", Scope.PEOPLE, 8, id="people and grants"),
    ],
)
def test_smaller_run_killed_anywhere_completes(
    connect, sandbox: Sandbox, advance_clock, kind: str, scope: str, spacing: int
) -> None:
    """Each place of the kill has a run and changes of its own."""
    connection = connect(kind)
    changes = _change_records(sandbox)
    if scope == Scope.PEOPLE:
        users = _list_grantable_users(sandbox)[:-1]  # the last remains a stranger
        _add_members(connection, sandbox, users)
        changes = _change_access(sandbox, users)
    advance_clock(15 * 60)
    for place in range(1, 100):
        next(changes)
        advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
        run, _ = run_lifecycle.get_or_create_run(connection, by=None, scope=scope)
        killed = os.WIFSIGNALED(_wait_for_exit(_fork_worker(run, _kill_after(2 + place * spacing))))
        advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
        run_recovery.recover_stalled_runs()
        run.refresh_from_db()
        assert run.is_open or not killed or run.status == Status.DONE
        if run.is_open:
            run_lifecycle.execute_run(run)
            run.refresh_from_db()
        assert run.status == Status.DONE, place
        assert not SeenPage.objects.exists()
        assert_sync_matches(sandbox, kind)
        if not killed:
            break  # the run ended before the place of the kill
    assert place > 20


def _change_records(sandbox: Sandbox) -> Iterator[None]:
    while True:
        active = [a for a in sandbox.dataset().applications if a.status == "active" and a.job_id]
        first, last = active[0], active[-1]
        sandbox.run_mutation("reject_application", application_id=first.id)
        named = {"first_name": f"A{first.id}", "last_name": "B"}
        sandbox.run_mutation("rename_candidate", candidate_id=first.candidate_id, **named)
        sandbox.run_mutation("rename_job", job_id=last.job_id, name=f"No longer {first.id}")
        sandbox.run_mutation("new_application", job_id=last.job_id)
        yield


def _list_grantable_users(sandbox: Sandbox) -> list[Any]:
    world = sandbox.dataset()
    return [u for u in world.users if world.list_user_emails(u.id) and not u.site_admin]


def _add_members(connection: Connection, sandbox: Sandbox, users: list[Any]) -> None:
    for user in users:
        email = normalize_email(sandbox.dataset().list_user_emails(user.id)[0].email)
        if not User.objects.filter(email=email).exists():
            MembershipFactory(user__email=email, organization=connection.organization)


def _change_access(sandbox: Sandbox, users: list[Any]) -> Iterator[None]:
    world = sandbox.dataset()
    jobs = [job for job in world.jobs if job.is_requisition]
    for number in itertools.count():
        user, job = users[number % len(users)], jobs[number % len(jobs)]
        sandbox.run_mutation("add_grant", user=user.id, job_id=job.id)
        for grant in list(world.grants.filter_by("user_id", users[number % 3].id))[:1]:
            sandbox.run_mutation("remove_grant", user=grant.user_id, job_id=grant.job_id)
        sandbox.run_mutation(
            "deactivate_user" if number % 2 else "reactivate_user", user=users[0].id
        )
        yield


def test_suspended_worker_writes_nothing_after_takeover(
    connect, sandbox: Sandbox, advance_clock
) -> None:
    connection = connect()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    countdown = iter(range(30, 0, -1))

    def stop_at_lease(sql: str) -> int | None:
        if "SET heartbeat_at" not in sql:
            return None
        return signal.SIGSTOP if next(countdown, None) == 1 else None

    suspended_worker = _fork_worker(run, stop_at_lease)
    os.waitpid(suspended_worker, os.WUNTRACED)
    advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
    run_recovery.recover_stalled_runs()
    run.refresh_from_db()
    assert run_lifecycle.execute_run(run)
    before = list(run.steps.values_list("kind", "pages", "read_count"))
    os.kill(suspended_worker, signal.SIGCONT)
    assert _wait_for_exit(suspended_worker) == 0
    run.refresh_from_db()
    assert run.status == Status.DONE
    assert list(run.steps.values_list("kind", "pages", "read_count")) == before
    assert_sync_matches(sandbox, "harvest_oauth")


def test_two_workers_sync_once(connect, sandbox: Sandbox) -> None:
    connection = connect()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    requests_before = len(list(sandbox.requests))
    first, second = _fork_worker(run), _fork_worker(run)
    assert (_wait_for_exit(first), _wait_for_exit(second)) == (0, 0)
    run.refresh_from_db()
    assert run.status == Status.DONE
    paths = [
        request.path
        for request in list(sandbox.requests)[requests_before:]
        if request.path == "/v3/applications"
    ]
    assert len(paths) == 1


def test_run_given_up_after_repeated_worker_deaths(connect, advance_clock) -> None:
    connection = connect()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    for _ in range(run_recovery.MAX_CLAIMS):
        _wait_for_exit(_fork_worker(run, _kill_at_first_step))
        advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
        run_recovery.recover_stalled_runs()
    run.refresh_from_db()
    assert (run.status, run.cause) == (Status.FAILED, SyncRun.Cause.INTERRUPTED)


def test_connection_state_repaired_after_worker_death(connect) -> None:
    connection = connect()
    state = type(connection).State
    type(connection).objects.filter(pk=connection.pk).update(state=state.SYNCING)
    run_recovery.recover_stalled_runs()
    connection.refresh_from_db()
    assert connection.state in {state.LIVE, state.DEGRADED}


def test_expired_cursor_restarts_step_only(
    connect, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    """v3 cursors live one hour; a worker may be dead for longer."""
    connection = connect()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    step = run.steps.get(kind="applications")
    step.cursor = "/v3/applications?cursor=forgotten"
    step.save()
    run.steps.filter(kind="jobs").update(status=SyncStep.Status.DONE)
    run_lifecycle.execute_run(run)
    run.refresh_from_db()
    assert run.status == Status.DONE
    assert run.steps.get(kind="jobs").pages == 0
    assert_sync_matches(sandbox, "harvest_oauth")


def test_rate_limited_request_waits_as_told(
    connect, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    connection = connect("harvest_key")
    sandbox.faults.add_fault("/v1/jobs", status=429, retry_after=30, times=2)
    requests_before = len(sandbox.requests)
    run_lifecycle.request_sync(connection, Scope.FULL)
    for _ in range(3):
        run_tasks()
        advance_clock(30)
    requests = [r for r in list(sandbox.requests)[requests_before:] if r.path == "/v1/jobs"][:3]
    assert [request.status for request in requests] == [429, 429, 200]
    moments = [datetime.fromisoformat(request.time) for request in requests]
    for before, after in itertools.pairwise(moments):
        assert after - before >= timedelta(seconds=30)
    assert SyncRun.objects.filter(scope=Scope.FULL).first().status == Status.DONE
    assert_sync_matches(sandbox, "harvest_key")


def test_outage_reported_as_greenhouse_and_recovers(
    connect, sandbox: Sandbox, run_tasks, advance_clock, quick_retries
) -> None:
    connect()
    sandbox.faults.add_fault("/v3/", kind="drop_before", times=None)
    runs_before = SyncRun.objects.count()
    for _ in range(60):
        advance_clock(60)
        schedule.request_due_syncs()
        run_tasks()
    failed = SyncRun.objects.count() - runs_before
    assert 3 <= failed <= 24  # exponential backoff, for full syncs and people syncs
    issue = Issue.objects.get(cause=Issue.Cause.GREENHOUSE_DOWN)
    assert issue.is_open
    assert issue.fixer == Issue.Fixer.GREENHOUSE
    assert "There's nothing you need to do" in issue.description
    assert not Issue.objects.filter(cause=Issue.Cause.SYNC_FAILING).exists()
    sandbox.faults.clear_faults()
    advance_clock(60 * 60)
    schedule.request_due_syncs()
    run_tasks()
    assert not Issue.objects.get(pk=issue.pk).is_open
    assert_sync_matches(sandbox, "harvest_oauth")


def test_repeated_failure_reported_and_backed_off(
    connect, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    connection = connect()
    sandbox.faults.add_fault("/v3/jobs", kind="html", times=None)
    for _ in range(4):
        advance_clock(3 * 60 * 60)
        schedule.request_due_syncs()
        run_tasks()
    issue = Issue.objects.get(cause=Issue.Cause.SYNC_FAILING)
    assert issue.details["failures"] >= 3
    schedule.request_due_syncs()
    queued_runs = SyncRun.objects.filter(connection=connection, status=Status.QUEUED)
    assert not queued_runs.exclude(scope=Scope.PEOPLE).exists()
    sandbox.faults.clear_faults()
    advance_clock(60 * 60)
    schedule.request_due_syncs()
    run_tasks()
    assert not Issue.objects.get(cause=Issue.Cause.SYNC_FAILING).is_open
