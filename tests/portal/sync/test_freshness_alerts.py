"""Burn-rate alerts of the freshness promise, from the scheduler's task to issues and emails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync import tasks
from portal.sync.models import FreshnessKind
from tests.personas import Personas
from tests.portal.sync.freshness_helpers import (
    HOUR,
    MINUTE,
    NOON,
    Scope,
    complete_run,
    create_synced_connection,
    move_connection,
    sync_on_schedule,
)
from tests.portal.sync.freshness_helpers import acme as acme
from tests.portal.sync.freshness_helpers import record_at as record_at

OPEN_ISSUES = Issue.objects.filter(cause=Issue.Cause.FRESHNESS, closed_at=None)
DATA_ISSUES = OPEN_ISSUES.filter(key=FreshnessKind.DATA)
pytestmark = pytest.mark.django_db


def _open_explaining_issue(connection: Connection) -> None:
    service.open_issue(
        connection.organization,
        Issue.Cause.GREENHOUSE_DOWN,
        title="Greenhouse is not answering",
        description="…",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.GREENHOUSE,
    )


def _read_people(connection: Connection, until) -> None:
    at = NOON
    while at < until:
        complete_run(connection, at, Scope.PEOPLE)
        at += 5 * MINUTE


def test_fast_burn_opens_and_closes_issue(acme, record_at) -> None:
    """At 99 %, an alert needs 14.4 % of an hour: nine minutes."""
    record_at(NOON + 38 * MINUTE)
    assert not DATA_ISSUES.exists()
    record_at(NOON + 39 * MINUTE)
    issue = DATA_ISSUES.get()
    assert issue.severity == Issue.Severity.CRITICAL
    assert issue.title == "Requisitions and applications are out of date"
    assert "older for 9 minutes of the last hour" in issue.description
    complete_run(acme, NOON + 40 * MINUTE, Scope.RECENT)
    record_at(NOON + 43 * MINUTE)
    assert DATA_ISSUES.exists(), "the last five minutes are not free of it yet"
    record_at(NOON + 44 * MINUTE)
    assert not DATA_ISSUES.exists()
    issue.refresh_from_db()
    assert issue.resolution == "within promise again"


def test_each_kind_has_its_own_issue(acme, record_at) -> None:
    _read_people(acme, NOON + 50 * MINUTE)
    record_at(NOON + 50 * MINUTE)
    assert list(OPEN_ISSUES.values_list("key", flat=True)) == ["data"]
    record_at(NOON + 70 * MINUTE)
    titles = set(OPEN_ISSUES.values_list("title", flat=True))
    assert "People and their access are out of date" in titles


def test_slow_burn_opens_warning(acme, record_at) -> None:
    """Three minutes outside in each half hour: never fast, but too much in six hours."""
    for slot in range(12):
        complete_run(acme, NOON + slot * 34 * MINUTE, Scope.RECENT)
    _read_people(acme, NOON + 7 * HOUR)
    for minutes in range(34, 6 * 34, 34):
        record_at(NOON + minutes * MINUTE)
        assert not DATA_ISSUES.exists(), minutes
    record_at(NOON + 8 * 34 * MINUTE)
    issue = DATA_ISSUES.get()
    assert issue.severity == Issue.Severity.WARNING
    assert issue.details["speed"] == "slow"
    assert "of the last 6 hours" in issue.description


def test_worker_stopped_for_an_hour_is_noticed(acme, record_at) -> None:
    record_at(NOON + MINUTE)
    record_at(NOON + HOUR)
    assert DATA_ISSUES.get().details["minutes_outside"] == 30


def test_issue_with_own_cause_is_not_repeated(acme, record_at, time_machine) -> None:
    _open_explaining_issue(acme)
    record_at(NOON + HOUR)
    assert not OPEN_ISSUES.exists()
    service.resolve_issues(acme.organization, Issue.Cause.GREENHOUSE_DOWN, why="it answers")
    record_at(NOON + HOUR + 59 * MINUTE)
    assert not OPEN_ISSUES.exists(), "it still explains the last hour"
    record_at(NOON + 2 * HOUR + MINUTE)
    assert DATA_ISSUES.exists()


def test_customer_who_must_act_is_not_reported_twice(acme, record_at, time_machine) -> None:
    time_machine.move_to(NOON + MINUTE, tick=False)
    move_connection(acme, Connection.State.ACTION_NEEDED)
    record_at(NOON + HOUR)
    assert not OPEN_ISSUES.exists()


@pytest.mark.parametrize("minutes", [30, 40])
def test_pause_burns_nothing(acme, record_at, time_machine, minutes: int) -> None:
    time_machine.move_to(NOON + MINUTE, tick=False)
    move_connection(acme, Connection.State.PAUSED)
    time_machine.move_to(NOON + 5 * HOUR, tick=False)
    move_connection(acme, Connection.State.CHECKING, Connection.State.LIVE)
    record_at(NOON + 5 * HOUR + minutes * MINUTE)
    assert DATA_ISSUES.exists() == (minutes > 38)


def test_stricter_objective_alerts_earlier(acme, record_at, settings) -> None:
    settings.FRESHNESS_OBJECTIVE = 99.9
    _read_people(acme, NOON + HOUR)
    record_at(NOON + 31 * MINUTE)
    assert DATA_ISSUES.exists()


def test_loose_objective_can_still_alert(acme, record_at, settings) -> None:
    settings.FRESHNESS_OBJECTIVE = 90.0  # 14.4 times the allowance is more than all
    record_at(NOON + 89 * MINUTE)
    assert not DATA_ISSUES.exists()
    record_at(NOON + 90 * MINUTE)
    assert DATA_ISSUES.get().severity == Issue.Severity.CRITICAL


def test_standstill_of_all_is_a_single_email(personas: Personas, time_machine, run_tasks) -> None:
    time_machine.move_to(NOON, tick=False)
    tasks.record_freshness()
    for number in range(5):
        create_synced_connection(f"Customer {number}")
    time_machine.move_to(NOON + HOUR, tick=False)
    tasks.record_freshness()
    assert DATA_ISSUES.count() == 5
    time_machine.shift(timedelta(minutes=1))
    run_tasks()
    recipients = [message.to[0] for message in mail.outbox]
    assert recipients == ["ola@portal.example"]


@pytest.mark.slow("opens forty issues")
def test_burning_customers_cost_constant_queries(record_at) -> None:
    def count_queries(at) -> int:
        record_at(at - MINUTE)
        with CaptureQueriesContext(database) as captured:
            record_at(at)
        return len(captured)

    create_synced_connection()
    single = count_queries(NOON + HOUR)
    assert DATA_ISSUES.count() == 1
    for number in range(19):
        create_synced_connection(f"Customer {number}")
    assert count_queries(NOON + 2 * HOUR) == single <= 16
    assert DATA_ISSUES.count() == 20


def test_quiet_customers_cost_constant_queries(record_at) -> None:
    def count_queries(at) -> int:
        for connection in Connection.objects.all():
            sync_on_schedule(connection, at - HOUR, at)
        record_at(at - MINUTE)
        with CaptureQueriesContext(database) as captured:
            record_at(at)
        return len(captured)

    create_synced_connection(synced_at=NOON)
    single = count_queries(NOON + HOUR)
    for number in range(19):
        create_synced_connection(f"Customer {number}", synced_at=NOON + HOUR)
    assert count_queries(NOON + 2 * HOUR) == single <= 13
    assert not OPEN_ISSUES.exists()
