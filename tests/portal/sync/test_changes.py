"""Incremental and full syncs apply changes made in Greenhouse."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.issues.models import Issue
from portal.sync import schedule
from portal.sync.engine import run_lifecycle
from portal.sync.engine.run_lifecycle import Scope
from portal.sync.models import Application, Candidate, Job, JobGrant, SyncRun
from tests.api_generations import any_generation
from tests.factories import ConnectionFactory
from tests.portal.sync.sandbox_truth import assert_sync_matches

DELETIONS = ("delete_application", "delete_candidate", "merge_candidate", "delete_rejection_reason")


@pytest.fixture
def run_sync(run_tasks):
    def synced(connection: Any, scope: str) -> SyncRun:
        run = run_lifecycle.request_sync(connection, scope)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


def test_recent_sync_writes_only_changed_rows(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    connection = connect(kind)
    advance_clock(15 * 60)
    application = Application.objects.filter(status="active", job__status="open").first()
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    changed_at_before = {a.pk: a.changed_at for a in Application.objects.all()}
    run = run_sync(connection, Scope.RECENT)
    steps = {step.kind: step for step in run.steps.all()}
    assert set(steps) == {"jobs", "candidates", "applications", "stage_history"}
    assert sum(step.requests for step in steps.values()) <= 5  # a page each, and v3's token
    assert steps["applications"].changed == 1
    written_pks = [
        a.pk for a in Application.objects.all() if a.changed_at != changed_at_before[a.pk]
    ]
    assert written_pks == [application.pk]


def test_change_stamped_by_slow_clock_is_synced(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    """Greenhouse's clock may be minutes behind ours when it stamps a change."""
    connection = connect(kind)
    application = Application.objects.filter(status="active", job__status="open").first()
    advance_clock(-5 * 60)
    sandbox.run_mutation("reject_application", application_id=application.remote_id)
    advance_clock(20 * 60)
    run_sync(connection, Scope.RECENT)
    application.refresh_from_db()
    assert application.status == "rejected"


def test_full_sync_without_changes_writes_no_row(connect, run_sync, kind: str) -> None:
    connection = connect(kind)
    models = (Job, Application, Candidate, JobGrant)
    before = [set(model.objects.values_list("pk", "changed_at")) for model in models]
    run = run_sync(connection, Scope.FULL)
    assert [set(model.objects.values_list("pk", "changed_at")) for model in models] == before
    assert not run.steps.exclude(created=0, changed=0, gone=0).exists()
    assert run.steps.get(kind="applications").unchanged == Application.objects.count()


