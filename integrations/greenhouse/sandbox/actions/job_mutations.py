"""Changes to jobs as if made in Greenhouse itself; permissions are not checked."""

from __future__ import annotations

from integrations.greenhouse.sandbox.actions.application_mutations import remove_application
from integrations.greenhouse.sandbox.actions.record_lookup import get_record
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.records import Job, Opening, RejectionReason, Stage
from integrations.greenhouse.sandbox.webhooks import payloads


def close_job(dataset: Dataset, job_id: int) -> Job:
    job = get_record(dataset.jobs, job_id)
    now = dataset.get_time()
    dataset.update_record(job, status="closed", closed_at=now)
    for opening in dataset.openings.filter_by("job_id", job.id):
        if opening.open:
            dataset.update_record(opening, open=False, closed_at=now)
    return _publish_job_update(dataset, job)


def reopen_job(dataset: Dataset, job_id: int) -> Job:
    job = get_record(dataset.jobs, job_id)
    now = dataset.get_time()
    dataset.update_record(job, status="open", opened_at=now, closed_at=None)
    order = len(dataset.openings.find_ids("job_id", job.id))
    dataset.add_record(Opening, now, job_id=job.id, opened_at=now, sort_order=order)
    return _publish_job_update(dataset, job)


def rename_job(dataset: Dataset, job_id: int, name: str) -> Job:
    job = get_record(dataset.jobs, job_id)
    dataset.update_record(job, name=name)
    return _publish_job_update(dataset, job)


def set_confidential(dataset: Dataset, job_id: int, confidential: bool = True) -> Job:
    job = get_record(dataset.jobs, job_id)
    dataset.update_record(job, confidential=confidential)
    return _publish_job_update(dataset, job)


def create_job(dataset: Dataset, name: str, confidential: bool = False) -> Job:
    now = dataset.get_time()
    job = dataset.add_record(Job, now, name=name, confidential=confidential, opened_at=now)
    for priority, label in enumerate(sample_values.STAGE_NAMES):
        dataset.add_record(Stage, now, job_id=job.id, name=label, priority=priority)
    dataset.add_record(Opening, now, job_id=job.id, opened_at=now)
    dataset.publish_event("job_created", lambda: {"job": payloads.build_job_payload(dataset, job)})
    return job


def delete_job(dataset: Dataset, job_id: int) -> None:
    """Delete a job and its applications (inferred); sends a single webhook."""
    job = get_record(dataset.jobs, job_id)
    for application in dataset.applications.filter_by("job_id", job.id):
        remove_application(dataset, application)
    for application in dataset.applications.filter_by("prospective_job_ids", job.id):
        remaining_ids = [id_ for id_ in application.prospective_job_ids if id_ != job.id]
        dataset.update_record(application, prospective_job_ids=remaining_ids)
    job_tables = (dataset.stages, dataset.posts, dataset.openings, dataset.team, dataset.grants)
    for table in job_tables:
        for row in list(table.filter_by("job_id", job.id)):
            dataset.remove_record(row)
    dataset.remove_record(job)
    dataset.publish_event("job_deleted", lambda: {"job": {"id": job.id, "name": job.name}})


def delete_stage(dataset: Dataset, stage_id: int) -> Stage:
    """Delete a stage; the record stays, inactive."""
    stage = get_record(dataset.stages, stage_id)
    dataset.update_record(stage, active=False)
    dataset.publish_event(
        "job_interview_stage_deleted",
        lambda: {"job_interview_stage": payloads.build_stage_payload(stage)},
    )
    return stage


def delete_rejection_reason(dataset: Dataset, reason_id: int) -> RejectionReason:
    reason = get_record(dataset.rejection_reasons, reason_id)
    dataset.remove_record(reason)
    return reason


def _publish_job_update(dataset: Dataset, job: Job) -> Job:
    dataset.publish_event("job_updated", lambda: {"job": payloads.build_job_payload(dataset, job)})
    return job
