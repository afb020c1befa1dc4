"""Each minute is judged by the age of the data, whether or not a worker ran."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django_q.models import Schedule

from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.core.models import Transition
from portal.privacy import retention
from portal.sync.cancellation import cancel_runs
from portal.sync.models import FreshnessHour, FreshnessKind, FreshnessTotal, SyncRun
from portal.sync.purge import delete_synced_data
from portal.sync.service_level import recorder
from portal.wiring.schedules import schedule_recurring_tasks
from tests.portal.sync.freshness_helpers import (
    HOUR,
    MINUTE,
    NOON,
    Scope,
    complete_run,
    create_synced_connection,
    move_connection,
    sum_minutes,
    sync_on_schedule,
    use_portal,
)
from tests.portal.sync.freshness_helpers import record_at as record_at

State, ACCESS = Connection.State, FreshnessKind.ACCESS
pytestmark = pytest.mark.django_db


def test_recorded_every_minute_by_scheduler() -> None:
    schedule_recurring_tasks()
    schedule = Schedule.objects.get(func="portal.sync.tasks.record_freshness")
    assert schedule.minutes == 1


def test_data_is_outside_after_promised_age(record_at) -> None:
    acme = create_synced_connection()
    record_at(NOON + 40 * MINUTE)
    assert sum_minutes(acme) == (30, 10)
    assert sum_minutes(acme, ACCESS) == (10, 30)


def test_access_counts_only_while_portal_is_used(record_at) -> None:
    acme = create_synced_connection()
    ActivityPeriod.objects.all().delete()
    use_portal(acme, NOON + 20 * MINUTE, NOON + 50 * MINUTE)
    record_at(NOON + HOUR)
    # From 12:20 the next sync has ten minutes to catch up.
    assert sum_minutes(acme, ACCESS) == (0, 19)


def test_age_counts_from_start_of_sync(record_at) -> None:
    """Changes made in Greenhouse while a list was read may be missing from it."""
    acme = create_synced_connection()
    complete_run(acme, NOON + 25 * MINUTE, Scope.RECENT, minutes=10)
    record_at(NOON + HOUR)
    # Outside from 12:30 until the end of the sync at 12:35, and after 12:55.
    assert sum_minutes(acme) == (30 + 21, 4 + 5)


def test_syncs_on_schedule_keep_promise(record_at) -> None:
    acme = create_synced_connection()
    sync_on_schedule(acme, NOON, NOON + 3 * HOUR)
    record_at(NOON + 3 * HOUR)
    assert sum_minutes(acme) == sum_minutes(acme, ACCESS) == (180, 0)


def test_stopped_workers_count_as_outside(record_at) -> None:
    acme = create_synced_connection()
    record_at(NOON + MINUTE)
    record_at(NOON + 2 * HOUR)  # nothing ran in between
    complete_run(acme, NOON + 2 * HOUR, Scope.RECENT)
    record_at(NOON + 2 * HOUR + 10 * MINUTE)
    assert sum_minutes(acme) == (30 + 10, 90)


def test_failed_and_open_syncs_renew_nothing(record_at) -> None:
    acme = create_synced_connection()
    for status in (SyncRun.Status.FAILED, SyncRun.Status.RUNNING):
        run = complete_run(acme, NOON + 20 * MINUTE, Scope.RECENT)
        SyncRun.objects.filter(pk=run.pk).update(status=status)
    record_at(NOON + 40 * MINUTE)
    assert sum_minutes(acme) == (30, 10)


def test_many_records_equal_single_record(record_at, time_machine) -> None:
    acme = create_synced_connection()
    complete_run(acme, NOON + 50 * MINUTE, Scope.RECENT, minutes=2.5)
    for minute, states in ((55, [State.PAUSED]), (65, [State.CHECKING, State.LIVE])):
        time_machine.move_to(NOON + minute * MINUTE, tick=False)
        move_connection(acme, *states)
    record_at(NOON + 100 * MINUTE)
    at_once = list(FreshnessHour.objects.order_by("kind", "hour").values_list("within_mask"))
    at_once_sums = sum_minutes(acme), sum_minutes(acme, ACCESS)
    FreshnessHour.objects.all().delete()
    FreshnessTotal.objects.all().delete()
    for minute in (0, 1, 31, 53, 54, 56, 61, 65, 66, 100):
        record_at(NOON + minute * MINUTE + timedelta(seconds=7))
    assert (sum_minutes(acme), sum_minutes(acme, ACCESS)) == at_once_sums
    assert (
        list(FreshnessHour.objects.order_by("kind", "hour").values_list("within_mask")) == at_once
    )


def test_same_minute_recorded_once(record_at) -> None:
    acme = create_synced_connection()
    for _ in range(3):
        record_at(NOON + 5 * MINUTE)
    record_at(NOON + 5 * MINUTE + timedelta(seconds=59))
    assert sum_minutes(acme) == (5, 0)
    assert FreshnessTotal.objects.get(kind=FreshnessKind.DATA).minutes_within == 5


def test_totals_are_kept_by_kind(record_at) -> None:
    acme = create_synced_connection()
    record_at(NOON + 20 * MINUTE)
    assert sum_minutes(acme) != sum_minutes(acme, FreshnessKind.ACCESS)
    for total in FreshnessTotal.objects.all():
        minutes = total.minutes_within, total.minutes_outside
        assert minutes == sum_minutes(acme, FreshnessKind(total.kind))


# -- time that does not count ----------------------------------------------------------------------
def test_pause_does_not_count(record_at, time_machine) -> None:
    acme = create_synced_connection()
    time_machine.move_to(NOON + 10 * MINUTE, tick=False)
    move_connection(acme, State.PAUSED)
    record_at(NOON + 3 * HOUR)
    assert sum_minutes(acme) == (9, 0)
    move_connection(acme, State.CHECKING, State.LIVE)
    record_at(NOON + 3 * HOUR + 35 * MINUTE)
    assert sum_minutes(acme) == (9, 5), "counts again once the promised time has passed"


def test_resumed_connection_counts_once_synced(record_at, time_machine) -> None:
    acme = create_synced_connection()
    time_machine.move_to(NOON + MINUTE, tick=False)
    move_connection(acme, State.PAUSED)
    time_machine.move_to(NOON + 3 * HOUR, tick=False)
    move_connection(acme, State.CHECKING, State.LIVE)
    complete_run(acme, NOON + 3 * HOUR + 2 * MINUTE, Scope.RECENT)
    record_at(NOON + 3 * HOUR + 10 * MINUTE)
    assert sum_minutes(acme) == (9, 0)


def test_permission_check_interrupts_nothing(record_at, time_machine) -> None:
    acme = create_synced_connection()
    for minute, states in ((40, [State.CHECKING]), (41, [State.LIVE])):
        time_machine.move_to(NOON + minute * MINUTE, tick=False)
        move_connection(acme, *states)
    record_at(NOON + 50 * MINUTE)
    assert sum_minutes(acme) == (30, 20)


def test_refused_credential_counts_as_outside(record_at, time_machine) -> None:
    """The customer's people look at old data, whoever has to act."""
    acme = create_synced_connection()
    time_machine.move_to(NOON + 10 * MINUTE, tick=False)
    move_connection(acme, State.ACTION_NEEDED)
    record_at(NOON + HOUR)
    assert sum_minutes(acme) == (30, 30)


