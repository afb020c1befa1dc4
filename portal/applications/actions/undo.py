"""Undoes a person's latest effective action by its inverse, only from where that action left the
application. Greenhouse's own stale-stage check applies as well.
"""

from __future__ import annotations

from portal.applications.actions.action_context import ActionRequest
from portal.applications.actions.application_state import is_unchanged_since
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.pending.plans import get_plan

Status = ApplicationAction.Status


def get_undo_request(
    action: ApplicationAction, available_actions: AvailableActions
) -> ActionRequest | str:
    """Return the undo request, or a reason; empty when no reason needs showing."""
    application = available_actions.application
    if action.status != Status.DONE or not is_unchanged_since(action.state_after, application):
        return ""
    action_request = ACTION_HANDLERS[action.kind].build_inverse_request(
        action, application, available_actions.context
    )
    if isinstance(action_request, str):
        return action_request
    return available_actions.get_option(action_request.kind).why_not or action_request


def get_undo_warning(action: ApplicationAction) -> str:
    """What undo does not revert; empty if it reverts everything."""
    if get_plan(action) is not None:
        return "The email was sent with the rejection. Undo doesn't recall it."
    if action.kind == ActionKind.REJECT and "template" in action.parameters:
        return "Undo may not stop the scheduled emails. Cancel them in Greenhouse."
    if action.kind in (ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.TRANSFER):
        return "Undo won't reverse emails or automations that already ran."
    return ""
