"""What pages show of jobs and applications beyond their names is mirrored too."""

from __future__ import annotations

from collections.abc import Callable

from integrations.greenhouse.sandbox import Sandbox
from portal.mirror import sync
from portal.mirror.models import (
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


def test_both_generations_bring_what_the_pages_show(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    world = sandbox.world()
    real = {job.id for job in world.jobs if not job.is_template}
    for model, rows in (
        (Department, world.departments),
        (Office, world.offices),
        (CloseReason, world.close_reasons),
        (Source, world.sources),
        (EmailTemplate, world.email_templates),
    ):
        assert set(model.objects.values_list("remote_id", flat=True)) == {row.id for row in rows}
    for on_jobs, there in ((Opening, world.openings), (JobPost, world.posts)):
        here = dict(on_jobs.objects.values_list("remote_id", "job__remote_id"))
        assert here == {row.id: row.job_id for row in there if row.job_id in real}


def test_jobs_have_their_department_and_offices(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    there = {job.id: job for job in sandbox.world().jobs}
    for job in Job.objects.select_related("department").prefetch_related("offices"):
        truth = there[job.remote_id]
        assert (job.department.remote_id if job.department else None) == truth.department_id
        assert {office.remote_id for office in job.offices.all()} == set(truth.office_ids)


def test_applications_have_their_source_people_and_answers(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connect(kind)
    there = {row.id: row for row in sandbox.world().applications}
    rows = Application.objects.select_related("source", "recruiter", "coordinator")
    assert rows
    for row in rows:
        truth = there[row.remote_id]
        assert (row.source.remote_id if row.source else None) == truth.source_id
        assert (row.recruiter.remote_id if row.recruiter else None) == truth.recruiter_id
        assert [one["question"] for one in row.answers] == [a["question"] for a in truth.answers]


def test_a_null_character_in_an_answer_stops_no_sync(
    connect, sandbox: Sandbox, work: Callable[[], int], kind: str
) -> None:
    connection = connect(kind)
    row = next(one for one in sandbox.world().applications if one.answers)
    told = [{"question": "Why\0?", "answer": "a\0b"}, {"question": "Which?", "answer": ["c\0d"]}]
    sandbox.world().change(row, answers=told, last_activity_at=row.last_activity_at)
    run = sync.request(connection, SyncRun.Scope.FULL)
    work()
    run.refresh_from_db()
    assert run.status == SyncRun.Status.DONE
    here = Application.objects.get(remote_id=row.id)
    assert here.answers == [
        {"question": "Why?", "answer": "ab"},
        {"question": "Which?", "answer": '["cd"]'},
    ]


def test_of_custom_fields_only_what_people_may_see_is_kept(
    connect, sandbox: Sandbox, kind: str
) -> None:
    connect(kind)
    there = {row.id: row for row in sandbox.world().applications}
    shown = set(
        CustomField.objects.filter(private=False, active=True).values_list("key", flat=True)
    )
    assert {"notice_period", "salary_expectation"} <= shown
    assert "panels_concerns" not in shown
    for row in Application.objects.all():
        held = {key: one["value"] for key, one in there[row.remote_id].custom.items()}
        told = {key: value for key, value in held.items() if key in shown}
        assert row.custom == {key: value for key, value in told.items() if value is not None}
