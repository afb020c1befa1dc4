"""Actions on applications, shared by both API versions.

Each action checks permission, then state, then values, before it changes anything. Messages are
Greenhouse's where they are public; the others are marked ``inferred``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from integrations.greenhouse.sandbox.actions import custom_field_values
from integrations.greenhouse.sandbox.clock import normalize_timestamp
from integrations.greenhouse.sandbox.dataset.access_rules import (
    can_act_on_job,
    can_open_application,
    can_open_job,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    ApplicationStage,
    Candidate,
    Job,
    Referrer,
    RejectionDetail,
    ScheduledEmail,
    Stage,
    User,
)
from integrations.greenhouse.sandbox.webhooks import payloads

RefusalReason = Literal["hidden", "forbidden", "invalid", "state"]


class ActionRefused(Exception):
    """The action is refused, for one of these reasons.

    ``hidden``: the user cannot see the record. ``forbidden``: sees it but lacks the right.
    ``invalid``: a value is wrong; ``field`` names it. ``state``: not possible in this state.
    """

    def __init__(self, reason: RefusalReason, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


def invalid_value(field: str, message: str) -> ActionRefused:
    return ActionRefused("invalid", message, field)


def check_permission(dataset: Dataset, actor: User | None, row: Application, action: str) -> None:
    """Refuse if the user lacks the right. Actor None works inside Greenhouse."""
    if actor is None:
        return
    if actor.deactivated or not can_open_application(dataset, actor, row):
        raise ActionRefused("hidden", "Not found")
    job_ids = [row.job_id] if row.job_id else row.prospective_job_ids
    jobs: list[Job | None] = [job for job in map(dataset.jobs.get, job_ids) if job]
    if not any(can_act_on_job(dataset, actor, job, action) for job in jobs or [None]):
        raise ActionRefused("forbidden", "Access Denied")


def require_status(row: Application, wanted: str) -> None:
    """Refuse unless the application has this status (text documented for unreject)."""
    if row.status != wanted:
        raise ActionRefused("state", f"Application must be '{wanted}', is currently '{row.status}'")


def _check_current_stage(
    dataset: Dataset, row: Application, from_stage: Any, accepted_ids: Collection[int | None]
) -> Stage:
    # Optimistic concurrency check: the caller names the stage it saw.
    require_status(row, "active")
    if from_stage is None:
        raise invalid_value("from_stage_id", "Missing required field: from_stage_id")
    stage = dataset.stages.get(row.stage_id)
    if row.prospect or stage is None:
        raise ActionRefused("state", "Prospect applications can't be moved in this way")
    if not isinstance(from_stage, int) or from_stage not in accepted_ids:
        # Message inferred.
        raise invalid_value("from_stage_id", "The application is not in this stage")
    return stage


def advance_application(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted_ids: Collection[int | None],
) -> None:
    check_permission(dataset, actor, row, "advance")
    current = _check_current_stage(dataset, row, from_stage, accepted_ids)
    position = (current.priority, current.id)
    later_stages = [
        stage
        for stage in dataset.list_job_stages(row.job_id, active_only=True)
        if (stage.priority, stage.id) > position
    ]
    if not later_stages:
        # Message inferred.
        raise ActionRefused("state", "Application is already in the last stage")
    enter_stage(dataset, row, later_stages[0])
    _publish_stage_change(dataset, row)


def move_application(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted_ids: Collection[int | None],
    to_stage: Any,
) -> None:
    check_permission(dataset, actor, row, "advance")
    _check_current_stage(dataset, row, from_stage, accepted_ids)
    if to_stage is None:
        raise invalid_value("to_stage_id", "Missing required field: to_stage_id")
    stage = _get_stage_of_job(dataset, row.job_id, to_stage, "to_stage_id")
    enter_stage(dataset, row, stage)
    _publish_stage_change(dataset, row)


def transfer_application(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    job_id: Any,
    stage_id: Any = None,
    *,
    field: str = "new_job_id",
) -> None:
    """Move an application to another job: to its first stage unless one is given.

    The acting user needs rights on both jobs (Greenhouse's help center, article 206920323).
    """
    check_permission(dataset, actor, row, "advance")
    require_status(row, "active")
    if row.prospect:
        raise ActionRefused("state", "Prospect applications can't be moved in this way")
    if job_id is None:
        raise invalid_value(field, f"Missing required field: {field}")
    job = dataset.jobs.get(job_id) if isinstance(job_id, int) else None
    if job is None or job.is_template:
        raise invalid_value(field, "A job with this id does not exist.")
    if actor and not (
        can_open_job(dataset, actor, job) and can_act_on_job(dataset, actor, job, "advance")
    ):
        raise ActionRefused("forbidden", "Access Denied")
    stages = dataset.list_job_stages(job.id, active_only=True)
    stage = (
        stages[0]
        if stage_id is None
        else _get_stage_of_job(dataset, job.id, stage_id, "new_stage_id")
    )
    dataset.update_record(row, job_id=job.id, job_post_id=None)
    enter_stage(dataset, row, stage)
    _publish_stage_change(dataset, row)


def transfer_application_from_stage(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    from_stage: Any,
    accepted_ids: Collection[int | None],
    job_id: Any,
) -> None:
    """Move to the first stage of another job, if still in ``from_stage`` (v3)."""
    check_permission(dataset, actor, row, "advance")
    _check_current_stage(dataset, row, from_stage, accepted_ids)
    transfer_application(dataset, row, actor, job_id, field="to_job_id")


def reject_application(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    *,
    reason_id: Any = None,
    notes: str | None = None,
    email: Any = None,
) -> None:
    """Reject an application; a requested email is only recorded, never sent."""
    check_permission(dataset, actor, row, "reject")
    require_status(row, "active")
    if reason_id is not None and not _is_known_id(dataset.rejection_reasons.rows, reason_id):
        raise invalid_value(
            "rejection_reason_id", "A rejection reason with this id does not exist."
        )
    mail = _validate_rejection_email(dataset, email)
    actor_id = actor.id if actor else None
    now = dataset.get_time()
    dataset.record_activity(
        row, status="rejected", rejection_reason_id=reason_id, needs_decision=False
    )
    dataset.update_record(row, rejected_at=row.updated_at, updated_at=row.updated_at)
    dataset.add_record(
        RejectionDetail,
        now,
        application_id=row.id,
        rejection_reason_id=reason_id,
        rejected_by_id=actor_id,
        rejected_at=row.rejected_at,
        notes=notes,
    )
    if mail:
        dataset.add_record(
            ScheduledEmail, now, application_id=row.id, on_behalf_of=actor_id, **mail
        )
    _publish_application_event(dataset, "reject_candidate", row)


def unreject_application(dataset: Dataset, row: Application, actor: User | None) -> None:
    """Undo a rejection; reason and notes are cleared (documented for v3)."""
    check_permission(dataset, actor, row, "reject")
    require_status(row, "rejected")
    for detail in dataset.rejections.filter_by("application_id", row.id):
        dataset.remove_record(detail)
    dataset.record_activity(row, status="active", rejected_at=None, rejection_reason_id=None)
    _publish_application_event(dataset, "unreject_candidate", row)


def change_rejection_reason(
    dataset: Dataset, row: Application, actor: User | None, reason_id: Any
) -> str:
    check_permission(dataset, actor, row, "reject")
    require_status(row, "rejected")
    reason = dataset.rejection_reasons.get(reason_id) if isinstance(reason_id, int) else None
    if reason is None:
        raise invalid_value(
            "rejection_reason_id", "A rejection reason with this id does not exist."
        )
    for detail in dataset.rejections.filter_by("application_id", row.id):
        dataset.update_record(detail, rejection_reason_id=reason.id)
    dataset.record_activity(row, rejection_reason_id=reason.id)
    _publish_application_event(dataset, "application_updated", row)
    return reason.name


def update_application(
    dataset: Dataset, row: Application, actor: User | None, body: dict[str, Any]
) -> None:
    check_permission(dataset, actor, row, "advance")
    values: dict[str, Any] = {}
    tables: dict[str, Collection[int]] = {
        "source_id": dataset.sources.rows,
        "referrer_id": dataset.referrers.rows,
        "recruiter_id": dataset.users.rows,
        "coordinator_id": dataset.users.rows,
    }
    for name, allowed_ids in tables.items():
        if name in body:
            if body[name] is not None and not _is_known_id(allowed_ids, body[name]):
                raise invalid_value(name, "A record with this id does not exist.")
            values[name] = body[name]
    if isinstance(body.get("referrer"), dict):
        values["referrer_id"] = _find_or_create_referrer(dataset, body["referrer"])
    if isinstance(body.get("custom_fields"), list):
        values["custom"] = custom_field_values.apply_field_values(
            dataset, row, body["custom_fields"], make_error=invalid_value
        )
    dataset.record_activity(row, **values)
    _publish_application_event(dataset, "application_updated", row)


def hire_application(dataset: Dataset, row: Application) -> None:
    """Hire, as done inside Greenhouse: the application leaves its stages."""
    require_status(row, "active")
    _leave_stage(dataset, row)
    dataset.record_activity(row, status="hired", stage_id=None, entry_id=None, needs_decision=False)
    dataset.publish_event(
        "hire_candidate",
        lambda: {
            "application": payloads.build_hired_application_payload(
                dataset, row, dataset.get_time()
            )
        },
    )


def enter_stage(dataset: Dataset, row: Application, stage: Stage) -> None:
    """Close the current stage history row and open one for this stage."""
    _leave_stage(dataset, row)
    now = dataset.get_time()
    entry = dataset.add_record(
        ApplicationStage,
        now,
        application_id=row.id,
        stage_id=stage.id,
        entered_at=now,
        current=True,
    )
    dataset.record_activity(
        row, stage_id=stage.id, entry_id=entry.id, needs_decision=stage.priority == 0
    )


def _leave_stage(dataset: Dataset, row: Application) -> None:
    for entry in dataset.history.filter_by("application_id", row.id):
        if entry.current:
            dataset.update_record(entry, current=False, exited_at=dataset.get_time())


def _get_stage_of_job(dataset: Dataset, job_id: int | None, stage_id: Any, field: str) -> Stage:
    stage = dataset.stages.get(stage_id) if isinstance(stage_id, int) else None
    if stage is None or stage.job_id != job_id or not stage.active:
        # Message inferred, modeled on the one observed for an unknown job.
        raise invalid_value(field, "A stage with this id does not exist for this job.")
    return stage


def _is_known_id(rows: Collection[int], number: Any) -> bool:
    return isinstance(number, int) and number in rows


def _validate_rejection_email(dataset: Dataset, email: Any) -> dict[str, Any] | None:
    if not isinstance(email, dict):
        return None
    number = email.get("email_template_id")
    template = dataset.email_templates.get(number) if isinstance(number, int) else None
    if template is None or template.user_id is not None:
        # Documented: required and organization-wide. Message inferred.
        raise invalid_value("email_template_id", "Must be an organization-wide e-mail template.")
    at = email.get("send_email_at")
    if at is not None and normalize_timestamp(str(at)) is None:
        raise invalid_value("send_email_at", "Must be a valid ISO-8601 timestamp.")
    return {
        "email_template_id": number,
        "send_email_at": normalize_timestamp(str(at)) if at else None,
    }


def _find_or_create_referrer(dataset: Dataset, spec: dict[str, Any]) -> int:
    # Documented: type is id, email or outside.
    kind, value = spec.get("type"), spec.get("value")
    user: User | None = None
    if kind == "id" and isinstance(value, int):
        user = dataset.users.get(value)
    elif kind == "email":
        user = dataset.find_user_by_email(str(value))
    elif kind != "outside":
        raise invalid_value("referrer", "Must be one of: id, email, outside")
    if kind != "outside" and user is None:
        raise invalid_value("referrer", "A user with this value does not exist.")
    for row in dataset.referrers:
        if user and row.user_id == user.id:
            return row.id
    name = user.name if user else str(value)
    return dataset.add_record(Referrer, user_id=user.id if user else None, name=name).id


def _publish_application_event(dataset: Dataset, action: str, row: Application) -> None:
    dataset.publish_event(
        action, lambda: {"application": payloads.build_application_payload(dataset, row)}
    )


def _publish_stage_change(dataset: Dataset, row: Application) -> None:
    _publish_application_event(dataset, "candidate_stage_change", row)


def publish_candidate_update(dataset: Dataset, row: Candidate) -> None:
    dataset.publish_event(
        "update_candidate", lambda: {"candidate": payloads.build_candidate_payload(dataset, row)}
    )
