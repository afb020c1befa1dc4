"""Undoes a person's latest effective action by its inverse, only from where that action left the
application. Greenhouse's own stale-stage check applies as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.actions.available_actions import get_action_option
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionContext, ActionRequest
from portal.applications.actions.handlers.base import is_unchanged_since
from portal.applications.actions.outbox import get_latest_action_ids
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application

Status = ApplicationAction.Status


def get_latest_effective_actions(applications: Sequence[int]) -> dict[int, int]:
    """The latest action ID per application that had, or may have had, an effect."""
    return get_latest_action_ids(
        applications, excluded_statuses=ApplicationAction.INEFFECTIVE_STATUSES
    )


def get_undo_request(
    action: ApplicationAction, current: Application, action_context: ActionContext
) -> ActionRequest | str:
    """Return the undo request, or a reason; empty when no reason needs showing."""
    if action.status != Status.DONE or not is_unchanged_since(action.state_after, current):
        return ""
    action_request = ACTION_HANDLERS[action.kind].build_inverse_request(
        action, current, action_context
    )
    if isinstance(action_request, str):
        return action_request
    return (
        action_request
        if not (reason := get_action_option(current, action_context, action_request.kind).why_not)
        else reason
    )


def get_undo_warning(action: ApplicationAction) -> str:
    """What undo does not revert; empty if it reverts everything."""
    if action.kind == ActionKind.REJECT and "template" in action.parameters:
        return (
            "Greenhouse's API does not tell whether an unreject also stops the scheduled e-mail. "
            "Look at the candidate's page in Greenhouse to be sure."
        )
    if action.kind in (ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.TRANSFER):
        return "E-mails and rules that Greenhouse ran for the stage are not taken back."
    return ""
