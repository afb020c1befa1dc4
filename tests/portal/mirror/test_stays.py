"""Since when applications are in their stage: told by v3's history, inferred with v1."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.ats.types import StageEntry
from integrations.greenhouse.sandbox import Sandbox
from portal.mirror import stays, sync
from portal.mirror.models import Application, SyncRun

Scope = SyncRun.Scope


@pytest.fixture
def told(sandbox: Sandbox):
    """By application: when Greenhouse says that its present stage began."""

    def all_of_them() -> dict[int, datetime]:
        rows = [one for one in sandbox.world().history if one.current and one.entered_at]
        return {one.application_id: datetime.fromisoformat(one.entered_at) for one in rows}

    return all_of_them


def _here() -> dict[int, Any]:
    rows = Application.objects.exclude(stage_entry_id=None)
    return dict(rows.values_list("remote_id", "entered_stage_at"))


def test_v3_tells_when_each_application_entered_its_stage(connect, told) -> None:
    connect()
    here = _here()
    assert len(here) > 100
    assert here == {remote_id: told()[remote_id] for remote_id in here}


def test_a_move_is_told_by_the_next_sync_for_one_page(
    connect, sandbox: Sandbox, work, later, told
) -> None:
    connection = connect()
    later(20 * 60)
    one = Application.objects.filter(status="active", stage__order=0, job__status="open").first()
    sandbox.mutate("move_application", application_id=one.remote_id)
    entry = next(
        e for e in sandbox.world().history.where("application_id", one.remote_id) if e.current
    )
    sandbox.world().change(entry, entered_at="2026-11-20T08:15:30.250Z")  # noted afterwards
    run = sync.request(connection, Scope.RECENT)
    work()
    one.refresh_from_db()
    assert one.entered_stage_at == told()[one.remote_id]
    step = run.steps.get(kind="stays")
    assert (step.requests, step.changed) == (1, 1)


def test_without_the_history_the_time_is_inferred_and_that_is_no_news(connect) -> None:
    connect(without={"application_stages.list"})
    run = SyncRun.objects.get()
    assert run.status == SyncRun.Status.DONE
    first = Application.objects.filter(stage__order=0).first()
    assert first.entered_stage_at == first.applied_at


def test_v1_tells_no_history_and_is_asked_for_none(connect, sandbox: Sandbox) -> None:
    connect("harvest_key")
    step = SyncRun.objects.get().steps.get(kind="stays")
    assert (step.seen, step.requests) == (0, 0)
    first = Application.objects.filter(stage__order=0).first()
    assert first.entered_stage_at == first.applied_at


@pytest.mark.sqlite
def test_a_page_is_looked_up_by_the_application_not_held_against_all_of_them(connect) -> None:
    """SQLite once took each page apart anew for every application: minutes for a large customer."""
    connection = connect()
    now = timezone.now()
    entry = StageEntry(
        id=1, application_id=1, stage_id=1, entered_at=now, exited_at=None, current=True
    )
    with CaptureQueriesContext(database) as seen:
        stays.write(connection, [entry])
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {seen[-1]['sql']}")
        ways = [way for *_, way in cursor.fetchall()]
    assert [way for way in ways if "SEARCH here" in way and "remote_id=?" in way], ways
