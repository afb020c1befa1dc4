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
from portal.connections.features import features
from portal.connections.models import ApiCall, CheckRun, FixLink
from portal.mirror import plan
from portal.mirror.models import Application, AtsUser, JobGrant, SyncRun
from portal.onboarding.apps import _schedule
from portal.privacy import retention, tasks
from tests.cast import Cast
from tests.factories import PASSWORD, ConnectionFactory
from tests.portal.entitlements import world

DAY = 24 * 60 * 60


def test_retention_is_only_daily_task(transactional_db: None) -> None:
    _schedule()
    daily = Schedule.objects.filter(minutes=24 * 60).values_list("func", flat=True)
    assert list(daily) == ["portal.privacy.tasks.forget_old"]


def test_records_expire_after_own_period(connect, cast: Cast, later) -> None:
    connection = connect()
    FixLink.objects.create(connection=connection, permissions=[], expires_at=timezone.now())
    first, second = _create_check(connection), _create_check(connection)
    entries = Entry.objects.count()
    later(31 * DAY)
    tasks.forget_old()
    assert not ApiCall.objects.exists()
    assert FixLink.objects.exists()
    later(60 * DAY)
    tasks.forget_old()
    assert not FixLink.objects.exists()
    later(400 * DAY)
    tasks.forget_old()
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


def test_newest_full_sync_is_kept(connect, later) -> None:
    connection = connect()
    full_sync = plan.last_good(connection, scope=SyncRun.Scope.FULL)
    failed_sync = SyncRun.objects.create(connection=connection, status=SyncRun.Status.FAILED)
    later(61 * DAY)
    tasks.forget_old()
    assert list(connection.syncs.values_list("pk", flat=True)) == [full_sync.pk]
    assert not SyncRun.objects.filter(pk=failed_sync.pk).exists()


def test_settled_actions_expire_open_ones_stay(connect, cast: Cast, later) -> None:
    connect()
    old, open_ = Application.objects.all()[:2]
    now = timezone.now()
    fields = {"membership": cast.remy, "kind": "advance"}
    ApplicationAction.objects.create(application=old, status="done", settled_at=now, **fields)
    ApplicationAction.objects.create(application=open_, status="unknown", **fields)
    later(731 * DAY)
    tasks.forget_old()
    assert [action.status for action in ApplicationAction.objects.all()] == ["unknown"]


def test_removed_records_lose_personal_data(connect, later) -> None:
    connect()
    application = Application.objects.exclude(answers=[]).first()
    removed_at = timezone.now()
    Application.objects.filter(pk=application.pk).update(gone_at=removed_at)
    user = AtsUser.objects.first()
    AtsUser.objects.filter(pk=user.pk).update(gone_at=removed_at)
    remaining_count = AtsUser.objects.count() - 1
    later(31 * DAY)
    tasks.forget_old()
    application.refresh_from_db()
    assert application.answers == []
    assert not AtsUser.objects.filter(pk=user.pk).exists()
    assert AtsUser.objects.count() == remaining_count
    assert Application.objects.exclude(answers=[]).exists()


def test_revoked_grants_expire(connect, later) -> None:
    connect()
    revoked, *remaining = JobGrant.objects.order_by("id")
    JobGrant.objects.filter(pk=revoked.pk).update(gone_at=timezone.now())
    tasks.forget_old()
    assert JobGrant.objects.count() == len(remaining) + 1
    later(31 * DAY)
    tasks.forget_old()
    assert list(JobGrant.objects.order_by("id")) == remaining


def test_session_record_expires_with_session(cast: Cast, client, later) -> None:
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    assert UserSession.objects.count() == 1
    tasks.forget_old()
    assert UserSession.objects.count() == 1
    later(13 * 60 * 60)
    tasks.forget_old()
    assert UserSession.objects.count() == 0


def test_last_successful_check_is_kept(cast: Cast, settings) -> None:
    connection = ConnectionFactory(organization=cast.ada.organization, state="live")
    world.checked(connection, missing=("candidates.list",))
    world.checked(connection, missing=("candidates.list",))
    long_ago = timezone.now() - timedelta(days=settings.EVENT_DAYS + 5)
    CheckRun.objects.update(finished_at=long_ago)
    older, newest = CheckRun.objects.order_by("pk")
    CheckRun.objects.create(
        connection=connection, credential=newest.credential, status="failed",
        finished_at=timezone.now(),
    )  # fmt: skip
    tasks.forget_old()
    assert not CheckRun.objects.filter(pk=older.pk).exists()
    assert CheckRun.objects.filter(pk=newest.pk).exists()
    assert features(connection).off


def test_finished_tasks_expire(transactional_db: None) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    for name, moment in (("old", long_ago), ("new", timezone.now())):
        Task.objects.create(
            id=name, name=name, func="a.b", started=moment, stopped=moment, success=False
        )
    tasks.forget_old()
    assert [task.id for task in Task.objects.all()] == ["new"]


def test_deletion_runs_in_batches(connect, monkeypatch: pytest.MonkeyPatch, later) -> None:
    connection = connect()
    ApiCall.objects.all().delete()
    call = {"connection": connection, "method": "GET", "path": "/v3/jobs", "milliseconds": 1}
    ApiCall.objects.bulk_create(ApiCall(at=timezone.now(), **call) for _ in range(25))
    monkeypatch.setattr(retention, "BATCH", 10)
    later(31 * DAY)
    with CaptureQueriesContext(database) as captured:
        assert retention.drop(ApiCall.objects.all()) == 25
    deletions = [query["sql"] for query in captured if query["sql"].startswith("DELETE")]
    assert len(deletions) == 3
    assert not ApiCall.objects.exists()
