"""What finds due work asks the database, not each connection."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.connections.models import CheckRun, Connection, Credential
from portal.core.models import QueuedTask, WorkerHeartbeat
from portal.jobs.job_list import stage_counts
from portal.jobs.models import StageCountRun
from portal.sync import schedule
from portal.sync.models import FreshnessTotal, SyncRun
from portal.sync.tasks import record_freshness, request_due_sync
from portal.webhooks.models import Endpoint, Heartbeat
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.portal.entitlements.synced_data import create_application, create_candidate, create_job
from tests.queue import list_queued_tasks

TASKS = (
    "portal.connections.tasks.record_heartbeat",
    "portal.connections.tasks.retry_fix_link_emails",
    "portal.connections.tasks.renew_due_consents",
    "portal.connections.tasks.recover_lost_checks",
    "portal.onboarding.tasks.recover_lost_deletions",
    "portal.applications.tasks.recover_lost_actions",
    "portal.sync.tasks.recover_stalled_work",
    "portal.sync.tasks.record_freshness",
    "portal.notifications.tasks.recover_lost_messages",
    "portal.members.tasks.recover_lost_invitations",
    "portal.jobs.tasks.update_all_counts",
    "portal.jobs.tasks.queue_applicant_digests",
    "portal.webhooks.tasks.recover_stalled_work",
    "portal.webhooks.tasks.detect_silence",
    "portal.connections.tasks.check_due_connections",
    "portal.notifications.tasks.send_digests",
    "portal.support.tasks.run_periodic_checks",
    "portal.sync.tasks.request_due_syncs",
)
FIND_DUE = ("portal.sync.tasks.request_due_syncs", "portal.connections.tasks.check_due_connections")
pytestmark = pytest.mark.django_db


def _create_quiet_connection(number: int) -> Connection:
    """A connected account that was just synced and checked, and has no changes."""
    now = timezone.now()
    connection = ConnectionFactory(
        organization=OrganizationFactory(name=f"Customer {number}"), state=Connection.State.LIVE
    )
    credential = Credential.objects.create(
        connection=connection, kind="harvest_oauth", secret="s", last_four="1234", fingerprint="f"
    )
    CheckRun.objects.create(
        connection=connection, credential=credential, status=CheckRun.Status.DONE
    )
    for scope in SyncRun.Scope.values:
        SyncRun.objects.create(
            connection=connection,
            scope=scope,
            status=SyncRun.Status.DONE,
            started_at=now,
            finished_at=now,
        )
    create_application(create_job(connection), create_candidate(connection))
    stage_counts.update_counts(connection)
    StageCountRun.objects.update(counted_until=now + timedelta(minutes=10))
    Endpoint.objects.create(connection=connection, secret="s")
    Heartbeat.objects.create(
        connection=connection,
        action="new_candidate_application",
        last_at=now - timedelta(days=2),
    )
    return connection


def _count_queries_per_task() -> dict[str, int]:
    counts = {}
    record_freshness()  # from here on
    minute_ago = timezone.now() - timedelta(minutes=1)
    FreshnessTotal.objects.update(recorded_until=minute_ago)
    for path in TASKS:
        module, name = path.rsplit(".", 1)
        with CaptureQueriesContext(database) as captured:
            getattr(import_module(module), name)()
        counts[path] = len(captured)
    return counts


def test_query_count_independent_of_connections(
    time_machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not at a boundary of anybody's slot.
    monkeypatch.setattr(schedule, "LOOK_AHEAD", timedelta(0))
    time_machine.move_to(timezone.now().replace(hour=12, minute=1, second=0), tick=False)
    WorkerHeartbeat.objects.create(pk="workers", heartbeat_at=timezone.now())
    for number in range(3):
        _create_quiet_connection(number)
    few = _count_queries_per_task()
    for number in range(3, 30):
        _create_quiet_connection(number)
    many = _count_queries_per_task()
    for path in TASKS:
        print(f"{few[path]:4} {many[path]:4}  {path}")  # noqa: T201  (figures for `pytest -s`)
    assert many == few
    assert sum(many[path] for path in FIND_DUE) <= 10
    assert not list_queued_tasks()


def test_only_due_connections_are_synced(time_machine) -> None:
    time_machine.move_to(timezone.now().replace(hour=12, minute=1, second=0), tick=False)
    _create_quiet_connection(0)
    never_synced = _create_quiet_connection(1)
    SyncRun.objects.filter(connection=never_synced).delete()
    schedule.request_due_syncs()
    requested = SyncRun.objects.filter(status=SyncRun.Status.QUEUED)
    assert set(requested.values_list("connection", "scope")) == {
        (never_synced.pk, "full"),
        (never_synced.pk, "people"),
    }
    with CaptureQueriesContext(database) as captured:
        schedule.request_due_syncs()  # they are open by now
    assert len(captured) <= 8
    assert requested.count() == 2


def test_sync_is_requested_in_its_own_second(time_machine) -> None:
    now = timezone.now().replace(hour=12, minute=1, second=0, microsecond=0)
    time_machine.move_to(now, tick=False)
    connection = _create_quiet_connection(0)
    due_at, _ = schedule.get_next_run(connection)
    requests = QueuedTask.objects.filter(task=schedule.REQUEST_TASK)
    queued_runs = SyncRun.objects.filter(status=SyncRun.Status.QUEUED)
    time_machine.move_to(due_at - 2 * schedule.LOOK_AHEAD, tick=False)
    schedule.request_due_syncs()
    assert not requests.exists()
    time_machine.move_to(due_at - schedule.LOOK_AHEAD / 2, tick=False)
    schedule.request_due_syncs()
    schedule.request_due_syncs()  # finds it queued
    assert requests.get().due_at == due_at
    request_due_sync(connection.pk)
    assert not queued_runs.exists()
    time_machine.move_to(due_at, tick=False)
    request_due_sync(connection.pk)
    assert "recent" in queued_runs.values_list("scope", flat=True)


@pytest.mark.parametrize(
    ("statuses", "minutes"),
    [(["failed"], 2), (["failed"] * 4, 16), (["failed"] * 9, 60), (["failed", "done"], None)],
)
def test_backoff_grows_with_failures_in_a_row(statuses: list[str], minutes: int | None) -> None:
    connection = ConnectionFactory()
    now = timezone.now()
    for status in ["done", *statuses]:
        SyncRun.objects.create(
            connection=connection, scope="recent", status=status, started_at=now, finished_at=now
        )
    history = schedule._load_run_history(connection, now)
    expected = {} if minutes is None else {False: now + timedelta(minutes=minutes)}
    assert history.retry_at == expected


def test_only_changed_connections_are_recounted(advance_clock) -> None:
    quiet, changed = _create_quiet_connection(0), _create_quiet_connection(1)
    uncounted = ConnectionFactory(
        organization=OrganizationFactory(name="New"), state=Connection.State.LIVE
    )
    advance_clock(3600)
    stage_counts.update_counts(quiet)
    stage_counts.update_counts(changed)
    advance_clock(3600)
    create_application(create_job(changed), create_candidate(changed))
    assert set(stage_counts.list_changed_connections()) == {changed, uncounted}