@pytest.mark.parametrize("state", [State.DRAFT, State.SYNCING, State.ACTION_NEEDED])
def test_unsynced_connection_does_not_count(record_at, state: str) -> None:
    acme = create_synced_connection()
    SyncRun.objects.all().delete()
    Connection.objects.update(state=state)
    complete_run(acme, NOON, Scope.PEOPLE)
    record_at(NOON + HOUR)
    assert not FreshnessHour.objects.exists()


def test_long_first_sync_has_time_to_catch_up(record_at) -> None:
    acme = create_synced_connection()
    SyncRun.objects.all().delete()
    complete_run(acme, NOON, minutes=180)
    record_at(NOON + 4 * HOUR)
    assert sum_minutes(acme) == (0, 30)


def test_disconnected_customer_does_not_count(record_at, time_machine) -> None:
    acme = create_synced_connection()
    record_at(NOON + 10 * MINUTE)
    move_connection(acme, State.DISCONNECTED)
    delete_synced_data(acme)
    cancel_runs(acme)
    record_at(NOON + 2 * HOUR)
    assert sum_minutes(acme) == (10, 0)


# -- clocks --------------------------------------------------------------------------------------
@pytest.mark.parametrize("ahead", [HOUR, timedelta(hours=23), timedelta(days=3)])
def test_clock_that_was_ahead_leaves_no_trace(record_at, ahead: timedelta) -> None:
    acme = create_synced_connection()
    sync_on_schedule(acme, NOON, NOON + HOUR)
    record_at(NOON + 20 * MINUTE)
    record_at(NOON + 20 * MINUTE + ahead)
    assert sum_minutes(acme)[1] > 0
    record_at(NOON + 20 * MINUTE)
    assert sum_minutes(acme) == (20, 0)
    record_at(NOON + HOUR)
    assert sum_minutes(acme) == (60, 0)


