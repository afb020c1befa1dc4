"""Changes to applications as if made in Greenhouse itself; permissions are not checked."""

from __future__ import annotations

from integrations.greenhouse.sandbox.actions import rejection_actions, stage_actions
from integrations.greenhouse.sandbox.actions.record_lookup import get_record
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Candidate
from integrations.greenhouse.sandbox.webhooks import payloads


def move_application(
    dataset: Dataset, application_id: int, stage_id: int | None = None
) -> Application:
    """Move an application to a stage, or to the next one."""
    row = get_record(dataset.applications, application_id)
    accepted = {row.stage_id}
    if stage_id is None:
        stage_actions.advance_application(dataset, row, None, row.stage_id, accepted)
    else:
        stage_actions.move_application(dataset, row, None, row.stage_id, accepted, stage_id)
    return row


def transfer_application(dataset: Dataset, application_id: int, job_id: int) -> Application:
    row = get_record(dataset.applications, application_id)
    stage_actions.transfer_application(dataset, row, None, job_id)
    return row


def reject_application(
    dataset: Dataset, application_id: int, reason_id: int | None = None
) -> Application:
    row = get_record(dataset.applications, application_id)
    rejection_actions.reject_application(dataset, row, None, reason_id=reason_id)
    return row


def unreject_application(dataset: Dataset, application_id: int) -> Application:
    row = get_record(dataset.applications, application_id)
    rejection_actions.unreject_application(dataset, row, None)
    return row


def hire_application(dataset: Dataset, application_id: int) -> Application:
    row = get_record(dataset.applications, application_id)
    stage_actions.hire_application(dataset, row)
    return row


def delete_application(dataset: Dataset, application_id: int) -> None:
    row = get_record(dataset.applications, application_id)
    payload = payloads.build_deleted_application_payload(dataset, row)
    remove_application(dataset, row)
    dataset.publish_event("delete_application", lambda: {"application": payload})


def new_application(
    dataset: Dataset, job_id: int, first_name: str = "Nova", last_name: str = "Newman"
) -> Application:
    job = get_record(dataset.jobs, job_id)
    stage = dataset.list_job_stages(job.id, active_only=True)[0]
    now = dataset.get_time()
    candidate = dataset.add_record(
        Candidate, now, first_name=first_name, last_name=last_name, last_activity_at=now
    )
    row = dataset.add_record(
        Application,
        now,
        candidate_id=candidate.id,
        job_id=job.id,
        last_activity_at=now,
        source_id=dataset.sources.ids[0],
    )
    stage_actions.enter_stage(dataset, row, stage)
    dataset.publish_event(
        "new_candidate_application",
        lambda: {"application": payloads.build_application_payload(dataset, row)},
    )
    return row


def remove_application(dataset: Dataset, row: Application) -> None:
    for table in (dataset.history, dataset.rejections, dataset.attachments, dataset.scorecards):
        for dependent in list(table.filter_by("application_id", row.id)):
            dataset.remove_record(dependent)
    for opening in dataset.openings.filter_by("application_id", row.id):
        dataset.update_record(opening, application_id=None)
    dataset.remove_record(row)
