"""Advance an application to the next stage of its job."""

from __future__ import annotations

from integrations.ats.types import ApplicationStatus, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.application_state import has_stage_changed
from portal.applications.actions.handlers.base import (
    NOTHING_CHANGED_MESSAGE,
    ActionHandler,
    Status,
    build_undo_request,
)
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application, Stage


class AdvanceHandler(ActionHandler):
    kind = ActionKind.ADVANCE
    label = "Advance"
    icon = "arrow-right"
    verb = "Advance"
    progressive = "Advancing"
    past_tense = "advanced"
    noun = "Advance"
    feature = "advance"
    checked_by_greenhouse = True

    def why_wrong_stage(self, application: Application, action_context: ActionContext) -> str:
        stage_ids = [stage.pk for stage in action_context.stages]
        if not stage_ids:
            return "This requisition has no stages."
        if application.stage_remote_id is None:
            return "Not in a stage."
        # By place: Greenhouse may give several stages the same order.
        if application.stage_id == stage_ids[-1]:
            return "Already in the final stage."
        return ""

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        return provider.advance_application(
            action.application.remote_id,
            seen=action.seen_stage,
            acting_user_id=action.acting_user_id,
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if current.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It's {current.status} in Greenhouse now."
        if not has_stage_changed(action.seen_stage, current.seen_stage):
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        if _skipped_next_stage(action, current):
            return Status.CONFLICT, f"It's in “{current.stage_name}” in Greenhouse now."
        return Status.DONE, self.describe_success(action, current)

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        place = f" to “{current.stage_name}”" if current.stage_name else ""
        return f"Advanced{place}."

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        return build_move_back_request(action, current, action_context)


def _skipped_next_stage(action: ApplicationAction, current: Application) -> bool:
    """True only if the application is certainly not in the stage after the one that was seen."""
    stages = Stage.objects.filter(job=current.job_id, active=True, gone_at=None)
    ids = list(stages.order_by("order", "id").values_list("remote_id", flat=True))
    if action.seen_stage_remote_id not in ids:
        return current.job is not None and current.job.remote_id != (action.state_before or {}).get(
            "job"
        )
    following_ids = ids[ids.index(action.seen_stage_remote_id) + 1 :]
    return current.stage_remote_id not in following_ids[:1]


def build_move_back_request(
    action: ApplicationAction, current: Application, action_context: ActionContext
) -> ActionRequest | str:
    state_before = action.state_before or {}
    if state_before.get("job") != (current.job.remote_id if current.job else None):
        return ""
    previous_stage = next(
        (stage for stage in action_context.stages if stage.remote_id == state_before.get("stage")),
        None,
    )
    if previous_stage is None:
        return f"“{state_before.get('stage_name')}” is no longer a stage of this requisition."
    target = {"to_stage": previous_stage.remote_id, "to_stage_name": previous_stage.name}
    return build_undo_request(ActionKind.MOVE, action, current, parameters=target)
