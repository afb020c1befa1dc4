"""Unreject an application, back to the stage it was rejected in."""

from __future__ import annotations

from integrations.ats import types as ats
from integrations.ats.types import ApplicationStatus, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.application_state import are_both_set_and_differ
from portal.applications.actions.handlers.base import NOTHING_CHANGED_MESSAGE, ActionHandler, Status
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application


class UnrejectHandler(ActionHandler):
    kind = ActionKind.UNREJECT
    label = "Unreject"
    icon = "arrow-back-up"
    verb = "Unreject"
    progressive = "Unrejecting"
    past_tense = "unrejected"
    noun = "Unrejection"
    feature = "unreject"
    checked_by_greenhouse = True  # only rejected applications can be unrejected

    def is_applicable(self, application: Application) -> bool:
        return application.status == ApplicationStatus.REJECTED

    def needs_precheck(self, action: ApplicationAction) -> bool:
        """When undoing: somebody else may have rejected it since, for another reason."""
        return action.undoes_id is not None

    def differs_from_seen(self, action: ApplicationAction, current: ats.Application) -> bool:
        previous_reason = (action.state_before or {}).get("reason")
        has_other_reason = are_both_set_and_differ(previous_reason, current.rejection_reason_id)
        return has_other_reason or super().differs_from_seen(action, current)

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        return provider.unreject_application(
            action.application.remote_id, acting_user_id=action.acting_user_id
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if current.status == ApplicationStatus.ACTIVE:
            return Status.DONE, self.describe_success(action, current)
        if current.status == ApplicationStatus.REJECTED:
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        return Status.CONFLICT, f"It's {current.status} in Greenhouse now."

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        place = f", in “{current.stage_name}”" if current.stage_name else ""
        return f"Unrejected{place}."
