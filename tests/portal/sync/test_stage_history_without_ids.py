"""Stage entry times where v3 returns no stage id and no history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.engine import run_lifecycle
from portal.sync.models import Application, SyncRun


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """An older account whose applications name their stage without its id."""
    with Sandbox(seed=7, jobs=20, v1_limit=0, v3_limit=0, job_interview_stage_id=False) as running:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = running.url
        yield running


def test_only_a_move_changes_stage_entry_time(
    connect, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    connection = connect(without={"application_stages.list"})
    rows = Application.objects.filter(status="active", stage_entry_id__isnull=False)
    application = next(
        row
        for row in rows.filter(stage_remote_id=None, job__status="open")
        if _count_later_stages(sandbox, row) >= 2
    )

    def sync_after(change: Any) -> None:
        advance_clock(20 * 60)
        change()
        run_lifecycle.request_sync(connection, SyncRun.Scope.RECENT)
        run_tasks()
        application.refresh_from_db()

    sync_after(
        lambda: sandbox.run_mutation("move_application", application_id=application.remote_id)
    )
    moved_at, moved = application.entered_stage_at, application.last_activity_at
    assert moved_at == moved
    world = sandbox.dataset()
    sync_after(lambda: world.record_activity(world.applications[application.remote_id]))
    assert application.last_activity_at > moved
    assert application.entered_stage_at == moved_at
    sync_after(
        lambda: sandbox.run_mutation("move_application", application_id=application.remote_id)
    )
    assert application.entered_stage_at == application.last_activity_at


def _count_later_stages(sandbox: Sandbox, application: Application) -> int:
    world = sandbox.dataset()
    stages = world.list_job_stages(application.job.remote_id, active_only=True)
    stage_id = world.applications[application.remote_id].stage_id
    return len(stages) - 1 - [stage.id for stage in stages].index(stage_id)
