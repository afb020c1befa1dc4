"""Counts of active applications per job and stage, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Count

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.jobs import tally, tasks
from portal.jobs.models import Tally
from portal.mirror import sync
from portal.mirror.empty import empty
from portal.mirror.models import Application, Job, StageName
from portal.mirror.sync import Scope
from tests.cast import Cast
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.portal.applications.clicking import an_application, click
from tests.portal.entitlements import world
from tests.portal.webhooks.conftest import PAGE, Hook, shown_secret

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)
RECENTLY = datetime(2026, 9, 1, tzinfo=UTC)


def _application(job: Job, *, private: bool = False, gone: bool = False, **fields):
    candidate = world.candidate(job.connection, private=private, gone=gone)
    return world.application(job, candidate, **fields)


def _job_counts(job: Job) -> tuple[int, datetime | None]:
    return Job.objects.values_list("active_applications", "waiting_since").get(pk=job.pk)


@pytest.fixture
def job() -> Job:
    return world.job(ConnectionFactory(state="live"))


def test_count_includes_visible_active_applications(job: Job) -> None:
    _application(job, applied_at=LONG_AGO, last_activity_at=RECENTLY)
    _application(job, applied_at=LONG_AGO)
    _application(job, applied_at=LONG_AGO, status="rejected")
    for options in ({"private": True}, {"gone": True}):
        _application(job, applied_at=datetime(2020, 1, 1, tzinfo=UTC), **options)
    world.application(job, None, applied_at=datetime(2020, 1, 1, tzinfo=UTC))
    tally.count(job.connection)
    assert _job_counts(job) == (2, LONG_AGO)


def test_private_candidate_not_counted(job: Job, later) -> None:
    application = _application(job, applied_at=LONG_AGO)
    tally.count(job.connection)
    later(3600)
    candidate = application.candidate
    candidate.private, candidate.changed_at = True, datetime.now(UTC)
    candidate.save()
    assert tally.count(job.connection) == 1
    assert _job_counts(job) == (0, None)


def test_count_skips_unchanged_jobs(job: Job, later) -> None:
    world.job(job.connection)
    assert tally.count(job.connection) == 2
    later(3600)
    assert tally.count(job.connection) == 0
    _application(job, applied_at=RECENTLY)
    assert tally.count(job.connection) == 1
    assert _job_counts(job) == (1, RECENTLY)


def test_change_committed_late_is_counted(job: Job, later) -> None:
    """A change is stamped before its transaction commits."""
    application = _application(job, applied_at=RECENTLY)
    later(3600)
    tally.count(job.connection)
    stamped = datetime.now(UTC) - timedelta(minutes=4)
    Application.objects.filter(pk=application.pk).update(status="rejected", changed_at=stamped)
    assert tally.count(job.connection) == 1
    assert _job_counts(job) == (0, None)


def _stage_counts(job: Job) -> dict[str, int]:
    return dict(job.stage_tallies.values_list("stage__name", "active"))


def test_stage_counts_group_by_stage_name(job: Job, later) -> None:
    phone, duplicate, offer = (world.stage(job, name) for name in ("Phone", "Phone", "Offer"))
    moved = _application(job, applied_at=RECENTLY, stage=phone)
    _application(job, applied_at=RECENTLY, stage=duplicate)
    _application(job, applied_at=RECENTLY, stage=offer, status="hired")
    _application(job, applied_at=RECENTLY, stage=offer, private=True)
    _application(job, applied_at=RECENTLY)  # in no stage
    tally.count(job.connection)
    assert _stage_counts(job) == {"Phone": 2}
    later(3600)
    moved.stage, moved.changed_at = offer, datetime.now(UTC)
    moved.save()
    tally.count(job.connection)
    assert _stage_counts(job) == {"Phone": 1, "Offer": 1}
    later(3600)
    duplicate.name, duplicate.changed_at = "Call", datetime.now(UTC)
    duplicate.save()
    tally.count(job.connection)
    assert _stage_counts(job) == {"Call": 1, "Offer": 1}


def test_stage_counts_separate_organizations(job: Job) -> None:
    foreign_job = world.job(
        ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    )
    for each_job in (job, foreign_job):
        _application(each_job, stage=world.stage(each_job, "Phone"))
        tally.count(each_job.connection)
    names = {
        tally.stage for each_job in (job, foreign_job) for tally in each_job.stage_tallies.all()
    }
    assert len(names) == 2
    assert {name.connection for name in names} == {job.connection, foreign_job.connection}


def test_stage_names_deleted_with_mirror(job: Job) -> None:
    _application(job, stage=world.stage(job, "Project X"))
    tally.count(job.connection)
    empty(job.connection)
    assert not StageName.objects.filter(connection=job.connection).exists()


def test_count_needs_application_permission(job: Job) -> None:
    _application(job, applied_at=RECENTLY)
    world.checked(job.connection, missing=(world.APPLICATIONS,))
    tally.count(job.connection)
    assert _job_counts(job) == (0, None)


def test_sync_updates_counts(connect) -> None:
    connection = connect()
    assert Tally.objects.get(connection=connection).until is not None
    jobs = Job.objects.filter(active_applications__gt=0)[:5]
    assert len(jobs) == 5
    for job in jobs:
        active = job.applications.filter(status="active", candidate__private=False)
        assert active.count() == job.active_applications


Transfer = Callable[[Connection, Sandbox, Application, Job], object]


@pytest.fixture(params=["click", "webhook", "recent_sync", "full_sync"])
def transfer(request: pytest.FixtureRequest, cast: Cast, sign_in, work) -> Transfer:
    """Transfer an application to another job; the portal learns of it in the given way."""

    def by_click(
        connection: Connection, sandbox: Sandbox, application: Application, target: Job
    ) -> None:
        assert (
            click(sign_in(cast.remy), "transfer", application, to_job=target.pk).status_code == 200
        )

    def in_greenhouse(
        connection: Connection, sandbox: Sandbox, application: Application, target: Job
    ) -> None:
        hook = Hook(connection, shown_secret(sign_in(cast.ada).post(f"{PAGE}secret/")))
        sandbox.mutate(
            "transfer_application", application_id=application.remote_id, job_id=target.remote_id
        )
        if request.param == "webhook":
            hook.about(application.remote_id)
        else:
            full = request.param == "full_sync"
            sync.request(connection, Scope.FULL if full else Scope.RECENT)

    return by_click if request.param == "click" else in_greenhouse


def _stored_counts() -> dict[int, tuple[int, dict[str, int]]]:
    return {job.pk: (job.active_applications, _stage_counts(job)) for job in Job.objects.all()}


def _actual_counts() -> dict[int, tuple[int, dict[str, int]]]:
    visible = Application.objects.filter(
        status="active", gone_at=None, candidate__private=False, candidate__gone_at=None
    )
    counts = {}
    for job in Job.objects.all():
        stages = visible.filter(job=job, stage__isnull=False).order_by().values_list("stage__name")
        counts[job.pk] = visible.filter(job=job).count(), dict(stages.annotate(Count("pk")))
    return counts


def test_transfer_updates_counts_of_both_jobs(
    connect, sandbox: Sandbox, transfer: Transfer, work, later
) -> None:
    connection = connect()
    application = an_application()
    visible_jobs = Job.objects.filter(
        grants__user__primary_email="remy@acme.example", status="open"
    )
    target = (
        visible_jobs.exclude(pk=application.job_id)
        .filter(stages__isnull=False, confidential=False)
        .first()
    )
    assert target is not None
    later(3600)
    tasks.tally_all()  # covers everything from the first sync
    later(3600)
    before = Job.objects.get(pk=application.job_id).active_applications
    transfer(connection, sandbox, application, target)
    work()
    tasks.tally_all()
    origin = Job.objects.get(pk=application.job_id)
    application.refresh_from_db()
    assert application.job == target
    assert origin.active_applications == before - 1
    assert _stored_counts() == _actual_counts()


def test_full_sync_recounts_every_job(connect, work, later) -> None:
    connection = connect()
    Job.objects.update(active_applications=99)
    later(24 * 3600)
    sync.request(connection, Scope.FULL)
    work()
    assert _stored_counts() == _actual_counts()
