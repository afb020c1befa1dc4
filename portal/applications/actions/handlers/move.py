"""Move an application to a chosen stage of its job."""

from __future__ import annotations

from integrations.ats.types import ApplicationStatus, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.application_state import has_stage_changed
from portal.applications.actions.handlers.advance import build_move_back_request
from portal.applications.actions.handlers.base import NOTHING_CHANGED_MESSAGE, ActionHandler, Status
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application


class MoveHandler(ActionHandler):
    kind = ActionKind.MOVE
    label = "Move to a stage"
    icon = "arrows-right-left"
    verb = "Move"
    progressive = "Moving"
    past_tense = "moved"
    noun = "Move"
    feature = "move"
    checked_by_greenhouse = True

    def why_not(self, application: Application, action_context: ActionContext) -> str:
        if reason := action_context.rights.why_unavailable("stages"):
            return reason
        return "" if len(action_context.stages) > 1 else "This requisition has no other stage."

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        return provider.move_application(
            action.application.remote_id,
            seen=action.seen_stage,
            to_stage_id=action.parameters["to_stage"],
            acting_user_id=action.acting_user_id,
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if current.status != ApplicationStatus.ACTIVE:
            return Status.CONFLICT, f"It's {current.status} in Greenhouse now."
        if current.stage_remote_id == action.parameters["to_stage"]:
            return Status.DONE, self.describe_success(action, current)
        if not has_stage_changed(action.seen_stage, current.seen_stage):
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        return Status.CONFLICT, f"It's in “{current.stage_name}” in Greenhouse now."

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        return f"Moved to “{action.parameters['to_stage_name']}”."

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        return build_move_back_request(action, current, action_context)