def test_recent_sync_reads_stages_of_new_job(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    connection = connect(kind)
    advance_clock(15 * 60)
    job = sandbox.run_mutation("create_job", name="Brand new")
    sandbox.run_mutation("new_application", job_id=job.id)
    run = run_sync(connection, Scope.RECENT)
    assert run.steps.filter(kind="stages").exists()
    assert_sync_matches(sandbox, kind)


@pytest.mark.parametrize("seed", [3, 4])
def test_mirror_equals_greenhouse_after_random_changes(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str, seed: int
) -> None:
    """Only a full sync detects deletions, so they come last.

    With v1, only a full sync reads the grants of Greenhouse users who are no members, once a week.
    """
    weekly = ("grants",) if kind == "harvest_key" else ()
    connection = connect(kind)
    chance = random.Random(seed)
    for _ in range(3):
        for _ in range(12):
            _apply_random_change(sandbox, chance, deletions=False)
        advance_clock(61 * 60)
        assert run_sync(connection, Scope.RECENT).status == SyncRun.Status.DONE
        assert run_sync(connection, Scope.PEOPLE).status == SyncRun.Status.DONE
        assert_sync_matches(sandbox, kind, but=weekly)
    for _ in range(12):
        _apply_random_change(sandbox, chance, deletions=True)
    advance_clock(7 * 24 * 3600)
    run_sync(connection, Scope.RECENT)
    run_sync(connection, Scope.FULL)
    assert_sync_matches(sandbox, kind)


def _apply_random_change(sandbox: Sandbox, chance: random.Random, *, deletions: bool) -> None:
    """Apply one random mutation that is possible now."""
    records = sandbox.dataset()
    jobs = [job for job in records.jobs if job.status == "open"]
    active = [
        a for a in records.applications if a.status == "active" and a.job_id and not a.prospect
    ]
    rejected = [a for a in records.applications if a.status == "rejected" and a.job_id]
    users_with_email = [u for u in records.users if records.list_user_emails(u.id)]
    job, other_job = chance.sample(jobs, 2)
    application = chance.choice(active)
    candidate, other_candidate = chance.sample(list(records.candidates), 2)
    user_id = chance.choice(users_with_email).id
    options: list[tuple[str, dict[str, Any]]] = [
        ("reject_application", {"application_id": application.id}),
        ("hire_application", {"application_id": application.id}),
        ("transfer_application", {"application_id": application.id, "job_id": other_job.id}),
        ("new_application", {"job_id": job.id, "first_name": f"N{chance.randint(1, 99)}"}),
        ("rename_job", {"job_id": job.id, "name": f"Job {chance.randint(1, 999)}"}),
        ("set_confidential", {"job_id": job.id, "confidential": not job.confidential}),
        ("create_job", {"name": "Another"}),
        ("close_job", {"job_id": job.id}),
        ("rename_candidate", {"candidate_id": candidate.id, "first_name": "R", "last_name": "N"}),
        ("add_grant", {"user": user_id, "job_id": job.id}),
        ("remove_grant", {"user": user_id, "job_id": job.id}),
        ("deactivate_user", {"user": user_id}),
        ("reactivate_user", {"user": user_id}),
        ("set_site_admin", {"user": user_id, "site_admin": chance.random() < 0.5}),
    ]
    if rejected:
        options.append(("unreject_application", {"application_id": chance.choice(rejected).id}))
    if deletions:
        options = [
            ("delete_application", {"application_id": application.id}),
            ("delete_candidate", {"candidate_id": candidate.id}),
            ("merge_candidate", {"candidate_id": candidate.id, "into_id": other_candidate.id}),
            ("delete_job", {"job_id": job.id}),
            ("anonymize_candidate", {"candidate_id": candidate.id}),
            *options[:4],
        ]
    mutation, values = chance.choice(options)
    sandbox.run_mutation(mutation, **values)


def test_anonymized_candidate_erased_by_sync(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    connection = connect(kind)
    application = next(a for a in Application.objects.select_related("candidate") if a.answers)
    candidate = application.candidate
    sandbox.run_mutation("anonymize_candidate", candidate_id=candidate.remote_id)
    advance_clock(15 * 60)
    run_sync(connection, Scope.RECENT)
    candidate.refresh_from_db()
    application.refresh_from_db()
    assert (candidate.first_name, candidate.last_name, application.answers) == ("", "", [])
    assert candidate.erased_at is not None
    assert Entry.objects.filter(verb="candidate.erased").count() == 1
    advance_clock(15 * 60)
    run_sync(connection, Scope.FULL)
    assert Entry.objects.filter(verb="candidate.erased").count() == 1


@any_generation
def test_closed_and_reopened_job_status_followed(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    connection = connect(kind)
    job = Job.objects.filter(status="open").first()
    for mutation, status in (("close_job", "closed"), ("reopen_job", "open")):
        sandbox.run_mutation(mutation, job_id=job.remote_id)
        advance_clock(15 * 60)
        run_sync(connection, Scope.RECENT)
        job.refresh_from_db()
        assert (job.status, job.gone_at) == (status, None)


def test_prospects_have_no_job(connect, sandbox: Sandbox, kind) -> None:
    connect(kind)
    prospects = Application.objects.filter(prospect=True)
    assert prospects.exists()
    assert not prospects.exclude(job=None).exists()


@any_generation
def test_drift_repaired_and_reported(
    connect, sandbox: Sandbox, advance_clock, run_sync, kind: str
) -> None:
    connection = connect(kind)
    advance_clock(3 * 60 * 60)
    job = Job.objects.filter(applications__status="active").first()
    Application.objects.filter(job=job).update(
        status="active", stage_remote_id=1, stage=None, fingerprint=7, source_fingerprint=7
    )
    run_sync(connection, Scope.FULL)
    issue = Issue.objects.get(cause=Issue.Cause.DRIFT)
    assert issue.details["requisitions"] == 1
    assert_sync_matches(sandbox, kind)
    advance_clock(60)
    run_sync(connection, Scope.FULL)
    issue.refresh_from_db()
    assert not issue.is_open


def test_access_read_during_long_sync(connect, sandbox: Sandbox, advance_clock, run_tasks) -> None:
    connection = connect()
    SyncRun.objects.create(connection=connection, status="running", scope=Scope.RECENT)
    grant = JobGrant.objects.select_related("user", "job").first()
    sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)
    advance_clock(11 * 60)
    schedule.request_due_syncs()
    run_tasks()
    assert JobGrant.objects.get(pk=grant.pk).gone_at is not None


@pytest.mark.django_db
def test_slow_people_sync_is_repeated_less_often(advance_clock) -> None:
    """Reading people takes at most half of the time."""
    connection = ConnectionFactory(state="live")
    now = timezone.now()
    for scope in (Scope.FULL, Scope.PEOPLE):
        SyncRun.objects.create(
            connection=connection,
            scope=scope,
            status=SyncRun.Status.DONE,
            started_at=now,
            finished_at=now + timedelta(minutes=20),
        )
    queued = connection.syncs.filter(scope=Scope.PEOPLE, status=SyncRun.Status.QUEUED)
    advance_clock(39 * 60)
    schedule.request_due_syncs()
    assert not queued.exists()
    advance_clock(2 * 60)
    schedule.request_due_syncs()
    assert queued.exists()


def test_connections_get_distinct_schedule_phases() -> None:
    from portal.connections.models import Connection

    connections = [Connection(pk=pk) for pk in range(1, 201)]
    for period in (schedule.NIGHT_WINDOW, schedule.RECENT_INTERVAL):
        phases = sorted(schedule._get_phase(connection, period) for connection in connections)
        gaps = [(b - a) / period for a, b in itertools.pairwise(phases)]
        assert max(gaps) < 0.1
        assert len(set(phases)) > 100
