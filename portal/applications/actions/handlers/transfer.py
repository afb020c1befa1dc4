"""Transfer an application to another job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

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


class TransferHandler(ActionHandler):
    """Harvest v1's transfer takes no expected stage, so we read first; v3 checks it itself. v3 can
    only transfer to the first stage, so undo moves on from there to the original stage; if that
    fails, the outcome says where the application is.
    """

    kind = ActionKind.TRANSFER
    label = "Transfer to another requisition"
    icon = "briefcase"
    verb = "Transfer"
    progressive = "Transferring"
    past_tense = "transferred"
    noun = "Transfer"
    feature = "transfer"

    def why_not(self, application: Application, action_context: ActionContext) -> str:
        return (
            ""
            if action_context.sees_other_jobs
            else "You don't have access to another open requisition."
        )

    def why_target_unavailable(
        self, parameters: Mapping[str, Any], action_context: ActionContext
    ) -> str:
        if parameters["to_job"] in action_context.visible_job_ids:
            return ""
        return "You no longer have access to the requisition you chose."

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        return provider.transfer_application(
            action.application.remote_id,
            seen=action.seen_stage,
            to_job_id=action.parameters["to_job"],
            to_stage_id=_get_enterable_stage_id(action),
            acting_user_id=action.acting_user_id,
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if current.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It's {current.status} in Greenhouse now."
        if current.job and current.job.remote_id == action.parameters["to_job"]:
            return Status.DONE, self.describe_success(action, current)
        if not has_stage_changed(action.seen_stage, current.seen_stage):
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        return Status.CONFLICT, f"It's in “{current.stage_name}” in Greenhouse now."

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        wanted_stage_id = action.parameters.get("to_stage")
        place = f", in “{current.stage_name}”" if current.stage_name else ""
        sentence = f"Transferred to “{action.parameters['to_job_name']}”{place}."
        if wanted_stage_id in (None, current.stage_remote_id):
            return sentence
        previous_stage = action.parameters["to_stage_name"]
        return f"{sentence} It was in “{previous_stage}” before. To put it back there, move it."

    def describe_undone(self, action: ApplicationAction, current: Application) -> str:
        transferred = f"Transferred to “{action.parameters['to_job_name']}”"
        undone = f"Undone. Back in “{action.parameters['to_job_name']}”"
        return self.describe_success(action, current).replace(transferred, undone, 1)

    def describe_outcome(self, action: ApplicationAction, *, mine: bool) -> str:
        """Other readers may not be allowed to see the target job, so its title is left out."""
        if mine or action.status != Status.DONE:
            return super().describe_outcome(action, mine=mine)
        job = action.application.job
        is_target_job = job is not None and job.remote_id == action.parameters.get("to_job")
        verb = "Undone. Back in" if action.undoes_id else "Transferred to"
        return f"{verb} {'this' if is_target_job else 'another'} requisition."

    def why_not_undoable(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        state_before = action.state_before or {}
        if state_before.get("job") in jobs:
            return ""
        return f"“{state_before.get('job_name')}” is closed, or you no longer have access to it."

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        if reason := self.why_not_undoable(action, action_context.visible_job_ids):
            return reason
        state_before = action.state_before or {}
        target = {
            "to_job": state_before["job"],
            "to_job_name": state_before.get("job_name", ""),
            "to_stage": state_before.get("stage"),
            "to_stage_name": state_before.get("stage_name", ""),
        }
        return build_undo_request(ActionKind.TRANSFER, action, current, parameters=target)


def _get_enterable_stage_id(action: ApplicationAction) -> int | None:
    stages = Stage.objects.filter(
        connection_id=action.application.connection_id,
        remote_id=action.parameters.get("to_stage"),
        active=True,
        gone_at=None,
    )
    stage_id: int | None = stages.values_list("remote_id", flat=True).first()
    return stage_id