def test_small_step_back_of_clock_is_waited_out(record_at) -> None:
    acme = create_synced_connection()
    times = (5, 4, 3, 4, 5, 6)
    for minute in times:
        record_at(NOON + minute * MINUTE)
    assert sum_minutes(acme) == (6, 0)


def test_hour_never_has_over_sixty_minutes(record_at) -> None:
    create_synced_connection()
    for minutes in (90, -50, 200, 10, 10_000, 61):
        record_at(NOON + minutes * MINUTE)
    for hour in FreshnessHour.objects.all():
        assert 0 <= hour.minutes_within <= hour.minutes_counted <= 60
        assert hour.within_mask & ~hour.counted_mask == 0
        assert hour.hour <= NOON + HOUR


def test_long_standstill_is_capped(record_at) -> None:
    acme = create_synced_connection()
    for days in range(1, 9):  # a day per call
        record_at(NOON + timedelta(days=60))
        recorded_days = min(days, recorder.MAX_PERIOD.days)
        assert sum_minutes(acme) == (0, recorded_days * 24 * 60)


# -- cost ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("standstill", [1, 90])
def test_query_count_independent_of_connections(record_at, time_machine, standstill: int) -> None:
    def count_queries(at) -> int:
        for connection in Connection.objects.all():
            sync_on_schedule(connection, at - 10 * MINUTE, at)
        FreshnessTotal.objects.update(recorded_until=at - standstill * MINUTE)
        time_machine.move_to(at, tick=False)
        with CaptureQueriesContext(database) as captured:
            recorder.record_minutes()
        return len(captured)

    create_synced_connection()
    single = count_queries(NOON + 3 * HOUR)
    for number in range(19):
        create_synced_connection(f"Customer {number}")
    twenty = count_queries(NOON + 6 * HOUR)
    assert twenty == single <= 10
    assert FreshnessHour.objects.filter(hour=NOON + 5 * HOUR).count() == 40


def test_hours_are_deleted_by_age(record_at, settings) -> None:
    create_synced_connection()
    record_at(NOON + HOUR)
    for days, remaining in ((settings.FRESHNESS_DAYS - 1, True), (2, False)):
        later = NOON + timedelta(days=days + (0 if remaining else settings.FRESHNESS_DAYS))
        record_at(later)
        retention.delete_expired_rows()
        assert FreshnessHour.objects.filter(hour=NOON).exists() == remaining


def test_state_changes_come_from_transitions(record_at, time_machine) -> None:
    """A pause that began and ended while nothing was recorded is left out exactly."""
    acme = create_synced_connection()
    moves = itertools.zip_longest((5, 15, 15), (State.PAUSED, State.CHECKING, State.LIVE))
    for minute, state in moves:
        time_machine.move_to(NOON + minute * MINUTE, tick=False)
        move_connection(acme, state)
    assert Transition.objects.count() == 3
    record_at(NOON + 20 * MINUTE)
    assert sum_minutes(acme) == (10, 0)
