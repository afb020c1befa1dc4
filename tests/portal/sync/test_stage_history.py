"""When applications entered their stage: read from v3's history, inferred for v1."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.ats.types import StageEntry
from integrations.greenhouse.sandbox import Sandbox
from portal.issues.models import Issue
from portal.sync.engine import run_lifecycle
from portal.sync.models import Application, SyncRun
from portal.sync.records import stage_history

Scope = SyncRun.Scope


@pytest.fixture
def entry_times(sandbox: Sandbox):
    """Greenhouse's entry time of each application's current stage."""

    def read_history() -> dict[int, datetime]:
        rows = [entry for entry in sandbox.dataset().history if entry.current and entry.entered_at]
        return {entry.application_id: datetime.fromisoformat(entry.entered_at) for entry in rows}

    return read_history


def _mirrored_entry_times() -> dict[int, Any]:
    rows = Application.objects.exclude(stage_entry_id=None)
    return dict(rows.values_list("remote_id", "entered_stage_at"))


def test_v3_history_sets_stage_entry_times(connect, entry_times) -> None:
    connect()
    mirrored = _mirrored_entry_times()
    assert len(mirrored) > 100
    assert mirrored == {remote_id: entry_times()[remote_id] for remote_id in mirrored}


def test_move_updates_stage_entry_time_in_one_request(
    connect, sandbox: Sandbox, run_tasks, advance_clock, entry_times
) -> None:
    connection = connect()
    advance_clock(20 * 60)
    application = Application.objects.filter(
        status="active", stage__order=0, job__status="open"
    ).first()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    entry = next(
        row
        for row in sandbox.dataset().history.filter_by("application_id", application.remote_id)
        if row.current
    )
    sandbox.dataset().update_record(entry, entered_at="2026-11-20T08:15:30.250Z")
    run = run_lifecycle.request_sync(connection, Scope.RECENT)
    run_tasks()
    application.refresh_from_db()
    assert application.entered_stage_at == entry_times()[application.remote_id]
    step = run.steps.get(kind="stage_history")
    assert (step.requests, step.changed) == (1, 1)


def test_stage_entry_inferred_without_history_permission(connect) -> None:
    connect(without={"application_stages.list"})
    run = SyncRun.objects.get()
    assert run.status == SyncRun.Status.DONE
    assert not Issue.objects.exists()
    first = Application.objects.filter(stage__order=0).first()
    assert first.entered_stage_at == first.applied_at


def test_v1_infers_stage_entry_without_requests(connect, sandbox: Sandbox) -> None:
    connect("harvest_key")
    step = SyncRun.objects.get().steps.get(kind="stage_history")
    assert (step.read_count, step.requests) == (0, 0)
    first = Application.objects.filter(stage__order=0).first()
    assert first.entered_stage_at == first.applied_at


@pytest.mark.sqlite
def test_stage_history_write_uses_index(connect) -> None:
    """A table scan per application took minutes for a large customer."""
    connection = connect()
    now = timezone.now()
    entry = StageEntry(id=1, application_id=1, stage_id=1, entered_at=now, current=True)
    with CaptureQueriesContext(database) as queries:
        stage_history.write_stage_entries(connection, [entry])
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
        plan = [line for *_, line in cursor.fetchall()]
    assert [line for line in plan if "SEARCH existing" in line and "remote_id=?" in line], plan
