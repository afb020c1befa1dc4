"""Counts of active applications per job and stage, kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Count
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.core import queue
from portal.core.models import QueuedTask
from portal.jobs import tasks
from portal.jobs.job_list import stage_counts
from portal.jobs.models import StageCountRun
from portal.sync.engine import run_lifecycle
from portal.sync.engine.run_lifecycle import Scope
from portal.sync.models import Application, Job, StageName
from portal.sync.purge import delete_synced_data
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application, submit_action
from tests.portal.entitlements import synced_data
from tests.portal.webhooks.conftest import PAGE, WebhookSender, find_secret

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)
RECENTLY = datetime(2026, 9, 1, tzinfo=UTC)


def _application(job: Job, *, private: bool = False, gone: bool = False, **fields):
    candidate = synced_data.create_candidate(job.connection, private=private, gone=gone)
    return synced_data.create_application(job, candidate, **fields)


def _job_counts(job: Job) -> tuple[int, datetime | None]:
    return Job.objects.values_list("active_applications", "waiting_since").get(pk=job.pk)


@pytest.fixture
def job() -> Job:
    return synced_data.create_job(ConnectionFactory(state="live"))


def test_count_includes_visible_active_applications(job: Job) -> None:
    _application(job, applied_at=LONG_AGO, last_activity_at=RECENTLY)
    _application(job, applied_at=LONG_AGO)
    _application(job, applied_at=LONG_AGO, status="rejected")
    for options in ({"private": True}, {"gone": True}):
        _application(job, applied_at=datetime(2020, 1, 1, tzinfo=UTC), **options)
    synced_data.create_application(job, None, applied_at=datetime(2020, 1, 1, tzinfo=UTC))
    stage_counts.update_counts(job.connection)
    assert _job_counts(job) == (2, LONG_AGO)


def test_private_candidate_not_counted(job: Job, advance_clock) -> None:
    application = _application(job, applied_at=LONG_AGO)
    stage_counts.update_counts(job.connection)
    advance_clock(3600)
    candidate = application.candidate
    candidate.private, candidate.changed_at = True, datetime.now(UTC)
    candidate.save()
    assert stage_counts.update_counts(job.connection) == 1
    assert _job_counts(job) == (0, None)


def test_count_skips_unchanged_jobs(job: Job, advance_clock) -> None:
    synced_data.create_job(job.connection)
    advance_clock(3600)
    assert stage_counts.update_counts(job.connection) == 2
    advance_clock(3600)
    assert stage_counts.update_counts(job.connection) == 0
    _application(job, applied_at=RECENTLY)
    assert stage_counts.update_counts(job.connection) == 1
    assert _job_counts(job) == (1, RECENTLY)


def test_change_committed_late_is_counted(job: Job, advance_clock) -> None:
    """A change is stamped before its transaction commits."""
    application = _application(job, applied_at=RECENTLY)
    advance_clock(3600)
    stage_counts.update_counts(job.connection)
    stamped = datetime.now(UTC) - timedelta(minutes=4)
    Application.objects.filter(pk=application.pk).update(status="rejected", changed_at=stamped)
    assert stage_counts.update_counts(job.connection) == 1
    assert _job_counts(job) == (0, None)


def _stage_counts(job: Job) -> dict[str, int]:
    return dict(job.stage_counts.values_list("stage__name", "active"))


def test_stage_counts_group_by_stage_name(job: Job, advance_clock) -> None:
    phone, duplicate, offer = (
        synced_data.create_stage(job, name) for name in ("Phone", "Phone", "Offer")
    )
    moved = _application(job, applied_at=RECENTLY, stage=phone)
    _application(job, applied_at=RECENTLY, stage=duplicate)
    _application(job, applied_at=RECENTLY, stage=offer, status="hired")
    _application(job, applied_at=RECENTLY, stage=offer, private=True)
    _application(job, applied_at=RECENTLY)  # in no stage
    stage_counts.update_counts(job.connection)
    assert _stage_counts(job) == {"Phone": 2}
    advance_clock(3600)
    moved.stage, moved.changed_at = offer, datetime.now(UTC)
    moved.save()
    stage_counts.update_counts(job.connection)
    assert _stage_counts(job) == {"Phone": 1, "Offer": 1}
    advance_clock(3600)
    duplicate.name, duplicate.changed_at = "Call", datetime.now(UTC)
    duplicate.save()
    stage_counts.update_counts(job.connection)
    assert _stage_counts(job) == {"Call": 1, "Offer": 1}


def test_stage_counts_separate_organizations(job: Job) -> None:
    foreign_job = synced_data.create_job(
        ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    )
    for each_job in (job, foreign_job):
        _application(each_job, stage=synced_data.create_stage(each_job, "Phone"))
        stage_counts.update_counts(each_job.connection)
    names = {
        tally.stage for each_job in (job, foreign_job) for tally in each_job.stage_counts.all()
    }
    assert len(names) == 2
    assert {name.connection for name in names} == {job.connection, foreign_job.connection}


def test_stage_names_deleted_with_mirror(job: Job) -> None:
    _application(job, stage=synced_data.create_stage(job, "Project X"))
    stage_counts.update_counts(job.connection)
    delete_synced_data(job.connection)
    assert not StageName.objects.filter(connection=job.connection).exists()


def test_count_needs_application_permission(job: Job) -> None:
    _application(job, applied_at=RECENTLY)
    synced_data.record_check(job.connection, missing=(synced_data.APPLICATIONS,))
    stage_counts.update_counts(job.connection)
    assert _job_counts(job) == (0, None)


def test_sync_updates_counts(connect) -> None:
    connection = connect()
    assert StageCountRun.objects.get(connection=connection).counted_until is not None
    jobs = Job.objects.filter(active_applications__gt=0)[:5]
    assert len(jobs) == 5
    for job in jobs:
        active = job.applications.filter(status="active", candidate__private=False)
        assert active.count() == job.active_applications


Transfer = Callable[[Connection, Sandbox, Application, Job], object]


@pytest.fixture(params=["click", "webhook", "recent_sync", "full_sync"])
def transfer(request: pytest.FixtureRequest, personas: Personas, sign_in, run_tasks) -> Transfer:
    """Transfer an application to another job; the portal learns of it in the given way."""

    def by_click(
        connection: Connection, sandbox: Sandbox, application: Application, target: Job
    ) -> None:
        assert (
            submit_action(
                sign_in(personas.remy), "transfer", application, to_job=target.pk
            ).status_code
            == 200
        )

    def in_greenhouse(
        connection: Connection, sandbox: Sandbox, application: Application, target: Job
    ) -> None:
        hook = WebhookSender(connection, find_secret(sign_in(personas.ada).post(f"{PAGE}secret/")))
        sandbox.run_mutation(
            "transfer_application", application_id=application.remote_id, job_id=target.remote_id
        )
        if request.param == "webhook":
            hook.deliver_application(application.remote_id)
        else:
            full = request.param == "full_sync"
            run_lifecycle.request_sync(connection, Scope.FULL if full else Scope.RECENT)

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
    connect, sandbox: Sandbox, transfer: Transfer, run_tasks, advance_clock
) -> None:
    connection = connect()
    application = find_application()
    visible_jobs = Job.objects.filter(
        grants__user__primary_email="remy@acme.example", status="open"
    )
    target = (
        visible_jobs.exclude(pk=application.job_id)
        .filter(stages__isnull=False, confidential=False)
        .first()
    )
    assert target is not None
    advance_clock(3600)
    tasks.update_all_counts()  # covers everything from the first sync
    run_tasks()
    advance_clock(3600)
    before = Job.objects.get(pk=application.job_id).active_applications
    transfer(connection, sandbox, application, target)
    run_tasks()
    tasks.update_all_counts()
    run_tasks()
    origin = Job.objects.get(pk=application.job_id)
    application.refresh_from_db()
    assert application.job == target
    assert origin.active_applications == before - 1
    assert _stored_counts() == _actual_counts()


def test_counts_of_many_customers_are_spread(advance_clock, run_tasks) -> None:
    for number in range(9):
        organization = OrganizationFactory(name=f"Customer {number}")
        ConnectionFactory(organization=organization, state=Connection.State.LIVE)
    for _ in range(2):  # what still waits is not queued again
        tasks.update_all_counts()
    waiting = QueuedTask.objects.filter(task=stage_counts.UPDATE_TASK)
    assert waiting.count() == 9
    assert None not in waiting.values_list("organization_id", flat=True)
    counted = []
    for seconds in (0, 25, 25):
        advance_clock(seconds)
        run_tasks()
        counted.append(StageCountRun.objects.exclude(counted_until=None).count())
    assert counted == [1, 5, 9]


@pytest.mark.parametrize("trouble", ["fails", "takes minutes"])
def test_trouble_of_one_customers_count_delays_no_other(
    trouble: str, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubled, *others = [
        ConnectionFactory(organization=OrganizationFactory(name=f"Customer {number}"), state="live")
        for number in range(3)
    ]
    update_counts = stage_counts.update_counts

    def fail_for_first(connection: Connection) -> int:
        if connection == troubled:
            raise ValueError
        return update_counts(connection)

    monkeypatch.setattr(stage_counts, "update_counts", fail_for_first)
    if trouble == "takes minutes":  # its task of the last minute still runs
        queue.enqueue_task(
            stage_counts.UPDATE_TASK,
            troubled.pk,
            organization_id=troubled.organization_id,
            due_at=timezone.now() + timedelta(hours=1),
        )
    tasks.update_all_counts()
    advance_clock(60)
    with suppress(ValueError):  # of the one that fails, and the worker takes the next task
        run_tasks()
    run_tasks()
    counted = StageCountRun.objects.exclude(counted_until=None)
    assert {run.connection for run in counted} == set(others)


def test_full_sync_recounts_every_job(connect, run_tasks, advance_clock) -> None:
    connection = connect()
    Job.objects.update(active_applications=99)
    advance_clock(24 * 3600)
    run_lifecycle.request_sync(connection, Scope.FULL)
    run_tasks()
    assert _stored_counts() == _actual_counts()
