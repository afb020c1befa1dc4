"""What is old goes, in one task; what is needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
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


def test_one_task_each_day_sees_to_all_of_it(transactional_db: None) -> None:
    _schedule()
    daily = Schedule.objects.filter(minutes=24 * 60).values_list("func", flat=True)
    assert list(daily) == ["portal.privacy.tasks.forget_old"]


def test_each_kind_ends_at_its_own_time(connect, cast: Cast, later) -> None:
    connection = connect()
    FixLink.objects.create(connection=connection, permissions=[], expires_at=timezone.now())
    first, second = _checked(connection), _checked(connection)
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
    kept = set(CheckRun.objects.values_list("pk", flat=True))
    assert first not in kept
    assert kept == {second}
    assert Entry.objects.count() == entries


def _checked(connection) -> int:
    return CheckRun.objects.create(
        connection=connection,
        credential=connection.credential,
        status=CheckRun.Status.DONE,
        finished_at=timezone.now(),
    ).pk


def test_the_newest_full_sync_stays_or_nobody_would_know_how_fresh_the_mirror_is(
    connect, later
) -> None:
    connection = connect()
    full = plan.last_good(connection, scope=SyncRun.Scope.FULL)
    failed = SyncRun.objects.create(connection=connection, status=SyncRun.Status.FAILED)
    later(61 * DAY)
    tasks.forget_old()
    assert list(connection.syncs.values_list("pk", flat=True)) == [full.pk]
    assert not SyncRun.objects.filter(pk=failed.pk).exists()


def test_settled_clicks_end_after_two_years_and_open_ones_never(connect, cast: Cast, later) -> None:
    connect()
    old, open_ = Application.objects.all()[:2]
    now = timezone.now()
    common = {"membership": cast.remy, "kind": "advance"}
    ApplicationAction.objects.create(application=old, status="done", settled_at=now, **common)
    ApplicationAction.objects.create(application=open_, status="unknown", **common)
    later(731 * DAY)
    tasks.forget_old()
    assert [action.status for action in ApplicationAction.objects.all()] == ["unknown"]


def test_of_people_and_applications_that_greenhouse_lost_nothing_personal_stays(
    connect, later
) -> None:
    connect()
    application = Application.objects.exclude(answers=[]).first()
    gone = timezone.now()
    Application.objects.filter(pk=application.pk).update(gone_at=gone)
    user = AtsUser.objects.first()
    AtsUser.objects.filter(pk=user.pk).update(gone_at=gone)
    others = AtsUser.objects.count() - 1
    later(31 * DAY)
    tasks.forget_old()
    application.refresh_from_db()
    assert application.answers == []
    assert not AtsUser.objects.filter(pk=user.pk).exists()
    assert AtsUser.objects.count() == others
    assert Application.objects.exclude(answers=[]).exists()


def test_access_that_greenhouse_took_back_is_forgotten_after_a_while(connect, later) -> None:
    connect()
    gone, *others = JobGrant.objects.order_by("id")
    JobGrant.objects.filter(pk=gone.pk).update(gone_at=timezone.now())
    tasks.forget_old()
    assert JobGrant.objects.count() == len(others) + 1
    later(31 * DAY)
    tasks.forget_old()
    assert list(JobGrant.objects.order_by("id")) == others


def test_where_somebody_was_signed_in_ends_with_the_session(cast: Cast, client, later) -> None:
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    assert UserSession.objects.count() == 1
    tasks.forget_old()
    assert UserSession.objects.count() == 1
    later(13 * 60 * 60)
    tasks.forget_old()
    assert UserSession.objects.count() == 0


def test_what_a_credential_may_do_outlives_a_check_that_failed_since(cast: Cast, settings) -> None:
    connection = ConnectionFactory(organization=cast.ada.organization, state="live")
    world.checked(connection, missing=("candidates.list",))
    world.checked(connection, missing=("candidates.list",))
    long_ago = timezone.now() - timedelta(days=settings.EVENT_DAYS + 5)
    CheckRun.objects.update(finished_at=long_ago)
    older, done = CheckRun.objects.order_by("pk")
    CheckRun.objects.create(
        connection=connection, credential=done.credential, status="failed",
        finished_at=timezone.now(),
    )  # fmt: skip
    tasks.forget_old()
    assert not CheckRun.objects.filter(pk=older.pk).exists()
    assert CheckRun.objects.filter(pk=done.pk).exists()
    assert features(connection).off


def test_what_ended_tasks_left_ends_too(transactional_db: None) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    for name, at in (("old", long_ago), ("new", timezone.now())):
        Task.objects.create(id=name, name=name, func="a.b", started=at, stopped=at, success=False)
    tasks.forget_old()
    assert [task.id for task in Task.objects.all()] == ["new"]


def test_it_goes_in_bounded_pieces(
    connect, django_assert_max_num_queries, monkeypatch: pytest.MonkeyPatch, later
) -> None:
    connection = connect()
    ApiCall.objects.all().delete()
    call = {"connection": connection, "method": "GET", "path": "/v3/jobs", "milliseconds": 1}
    ApiCall.objects.bulk_create(ApiCall(at=timezone.now(), **call) for _ in range(25))
    monkeypatch.setattr(retention, "BATCH", 10)
    later(31 * DAY)
    with django_assert_max_num_queries(7 + 6):  # three pieces, each a look and a delete
        assert retention.drop(ApiCall.objects.all()) == 25
