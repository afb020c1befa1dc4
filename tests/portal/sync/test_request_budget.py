"""How many requests an hour costs at Greenhouse, and how often access is read in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.sync import schedule
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from tests.conftest import Connect
from tests.personas import Personas

NOON = datetime(2026, 11, 25, 12, 1, tzinfo=UTC)  # far from the nightly full sync
HOUR, STEP = 3600, 300

pytestmark = pytest.mark.slow("an hour of syncs")


@pytest.fixture
def count_hour(
    connect: Connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    advance_clock,
    time_machine,
) -> Callable[..., tuple[int, int]]:
    """Connect, and count the requests and the reads of access in the second hour after that."""

    def count_requests(kind: str, *, in_use: bool = False) -> tuple[int, int]:
        time_machine.move_to(NOON, tick=True)
        connection = connect(kind)
        advance_clock(HOUR)
        run_lifecycle.sync_people(connection)  # the hour before had its reads, too
        sandbox.requests.clear_entries()
        started_at = timezone.now()
        for _ in range(HOUR // STEP):
            advance_clock(STEP)
            if in_use:
                sign_in(personas.sam).get("/requisitions/")
            schedule.request_due_syncs()
            run_tasks()
        print(len(list(sandbox.requests)), "requests")  # noqa: T201  (figures for `pytest -s`)
        reads = connection.syncs.filter(scope=SyncRun.Scope.PEOPLE, started_at__gt=started_at)
        return len(list(sandbox.requests)), reads.count()

    return count_requests


def test_quiet_v3_hour_within_budget(count_hour, personas: Personas) -> None:
    requests, reads = count_hour("harvest_oauth")
    assert requests <= 45
    assert reads == 2


def test_quiet_v1_hour_reads_members_only(count_hour, personas: Personas) -> None:
    requests, reads = count_hour("harvest_key")
    assert requests <= 45
    assert reads == 2


@pytest.mark.parametrize("sandbox", [{"users": 150}], indirect=True, ids=["150 users"])
def test_used_v1_hour_independent_of_users(count_hour, personas: Personas) -> None:
    """Three members can have grants; everybody else's are left to the night."""
    requests, reads = count_hour("harvest_key", in_use=True)
    assert reads == 12
    assert requests <= 12 * (1 + 3) + 25
