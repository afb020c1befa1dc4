"""Lists that extend others and are refused with 403 or 422 end no sync and no refresh."""

from __future__ import annotations

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.engine import run_lifecycle
from portal.sync.models import CustomField, Job, Opening, SyncRun, SyncStep
from portal.sync.records import job_refresh
from tests.api_generations import any_generation

pytestmark = any_generation
Status = SyncStep.Status

LISTS = {
    "user_roles": "roles",
    "user_emails": "emails",
    "departments": "departments",
    "offices": "offices",
    "close_reasons": "close_reasons",
    "job_hiring_managers": "team",
    "job_interview_stages": "stages",
    "openings": "openings",
    "job_posts": "posts",
    "rejection_reasons": "rejection_reasons",
    "sources": "sources",
    "email_templates": "email_templates",
    "custom_fields": "custom_fields",
    "custom_field_options": "custom_fields",
    "application_stages": "stage_history",
}


@pytest.mark.parametrize("path", LISTS)
def test_422_on_optional_list_ends_in_finished_sync(
    connect, sandbox: Sandbox, run_tasks, kind: str, path: str
) -> None:
    connection = connect(kind)
    sandbox.faults.add_fault(regex=rf"/v3/{path}$", status=422, body={}, times=None)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    run = SyncRun.objects.first()
    assert run.status in (SyncRun.Status.DONE, SyncRun.Status.PARTIAL)
    refused = run.steps.filter(status=Status.REFUSED)
    assert list(refused.values_list("kind", flat=True)) == [LISTS[path]]


@pytest.mark.parametrize("status", [403, 422])
def test_fields_kept_when_options_are_refused(
    connect, sandbox: Sandbox, run_tasks, kind: str, status: int
) -> None:
    connection = connect(kind)
    options = [str(field.options) for field in CustomField.objects.order_by("remote_id")]
    assert options
    sandbox.faults.add_fault(regex="/v3/custom_field_options$", status=status, body={}, times=None)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    fields = CustomField.objects.filter(gone_at=None).order_by("remote_id")
    assert [str(field.options) for field in fields] == options


@pytest.mark.parametrize("path", ["job_interview_stages", "job_posts", "openings", "candidates"])
def test_refused_lists_left_out_of_job_refresh(
    connect, sandbox: Sandbox, kind: str, path: str
) -> None:
    connection = connect(kind)
    job = Job.objects.filter(applications__status="active").first()
    openings = Opening.objects.filter(gone_at=None).count()
    sandbox.faults.add_fault(regex=rf"/v3/{path}$", status=422, body={}, times=None)
    refreshed = job_refresh.refresh_job(connection, job.remote_id)
    assert refreshed is not None
    assert refreshed.read_at is not None
    assert Opening.objects.filter(gone_at=None).count() == openings
