"""Syncs under repeated rate limiting wait as told and complete. A sleep moves the clock."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.core.models import QueuedTask
from portal.issues.models import Issue
from portal.sync import schedule
from portal.sync.engine import run_lifecycle
from portal.sync.models import Application, AtsUser, Candidate, Job, JobGrant, SyncRun
from tests.api_generations import any_generation
from tests.portal.sync.sandbox_truth import assert_sync_matches

Scope, Status = SyncRun.Scope, SyncRun.Status
LISTS = ("users", "jobs", "job_posts", "candidates", "applications", "rejection_reasons")
CUSTOM_FIELDS = "/v3/custom_fields"


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """A sandbox with rate limits of few requests per window."""
    with Sandbox(seed=7, jobs=20, v1_limit=20, v3_limit=20) as running:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = running.url
        yield running


@pytest.fixture(autouse=True)
def _sleep_moves_clock(advance_clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", advance_clock)


@pytest.fixture
def run_to_end(run_tasks, advance_clock):
    """Run all tasks, each at its due time."""

    def run_all() -> None:
        run_tasks()
        while task := QueuedTask.objects.order_by("due_at").first():
            advance_clock(max(0.1, (task.due_at - timezone.now()).total_seconds()))
            run_tasks()

    return run_all


@pytest.fixture
def run_full_sync(sandbox: Sandbox, run_to_end):
    """Run a full sync and return it with its requests."""

    def synced(connection: Any) -> tuple[SyncRun, list[Any]]:
        run_to_end()  # of the setup
        AtsUser.objects.update(access_read_at=None)  # everybody's access is read each time
        before = len(sandbox.requests)
        run = run_lifecycle.request_sync(connection, Scope.FULL)
        run_to_end()
        run.refresh_from_db()
        return run, list(sandbox.requests)[before:]

    return synced


def _add_rate_limits(sandbox: Sandbox, kind: str, chance: random.Random) -> dict[str, float]:
    """Rate-limit several lists and return the minimum wait by path.

    Greenhouse documents two forms: Retry-After, and the epoch at which the window ends.
    """
    paths = [f"/{'v1' if kind == 'harvest_key' else 'v3'}/{name}" for name in LISTS]
    wait_by_path: dict[str, float] = {}
    for path in [*paths, *(["/token"] if kind == "harvest_oauth" else [])]:
        wait, times = chance.randint(2, 20), chance.randint(1, 4)
        if chance.random() < 0.7:
            sandbox.faults.add_fault(path, status=429, retry_after=wait, times=times)
            wait_by_path[path] = wait
        else:  # only the end of the window
            reset = {"X-RateLimit-Reset": str(int(time.time()) + 60)}
            sandbox.faults.add_fault(path, status=429, headers=reset, times=1)
            wait_by_path[path] = 0.0
    return wait_by_path


def _timestamp(entry: Any) -> float:
    return datetime.fromisoformat(entry.time).timestamp()


def _leave_out_repeatable(requests: list[Any]) -> list[Any]:
    """Custom fields are read again if the limit is met between them and their options."""
    return [request for request in requests if request.path not in ("/token", CUSTOM_FIELDS)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rate_limited_sync_waits_and_repeats_no_request(
    connect, sandbox: Sandbox, run_full_sync, advance_clock, kind: str, seed: int
) -> None:
    connection = connect(kind)
    advance_clock(60)  # what connecting used of the rate limit is free again
    _, unlimited_requests = run_full_sync(connection)
    for model in (JobGrant, Application, Candidate, Job):
        model.objects.all().delete()
    sandbox.app.tokens.expire_all()
    wait_by_path = _add_rate_limits(sandbox, kind, random.Random(seed))
    run, requests = run_full_sync(connection)
    assert run.status == Status.DONE
    assert not sandbox.faults.to_dicts()  # every fault was met
    assert_sync_matches(sandbox, kind)
    refused = [request for request in requests if request.status == 429]
    renewed = [request for request in requests if request.path == "/token" or request.status == 401]
    assert len(refused) >= 6
    answered = [request for request in requests if request not in {*refused, *renewed}]
    assert len(_leave_out_repeatable(answered)) == len(_leave_out_repeatable(unlimited_requests))
    for request, next_request in itertools.pairwise(requests):
        if request.status == 429:
            assert _timestamp(next_request) - _timestamp(request) >= wait_by_path[request.path]


@any_generation
def test_endless_rate_limit_backs_off_and_opens_issue(
    connect, sandbox: Sandbox, run_tasks, run_to_end, advance_clock, kind: str
) -> None:
    connection = connect(kind)
    run_to_end()
    Application.objects.all().delete()
    runs_before, requests_before = SyncRun.objects.count(), len(sandbox.requests)
    sandbox.faults.add_fault("/v", status=429, retry_after=6, times=None)
    began = time.time()
    while time.time() < began + 60 * 60:
        advance_clock(60)
        schedule.request_due_syncs()
        run_tasks()
    new_runs = SyncRun.objects.all()[: SyncRun.objects.count() - runs_before]
    causes = [run.cause for run in new_runs if run.status == Status.FAILED]
    assert 3 <= len(causes) <= 24
    assert len(sandbox.requests) - requests_before <= 65  # about one a minute
    assert set(causes) == {SyncRun.Cause.RATE_LIMIT}
    assert Issue.objects.get(cause=Issue.Cause.RATE_LIMIT).is_open
    sandbox.faults.clear_faults()
    advance_clock(60 * 60)
    run_to_end()  # what still waits
    for scope in (Scope.FULL, Scope.PEOPLE):  # failures are counted per scope
        run_lifecycle.request_sync(connection, scope)
    run_to_end()
    assert not Issue.objects.get(cause=Issue.Cause.RATE_LIMIT).is_open
    assert_sync_matches(sandbox, kind)
