"""Customers, syncs and a frozen clock for the freshness promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.activity import ACTIVE_FOR
from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.core import transitions
from portal.sync import tasks
from portal.sync.models import FreshnessHour, FreshnessKind, SyncRun
from tests.factories import ConnectionFactory, OrganizationFactory

Scope = SyncRun.Scope
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def record_at(db: None, time_machine):
    """Run the scheduler's task at a time; the first call starts the record."""

    def record(at: datetime) -> None:
        time_machine.move_to(at, tick=False)
        tasks.record_freshness()

    record(NOON)
    return record


@pytest.fixture
def acme(record_at) -> Connection:
    return create_synced_connection()


def complete_run(
    connection: Connection, started_at: datetime, scope: str = Scope.FULL, minutes: float = 0
) -> SyncRun:
    run = _build_run(connection, started_at, scope, minutes)
    run.save()
    return run


def _build_run(
    connection: Connection, started_at: datetime, scope: str, minutes: float = 0
) -> SyncRun:
    return SyncRun(
        connection=connection,
        scope=scope,
        status=SyncRun.Status.DONE,
        queued_at=started_at,
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=minutes),
    )


def create_synced_connection(name: str = "Acme", *, synced_at: datetime = NOON) -> Connection:
    """A live connection, in use, whose first sync began and ended at that time."""
    connection = ConnectionFactory(
        organization=OrganizationFactory(name=name), state=Connection.State.LIVE
    )
    use_portal(connection, synced_at - 2 * HOUR, synced_at + timedelta(days=30))
    complete_run(connection, synced_at - HOUR)
    complete_run(connection, synced_at)
    return connection


def use_portal(connection: Connection, begin: datetime, end: datetime) -> None:
    """Members used it; then it counts as in use for another quarter of an hour."""
    ActivityPeriod.objects.create(
        organization=connection.organization, began_at=begin, last_at=end - ACTIVE_FOR
    )


def sync_on_schedule(connection: Connection, begin: datetime, end: datetime) -> None:
    """Complete what the schedule would: changes every 15 minutes, people every 5."""
    offsets = range(0, (end - begin) // MINUTE, 5)
    SyncRun.objects.bulk_create(
        _build_run(connection, begin + offset * MINUTE, Scope.PEOPLE if offset % 15 else Scope.FULL)
        for offset in offsets
    )


def move_connection(connection: Connection, *states: str) -> None:
    for state in states:
        transitions.move_state(connection, state, why="a test", field="state")


def sum_minutes(
    connection: Connection, kind: FreshnessKind = FreshnessKind.DATA
) -> tuple[int, int]:
    """Return the recorded minutes within the promise, and outside."""
    hours = list(FreshnessHour.objects.filter(connection=connection, kind=kind))
    within = sum(hour.minutes_within for hour in hours)
    return within, sum(hour.minutes_counted for hour in hours) - within
