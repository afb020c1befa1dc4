"""Actions that change an application's stage or job, shared by both API versions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from integrations.greenhouse.sandbox.actions.events import publish_application_event
from integrations.greenhouse.sandbox.actions.refusals import (
    ActionRefused,
    check_permission,
    invalid_value,
    require_status,
)
from integrations.greenhouse.sandbox.dataset.access_rules import can_act_on_job, can_open_job
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    ApplicationStage,
    Stage,
    User,
)
from integrations.greenhouse.sandbox.webhooks import payloads


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
    if job is None or not job.is_requisition:
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


def _publish_stage_change(dataset: Dataset, row: Application) -> None:
    publish_application_event(dataset, "candidate_stage_change", row)
