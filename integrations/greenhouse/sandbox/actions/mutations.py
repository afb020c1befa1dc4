"""Changes as if someone worked in Greenhouse itself; permissions are not checked.

Called by the library and by ``POST /__mutate``. Users are named by ID or by the local part of
their email.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from integrations.greenhouse.sandbox.actions import application_actions
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    ApplicationStage,
    Candidate,
    Job,
    JobPermission,
    Opening,
    Record,
    RejectionReason,
    Stage,
    User,
    UserEmail,
)
from integrations.greenhouse.sandbox.dataset.tables import Table
from integrations.greenhouse.sandbox.webhooks import payloads

R = TypeVar("R", bound=Record)

Mutation = Callable[..., Record | None]


class RecordNotFound(LookupError):
    def __str__(self) -> str:
        return f"There is no {self.args[0]}."


def _get_record(table: Table[R], number: Any) -> R:
    row = table.get(number)
    if row is None:
        raise RecordNotFound(f"{table.kind} {number}")
    return row


def find_user(dataset: Dataset, user: int | str) -> User:
    if isinstance(user, int):
        return _get_record(dataset.users, user)
    try:
        return dataset.find_user(user)
    except KeyError:
        raise RecordNotFound(f"user {user}") from None


# Applications


def move_application(
    dataset: Dataset, application_id: int, stage_id: int | None = None
) -> Application:
    """Move an application to a stage, or to the next one."""
    row = _get_record(dataset.applications, application_id)
    accepted = {row.stage_id}
    if stage_id is None:
        application_actions.advance_application(dataset, row, None, row.stage_id, accepted)
    else:
        application_actions.move_application(dataset, row, None, row.stage_id, accepted, stage_id)
    return row


def transfer_application(dataset: Dataset, application_id: int, job_id: int) -> Application:
    row = _get_record(dataset.applications, application_id)
    application_actions.transfer_application(dataset, row, None, job_id)
    return row


def reject_application(
    dataset: Dataset, application_id: int, reason_id: int | None = None
) -> Application:
    row = _get_record(dataset.applications, application_id)
    application_actions.reject_application(dataset, row, None, reason_id=reason_id)
    return row


def unreject_application(dataset: Dataset, application_id: int) -> Application:
    row = _get_record(dataset.applications, application_id)
    application_actions.unreject_application(dataset, row, None)
    return row


def hire_application(dataset: Dataset, application_id: int) -> Application:
    row = _get_record(dataset.applications, application_id)
    application_actions.hire_application(dataset, row)
    return row


def delete_application(dataset: Dataset, application_id: int) -> None:
    row = _get_record(dataset.applications, application_id)
    payload = payloads.build_deleted_application_payload(dataset, row)
    _remove_application(dataset, row)
    dataset.publish_event("delete_application", lambda: {"application": payload})


def new_application(
    dataset: Dataset, job_id: int, first_name: str = "Nova", last_name: str = "Newman"
) -> Application:
    job = _get_record(dataset.jobs, job_id)
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
    entry = dataset.add_record(
        ApplicationStage,
        now,
        application_id=row.id,
        stage_id=stage.id,
        entered_at=now,
        current=True,
    )
    dataset.update_record(
        row, stage_id=stage.id, entry_id=entry.id, updated_at=now, needs_decision=True
    )
    dataset.publish_event(
        "new_candidate_application",
        lambda: {"application": payloads.build_application_payload(dataset, row)},
    )
    return row


def _remove_application(dataset: Dataset, row: Application) -> None:
    for table in (dataset.history, dataset.rejections, dataset.attachments):
        for dependent in list(table.filter_by("application_id", row.id)):
            dataset.remove_record(dependent)
    for opening in dataset.openings.filter_by("application_id", row.id):
        dataset.update_record(opening, application_id=None)
    dataset.remove_record(row)


# Jobs


def close_job(dataset: Dataset, job_id: int) -> Job:
    job = _get_record(dataset.jobs, job_id)
    now = dataset.get_time()
    dataset.update_record(job, status="closed", closed_at=now)
    for opening in dataset.openings.filter_by("job_id", job.id):
        if opening.open:
            dataset.update_record(opening, open=False, closed_at=now)
    return _publish_job_update(dataset, job)


def reopen_job(dataset: Dataset, job_id: int) -> Job:
    job = _get_record(dataset.jobs, job_id)
    now = dataset.get_time()
    dataset.update_record(job, status="open", opened_at=now, closed_at=None)
    order = len(dataset.openings.find_ids("job_id", job.id))
    dataset.add_record(Opening, now, job_id=job.id, opened_at=now, sort_order=order)
    return _publish_job_update(dataset, job)


def rename_job(dataset: Dataset, job_id: int, name: str) -> Job:
    job = _get_record(dataset.jobs, job_id)
    dataset.update_record(job, name=name)
    return _publish_job_update(dataset, job)


def set_confidential(dataset: Dataset, job_id: int, confidential: bool = True) -> Job:
    job = _get_record(dataset.jobs, job_id)
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
    job = _get_record(dataset.jobs, job_id)
    for application in dataset.applications.filter_by("job_id", job.id):
        _remove_application(dataset, application)
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
    stage = _get_record(dataset.stages, stage_id)
    dataset.update_record(stage, active=False)
    dataset.publish_event(
        "job_interview_stage_deleted",
        lambda: {"job_interview_stage": payloads.build_stage_payload(stage)},
    )
    return stage


def delete_rejection_reason(dataset: Dataset, reason_id: int) -> RejectionReason:
    reason = _get_record(dataset.rejection_reasons, reason_id)
    dataset.remove_record(reason)
    return reason


def _publish_job_update(dataset: Dataset, job: Job) -> Job:
    dataset.publish_event("job_updated", lambda: {"job": payloads.build_job_payload(dataset, job)})
    return job


# Candidates


def rename_candidate(
    dataset: Dataset, candidate_id: int, first_name: str | None, last_name: str | None
) -> Candidate:
    row = _get_record(dataset.candidates, candidate_id)
    dataset.update_record(row, first_name=first_name, last_name=last_name)
    application_actions.publish_candidate_update(dataset, row)
    return row


def delete_candidate(dataset: Dataset, candidate_id: int) -> None:
    row = _get_record(dataset.candidates, candidate_id)
    applications = dataset.applications.filter_by("candidate_id", row.id)
    person = payloads.build_deleted_person_payload(row) | {
        "deleted_application_ids": [application.id for application in applications]
    }
    for application in applications:
        _remove_application(dataset, application)
    dataset.remove_record(row)
    dataset.publish_event("delete_candidate", lambda: {"person": person})


def merge_candidate(dataset: Dataset, candidate_id: int, into_id: int) -> Candidate:
    """Merge a candidate into another: the applications move, the old ID is gone."""
    merged = _get_record(dataset.candidates, candidate_id)
    survivor = _get_record(dataset.candidates, into_id)
    for application in dataset.applications.filter_by("candidate_id", merged.id):
        dataset.update_record(application, candidate_id=survivor.id)
    for attachment in dataset.attachments.filter_by("candidate_id", merged.id):
        dataset.update_record(attachment, candidate_id=survivor.id)
    dataset.update_record(survivor, emails=[*survivor.emails, *merged.emails])
    dataset.remove_record(merged)
    person = payloads.build_deleted_person_payload(merged) | {"new_candidate_id": survivor.id}
    dataset.publish_event("merge_candidate", lambda: {"person": person})
    return survivor


def anonymize_candidate(dataset: Dataset, candidate_id: int) -> Candidate:
    """Clear what identifies a candidate; which fields exactly is inferred."""
    row = _get_record(dataset.candidates, candidate_id)
    dataset.update_record(
        row,
        first_name=None,
        last_name=None,
        preferred_name=None,
        company=None,
        title=None,
        emails=[],
        phones=[],
        addresses=[],
        websites=[],
        social=[],
        tags=[],
        custom={},
    )
    for attachment in dataset.attachments.filter_by("candidate_id", row.id):
        dataset.remove_record(attachment)
    for application in dataset.applications.filter_by("candidate_id", row.id):
        dataset.update_record(application, answers=[], location=None, custom={})
    fields = ["full_name", "current_company", "current_title", "email_addresses"]
    dataset.publish_event(
        "candidate_anonymized",
        lambda: {"candidate_id": row.id, "anonymized_fields": fields},
    )
    return row


# Users. None of these sends a webhook (documented: there is none).


def add_grant(
    dataset: Dataset, user: int | str, job_id: int, role: str = "Standard", automated: bool = False
) -> JobPermission:
    """Grant a job to a user, or change their role on it. Raises ValueError if unknown."""
    target, job = find_user(dataset, user), _get_record(dataset.jobs, job_id)
    user_role = next((row for row in dataset.user_roles if row.name == role), None)
    if user_role is None:
        raise ValueError(
            f"Unknown role: {role}. Known: {', '.join(row.name for row in dataset.user_roles)}."
        )
    for row in dataset.grants.filter_by("user_id", target.id):
        if row.job_id == job.id:
            dataset.update_record(row, role_id=user_role.id)
            return row
    return dataset.add_record(
        JobPermission, user_id=target.id, job_id=job.id, role_id=user_role.id, automated=automated
    )


def remove_grant(dataset: Dataset, user: int | str, job_id: int) -> None:
    target = find_user(dataset, user)
    for row in dataset.grants.filter_by("user_id", target.id):
        if row.job_id == job_id:
            dataset.remove_record(row)


def deactivate_user(dataset: Dataset, user: int | str) -> User:
    """Deactivate a user; ``site_admin`` and grants stay."""
    target = find_user(dataset, user)
    dataset.update_record(target, deactivated=True)
    return target


def reactivate_user(dataset: Dataset, user: int | str) -> User:
    target = find_user(dataset, user)
    dataset.update_record(target, deactivated=False)
    return target


def set_site_admin(dataset: Dataset, user: int | str, site_admin: bool = True) -> User:
    target = find_user(dataset, user)
    dataset.update_record(target, site_admin=site_admin)
    return target


def change_email(dataset: Dataset, user: int | str, email: str) -> User:
    target = find_user(dataset, user)
    primary = next((row for row in dataset.list_user_emails(target.id) if row.primary), None)
    if primary:
        dataset.update_record(primary, email=email)
    else:
        dataset.add_record(UserEmail, user_id=target.id, email=email)
    dataset.update_record(target)
    return target


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        move_application,
        transfer_application,
        reject_application,
        unreject_application,
        hire_application,
        delete_application,
        new_application,
        close_job,
        reopen_job,
        rename_job,
        set_confidential,
        create_job,
        delete_job,
        delete_stage,
        delete_rejection_reason,
        rename_candidate,
        delete_candidate,
        merge_candidate,
        anonymize_candidate,
        add_grant,
        remove_grant,
        deactivate_user,
        reactivate_user,
        set_site_admin,
        change_email,
    )
}
