"""Since when applications are in their stage where v3 tells no id of it, and no history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.mirror import sync
from portal.mirror.models import Application, SyncRun


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    """An older account: its applications name their entry into a stage alone."""
    with Sandbox(seed=7, jobs=20, v1_limit=0, v3_limit=0, job_interview_stage_id=False) as running:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = running.url
        yield running


def test_any_change_leaves_the_time_and_a_move_begins_it_anew(
    connect, sandbox: Sandbox, work, later
) -> None:
    connection = connect(without={"application_stages.list"})
    rows = Application.objects.filter(status="active", stage_entry_id__isnull=False)
    one = rows.filter(stage_remote_id=None, job__status="open").first()

    def read(change: Any) -> None:
        later(20 * 60)
        change()
        sync.request(connection, SyncRun.Scope.RECENT)
        work()
        one.refresh_from_db()

    read(lambda: sandbox.mutate("move_application", application_id=one.remote_id))
    moved_at, moved = one.entered_stage_at, one.last_activity_at
    assert moved_at == moved
    world = sandbox.world()
    read(lambda: world.touch(world.applications[one.remote_id]))
    assert one.last_activity_at > moved
    assert one.entered_stage_at == moved_at
    read(lambda: sandbox.mutate("move_application", application_id=one.remote_id))
    assert one.entered_stage_at == one.last_activity_at
