"""Greenhouse asks to slow down, again and again: the mirror waits as told and ends as it would.

Nothing sleeps here: a wait moves the clock, which is the sandbox's, too.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.issues.models import Issue
from portal.mirror import schedule, sync
from portal.mirror.models import Application, Candidate, Job, JobGrant, SyncRun
from tests.portal.mirror.truth import assert_equal

Scope, Status = SyncRun.Scope, SyncRun.Status
LISTS = ("users", "jobs", "job_posts", "candidates", "applications", "rejection_reasons")


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """One that counts: few requests fit into its windows."""
    with Sandbox(seed=7, jobs=20, v1_limit=20, v3_limit=20) as running:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = running.url
        yield running


@pytest.fixture(autouse=True)
def _waits_move_the_clock(later, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", later)


@pytest.fixture
def full(sandbox: Sandbox, work):
    """A full sync with what it asked of Greenhouse."""

    def synced(connection: Any) -> tuple[SyncRun, list[Any]]:
        before = len(sandbox.requests)
        run = sync.request(connection, Scope.FULL)
        work()
        run.refresh_from_db()
        return run, list(sandbox.requests)[before:]

    return synced


def _storm(sandbox: Sandbox, kind: str, chance: random.Random) -> dict[str, float]:
    """Refusals for several lists, each with its wait (documented: by Retry-After, and as the epoch
    of the window's end); gives the least wait by path.
    """
    paths = [f"/{'v1' if kind == 'harvest_key' else 'v3'}/{name}" for name in LISTS]
    told: dict[str, float] = {}
    for path in [*paths, *(["/token"] if kind == "harvest_oauth" else [])]:
        wait, times = chance.randint(2, 20), chance.randint(1, 4)
        if chance.random() < 0.7:
            sandbox.faults.add(path, status=429, retry_after=wait, times=times)
            told[path] = wait
        else:  # nothing but when the window ends
            reset = {"X-RateLimit-Reset": str(int(time.time()) + 60)}
            sandbox.faults.add(path, status=429, headers=reset, times=1)
            told[path] = 0.0
    return told


def _moment(entry: Any) -> float:
    return datetime.fromisoformat(entry.time).timestamp()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_of_refusals_costs_each_refusal_one_request_and_its_wait(
    connect, sandbox: Sandbox, full, kind: str, seed: int
) -> None:
    connection = connect(kind)
    _, calm = full(connection)
    for model in (JobGrant, Application, Candidate, Job):
        model.objects.all().delete()
    sandbox.expire_tokens()
    told = _storm(sandbox, kind, random.Random(seed))
    run, asked = full(connection)
    assert run.status == Status.DONE
    assert not sandbox.faults.plain()  # the whole storm was met
    assert_equal(sandbox, kind)
    refused = [one for one in asked if one.status == 429]
    renewed = [one for one in asked if one.path == "/token" or one.status == 401]
    assert len(refused) >= 6
    assert len(asked) - len({*refused, *renewed}) == len(
        [one for one in calm if one.path != "/token"]
    )
    for one, following in itertools.pairwise(asked):
        if one.status == 429:
            assert _moment(following) - _moment(one) >= told[one.path]


def test_a_storm_without_an_end_is_met_with_growing_pauses_and_said(
    connect, sandbox: Sandbox, work, later, kind: str, settings: Any
) -> None:
    connection = connect(kind)
    patience, settings.PATIENCE_SYNC = settings.PATIENCE_SYNC, 20.0
    Application.objects.all().delete()
    tried, asked = SyncRun.objects.count(), len(sandbox.requests)
    sandbox.faults.add("/v", status=429, retry_after=6, times=None)
    began = time.time()
    while time.time() < began + 60 * 60:
        later(60)
        schedule.tick()
        work()
    failed = SyncRun.objects.count() - tried
    assert 3 <= failed <= 24
    assert len(sandbox.requests) - asked <= 6 * failed  # a few tries each
    assert {run.cause for run in SyncRun.objects.all()[:failed]} == {SyncRun.Cause.RATE_LIMIT}
    assert Issue.objects.get(cause=Issue.Cause.RATE_LIMIT).is_open
    sandbox.faults.clear()
    settings.PATIENCE_SYNC = patience
    later(60 * 60)
    for scope in (Scope.FULL, Scope.PEOPLE):  # judged apart
        sync.request(connection, scope)
    work()
    assert not Issue.objects.get(cause=Issue.Cause.RATE_LIMIT).is_open
    assert_equal(sandbox, kind)
