"""Candidates anonymized or deleted in Greenhouse stay erased in the mirror."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.client import open_provider
from portal.privacy.tasks import delete_expired_data
from portal.sync.engine import run_lifecycle
from portal.sync.engine.upsert import written_as_of
from portal.sync.models import Application, Candidate, SyncRun
from portal.sync.records import record_refresh, refresh_requests
from portal.sync.records.refresh_requests import Kind
from portal.sync.writers import application_records
from tests.personas import Personas

MUTATIONS = ("anonymize_candidate", "delete_candidate")


@pytest.fixture
def application(connect, kind: str) -> Application:
    """An application with answers whose candidate has a company."""
    connect(kind)
    rows = Application.objects.select_related("candidate", "connection")
    return next(row for row in rows if row.answers and row.candidate.company)


def _is_erased(application: Application) -> bool:
    application.refresh_from_db()
    candidate = Candidate.objects.get(pk=application.candidate_id)
    texts = (candidate.first_name, candidate.last_name, candidate.company, candidate.title)
    return not any(texts) and application.answers == [] and candidate.erased_at is not None


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_erased_candidate_not_restored_by_late_answer(
    application: Application, sandbox: Sandbox, run_tasks, mutation: str
) -> None:
    connection, candidate = application.connection, application.candidate
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    asked = timezone.now()
    late_application = provider.get_application(application.remote_id)
    late_candidate = provider.get_candidate(candidate.remote_id)
    sandbox.run_mutation(mutation, candidate_id=candidate.remote_id)
    refresh_requests.request_refresh(connection, Kind.CANDIDATE, candidate.remote_id)
    run_tasks()
    assert _is_erased(application)
    with written_as_of(asked):  # as a sync writes its pages
        application_records.write_candidates(connection, [late_candidate])
        application_records.write_applications(connection, [late_application])
    assert _is_erased(application)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_candidate_erased_during_read_stays_erased(
    application: Application, sandbox: Sandbox, run_tasks, on_response, kind: str, mutation: str
) -> None:
    """The older answer arrives after the newer one was written."""
    connection, candidate = application.connection, application.candidate
    path = f"/v1/candidates/{candidate.remote_id}" if kind == "harvest_key" else "/v3/candidates"

    def erase() -> None:
        sandbox.run_mutation(mutation, candidate_id=candidate.remote_id)
        record_refresh.refresh_candidate(connection, candidate.remote_id)

    on_response(path, erase)
    refresh_requests.request_refresh(connection, Kind.CANDIDATE, candidate.remote_id)
    run_tasks()
    assert _is_erased(application)


def test_anonymized_candidate_ignores_remaining_data(
    application: Application, sandbox: Sandbox, run_tasks
) -> None:
    """Customers choose which fields anonymizing clears, so answers and company may remain."""
    connection, candidate = application.connection, application.candidate
    world = sandbox.dataset()
    answers = world.applications.get(application.remote_id).answers
    company = world.candidates.get(candidate.remote_id).company
    sandbox.run_mutation("anonymize_candidate", candidate_id=candidate.remote_id)
    world.update_record(world.applications.get(application.remote_id), answers=answers)
    world.update_record(world.candidates.get(candidate.remote_id), company=company)
    refresh_requests.request_refresh(connection, Kind.CANDIDATE, candidate.remote_id)
    refresh_requests.request_refresh(connection, Kind.APPLICATION, application.remote_id)
    run_tasks()
    assert _is_erased(application)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    assert _is_erased(application)


@pytest.mark.parametrize("trigger", ["refresh", "full sync"])
def test_merge_keeps_moved_applications(
    application: Application, personas: Personas, sandbox: Sandbox, run_tasks, trigger: str
) -> None:
    connection, merged = application.connection, application.candidate
    survivor = Candidate.objects.exclude(pk=merged.pk).filter(private=False, gone_at=None).last()
    pending_action = ApplicationAction.objects.create(
        application=application,
        kind="reject",
        membership=personas.ada,
        status="scheduled",
        notes="No Rust",
    )
    answers = application.answers
    sandbox.run_mutation(
        "merge_candidate", candidate_id=merged.remote_id, into_id=survivor.remote_id
    )
    if trigger == "full sync":
        run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    else:
        refresh_requests.request_refresh(connection, Kind.CANDIDATE, merged.remote_id)
    run_tasks()
    for row in (application, pending_action, merged):
        row.refresh_from_db()
    assert (application.candidate, application.answers) == (survivor, answers)
    assert pending_action.notes == "No Rust"
    assert (merged.last_name, merged.erased_at is not None) == ("", True)


def test_candidate_of_failed_sync_erased_next_night(
    application: Application, sandbox: Sandbox, run_tasks, advance_clock, quick_retries: None
) -> None:
    connection, candidate = application.connection, application.candidate
    sandbox.run_mutation("delete_candidate", candidate_id=candidate.remote_id)
    generation = "v1" if connection.credential.kind == "harvest_key" else "v3"
    sandbox.faults.add_fault(f"/{generation}/applications", status=500, times=None)
    run = run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    run.refresh_from_db()
    candidate.refresh_from_db()
    assert (run.status, candidate.erased_at) == (SyncRun.Status.FAILED, None)
    assert candidate.gone_at is not None
    advance_clock(25 * 60 * 60)
    delete_expired_data()
    assert _is_erased(application)
