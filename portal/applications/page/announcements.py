"""An action as one sentence for screen readers, which names the person it is about."""

from __future__ import annotations

from integrations.ats.errors import SLOW_SENTENCE
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ApplicationAction
from portal.applications.page.scheduled_email import get_scheduled_email

Status = ApplicationAction.Status
CONFLICT_EXPLANATION = "This application changed since you opened it."


def describe_action(action: ApplicationAction, who: str, *, is_own: bool) -> str:
    """For example "Aiko Wong advanced to “Offer”."."""
    handler = ACTION_HANDLERS[action.kind]
    if not handler.changes_application:
        return f"{who}: {_describe_note(action)}"
    if action.is_open:
        return _describe_open_action(action, who, is_own=is_own)
    outcome = handler.describe_outcome(action, mine=is_own)
    if action.is_pending:
        author = "" if is_own else f" by {action.membership.user}"
        return f"Rejection of {who} pending{author}. {outcome}"
    if action.status == Status.DONE:
        if action.undoes_id:
            return f"{who}: {outcome}{_describe_remaining_email(action)}"
        return f"{who} {outcome[:1].lower()}{outcome[1:]}"
    if action.status == Status.CANCELED:
        return f"{handler.get_noun(action)} of {who} canceled. Nothing was sent."
    if action.status == Status.CONFLICT:
        outcome = CONFLICT_EXPLANATION
    return f"{who} not {handler.get_past_tense(action)}. {outcome}"


def _describe_open_action(action: ApplicationAction, who: str, *, is_own: bool) -> str:
    handler = ACTION_HANDLERS[action.kind]
    author = "" if is_own else f", by {action.membership.user}"
    progressive = f"Undoing for {who}" if action.undoes_id else f"{handler.progressive} {who}"
    if action.status == Status.UNKNOWN:
        return f"{progressive}{author}: checking the result in Greenhouse."
    if action.status != Status.SCHEDULED:
        return f"{progressive}{author}.{f' {SLOW_SENTENCE}' if action.is_slow else ''}"
    can_undo = " You can undo it." if is_own else ""
    if action.outcome:
        return f"{who} not {handler.get_past_tense(action)} yet. {action.outcome}{can_undo}"
    return f"{progressive} in {action.seconds_left} seconds{author}.{can_undo}"


def _describe_remaining_email(action: ApplicationAction) -> str:
    email = get_scheduled_email(action)
    return " The email may still go out." if email is not None and email.outlives_undo else ""


def _describe_note(action: ApplicationAction) -> str:
    status = ACTION_HANDLERS[action.kind].describe_status(action)
    if action.status in (Status.DONE, Status.CANCELED):
        return action.outcome
    return f"{status}. {action.outcome}".rstrip()
