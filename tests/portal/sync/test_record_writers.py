"""Syncs mirror departments, offices, sources, answers and custom fields."""

from __future__ import annotations

from collections.abc import Callable

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.engine import run_lifecycle
from portal.sync.models import (
    Application,
    CloseReason,
    CustomField,
    Department,
    EmailTemplate,
    Job,
    JobPost,
    Office,
    Opening,
    Source,
    SyncRun,
)
from tests.api_generations import any_generation


def test_reference_records_are_mirrored(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    records = sandbox.dataset()
    job_ids = {job.id for job in records.jobs if job.is_requisition}
    for model, rows in (
        (Department, records.departments),
        (Office, records.offices),
        (CloseReason, records.close_reasons),
        (Source, records.sources),
        (EmailTemplate, records.email_templates),
    ):
        assert set(model.objects.values_list("remote_id", flat=True)) == {row.id for row in rows}
    for job_model, job_rows in ((Opening, records.openings), (JobPost, records.posts)):
        mirrored = dict(job_model.objects.values_list("remote_id", "job__remote_id"))
        assert mirrored == {row.id: row.job_id for row in job_rows if row.job_id in job_ids}


def test_jobs_have_department_and_offices(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    greenhouse_jobs = {job.id: job for job in sandbox.dataset().jobs}
    for job in Job.objects.select_related("department").prefetch_related("offices"):
        expected = greenhouse_jobs[job.remote_id]
        assert (job.department.remote_id if job.department else None) == expected.department_id
        assert {office.remote_id for office in job.offices.all()} == set(expected.office_ids)


def test_applications_have_source_people_and_answers(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    greenhouse_applications = {row.id: row for row in sandbox.dataset().applications}
    rows = Application.objects.select_related("source", "recruiter", "coordinator")
    assert rows
    for row in rows:
        expected = greenhouse_applications[row.remote_id]
        assert (row.source.remote_id if row.source else None) == expected.source_id
        assert (row.recruiter.remote_id if row.recruiter else None) == expected.recruiter_id
        assert (row.coordinator.remote_id if row.coordinator else None) == expected.coordinator_id
        assert [answer["question"] for answer in row.answers] == [
            a["question"] for a in expected.answers
        ]


@any_generation
def test_null_character_in_answer_is_dropped(
    connect, sandbox: Sandbox, run_tasks: Callable[[], int], kind: str
) -> None:
    connection = connect(kind)
    row = next(application for application in sandbox.dataset().applications if application.answers)
    answers = [{"question": "Why\0?", "answer": "a\0b"}, {"question": "Which?", "answer": ["c\0d"]}]
    sandbox.dataset().update_record(row, answers=answers, last_activity_at=row.last_activity_at)
    run = run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.DONE
    mirrored = Application.objects.get(remote_id=row.id)
    assert mirrored.answers == [
        {"question": "Why?", "answer": "ab"},
        {"question": "Which?", "answer": '["cd"]'},
    ]


def test_private_custom_fields_not_mirrored(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    greenhouse_applications = {row.id: row for row in sandbox.dataset().applications}
    public_keys = set(
        CustomField.objects.filter(private=False, active=True).values_list("key", flat=True)
    )
    assert {"notice_period", "salary_expectation"} <= public_keys
    assert "panels_concerns" not in public_keys
    for row in Application.objects.all():
        values = {
            key: field["value"]
            for key, field in greenhouse_applications[row.remote_id].custom.items()
        }
        public_values = {key: value for key, value in values.items() if key in public_keys}
        assert row.custom == {
            key: value for key, value in public_values.items() if value is not None
        }
