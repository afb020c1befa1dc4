"""Old data is deleted once a day; what is still needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule, Task

from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.models import ApiCall, CheckRun, FixLink
from portal.connections.permissions.features import load_features
from portal.core import transitions
from portal.core.models import Transition
from portal.privacy import retention, tasks
from portal.sync.engine import plan
from portal.sync.models import Application, AtsUser, JobGrant, SyncRun
from portal.wiring.schedules import schedule_recurring_tasks
from tests.factories import PASSWORD, ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

DAY = 24 * 60 * 60


def test_retention_is_only_daily_task(transactional_db: None) -> None:
    schedule_recurring_tasks()
    daily = Schedule.objects.filter(minutes=24 * 60).values_list("func", flat=True)
    assert list(daily) == ["portal.privacy.tasks.delete_expired_data"]


def test_records_expire_after_own_period(connect, personas: Personas, advance_clock) -> None:
    connection = connect()
    FixLink.objects.create(connection=connection, permissions=[], expires_at=timezone.now())
    first, second = _create_check(connection), _create_check(connection)
    entries = Entry.objects.count()
    advance_clock(31 * DAY)
    tasks.delete_expired_data()
    assert not ApiCall.objects.exists()
    assert FixLink.objects.exists()
    advance_clock(60 * DAY)
    tasks.delete_expired_data()
    assert not FixLink.objects.exists()
    advance_clock(400 * DAY)
    tasks.delete_expired_data()
    remaining = set(CheckRun.objects.values_list("pk", flat=True))
    assert first not in remaining
    assert remaining == {second}
    assert Entry.objects.count() == entries


def _create_check(connection) -> int:
    return CheckRun.objects.create(
        connection=connection,
        credential=connection.credential,
        status=CheckRun.Status.DONE,
        finished_at=timezone.now(),
    ).pk


def test_newest_full_sync_is_kept(connect, advance_clock) -> None:
    connection = connect()
    full_sync = plan.get_last_successful_run(connection, scope=SyncRun.Scope.FULL)
    failed_sync = SyncRun.objects.create(connection=connection, status=SyncRun.Status.FAILED)
    advance_clock(61 * DAY)
    tasks.delete_expired_data()
    assert list(connection.syncs.values_list("pk", flat=True)) == [full_sync.pk]
    assert not SyncRun.objects.filter(pk=failed_sync.pk).exists()


def test_runs_expire_without_completed_sync(personas: Personas, advance_clock) -> None:
    connection = ConnectionFactory(organization=personas.ada.organization)
    failed = SyncRun.Status.FAILED
    SyncRun.objects.create(connection=connection, scope=SyncRun.Scope.FULL, status=failed)
    advance_clock(61 * DAY)
    tasks.delete_expired_data()
    assert not SyncRun.objects.exists()


def test_transitions_expire_with_their_row(connect, advance_clock) -> None:
    connection = connect()
    run = SyncRun.objects.create(connection=connection, scope=SyncRun.Scope.PEOPLE)
    transitions.move_state(run, SyncRun.Status.FAILED, why="a test")
    transitions.move_state(connection, "paused", field="state", why="a test")
    ids = Transition.objects.filter(subject_id=run.pk, subject="sync.syncrun")
    assert ids.count() == 1
    advance_clock(3 * DAY)
    tasks.delete_expired_data()
    assert not ids.exists()
    assert Transition.objects.filter(subject="connections.connection", new="paused").exists()


def test_settled_actions_expire_open_ones_stay(connect, personas: Personas, advance_clock) -> None:
    connect()
    old, open_ = Application.objects.all()[:2]
    now = timezone.now()
    fields = {"membership": personas.remy, "kind": "advance"}
    ApplicationAction.objects.create(application=old, status="done", settled_at=now, **fields)
    ApplicationAction.objects.create(application=open_, status="unknown", **fields)
    advance_clock(731 * DAY)
    tasks.delete_expired_data()
    assert [action.status for action in ApplicationAction.objects.all()] == ["unknown"]


def test_removed_records_lose_personal_data(connect, advance_clock) -> None:
    connect()
    application = Application.objects.exclude(answers=[]).first()
    removed_at = timezone.now()
    Application.objects.filter(pk=application.pk).update(gone_at=removed_at)
    user = AtsUser.objects.first()
    AtsUser.objects.filter(pk=user.pk).update(gone_at=removed_at)
    remaining_count = AtsUser.objects.count() - 1
    advance_clock(31 * DAY)
    tasks.delete_expired_data()
    application.refresh_from_db()
    assert application.answers == []
    assert not AtsUser.objects.filter(pk=user.pk).exists()
    assert AtsUser.objects.count() == remaining_count
    assert Application.objects.exclude(answers=[]).exists()


def test_revoked_grants_expire(connect, advance_clock) -> None:
    connect()
    revoked, *remaining = JobGrant.objects.order_by("id")
    JobGrant.objects.filter(pk=revoked.pk).update(gone_at=timezone.now())
    tasks.delete_expired_data()
    assert JobGrant.objects.count() == len(remaining) + 1
    advance_clock(31 * DAY)
    tasks.delete_expired_data()
    assert list(JobGrant.objects.order_by("id")) == remaining


def test_session_record_expires_with_session(personas: Personas, client, advance_clock) -> None:
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    assert UserSession.objects.count() == 1
    tasks.delete_expired_data()
    assert UserSession.objects.count() == 1
    advance_clock(13 * 60 * 60)
    tasks.delete_expired_data()
    assert UserSession.objects.count() == 0


def test_last_successful_check_is_kept(personas: Personas, settings) -> None:
    connection = ConnectionFactory(organization=personas.ada.organization, state="live")
    synced_data.record_check(connection, missing=("candidates.list",))
    synced_data.record_check(connection, missing=("candidates.list",))
    long_ago = timezone.now() - timedelta(days=settings.EVENT_DAYS + 5)
    CheckRun.objects.update(finished_at=long_ago)
    older, newest = CheckRun.objects.order_by("pk")
    CheckRun.objects.create(
        connection=connection, credential=newest.credential, status="failed",
        finished_at=timezone.now(),
    )  # fmt: skip
    tasks.delete_expired_data()
    assert not CheckRun.objects.filter(pk=older.pk).exists()
    assert CheckRun.objects.filter(pk=newest.pk).exists()
    assert load_features(connection).off


def test_finished_tasks_expire(transactional_db: None) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    for name, moment in (("old", long_ago), ("new", timezone.now())):
        Task.objects.create(
            id=name, name=name, func="a.b", started=moment, stopped=moment, success=False
        )
    tasks.delete_expired_data()
    assert [task.id for task in Task.objects.all()] == ["new"]


def test_deletion_runs_in_batches(connect, monkeypatch: pytest.MonkeyPatch, advance_clock) -> None:
    connection = connect()
    ApiCall.objects.all().delete()
    call = {"connection": connection, "method": "GET", "path": "/v3/jobs", "milliseconds": 1}
    ApiCall.objects.bulk_create(ApiCall(at=timezone.now(), **call) for _ in range(25))
    monkeypatch.setattr(retention, "BATCH_SIZE", 10)
    advance_clock(31 * DAY)
    with CaptureQueriesContext(database) as captured:
        assert retention.delete_in_batches(ApiCall.objects.all()) == 25
    deletions = [query["sql"] for query in captured if query["sql"].startswith("DELETE")]
    assert len(deletions) == 3
    assert not ApiCall.objects.exists()
