"""Submits an action and responds with what became of it."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse

from portal.accounts.access import MemberRequest
from portal.applications.actions import action_requests
from portal.applications.actions.action_context import ActionRequest
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ApplicationAction
from portal.applications.page.rows import build_row
from portal.applications.pending.plans import get_plan
from portal.applications.review import sessions
from portal.applications.views.page_state import capture_page_state
from portal.applications.views.return_urls import get_origin, get_review_session
from portal.applications.views.review_responses import respond_in_review
from portal.applications.views.row_responses import render_row, respond_with_row
from portal.core.database.prepared_statements import use_prepared_statements

REJECTION_PENDING_MESSAGE = (
    "A rejection of this application is already pending. Change or cancel that one."
)
ACTION_IN_PROGRESS_MESSAGE = "The last action on this application is still in progress."


@use_prepared_statements()
def submit_action(
    request: MemberRequest, available_actions: AvailableActions, action_request: ActionRequest
) -> HttpResponse:
    """Record the action and respond with its row, or redirect to the page it came from."""
    rights = available_actions.context.rights
    review_session = (
        get_review_session(request, rights) if get_origin(request) == "review" else None
    )
    page_state = capture_page_state(request, available_actions, review_session)
    action_request = replace(action_request, page_state=page_state)
    try:
        action = action_requests.request_action(available_actions, action_request)
    except action_requests.ActionUnavailable as error:
        return respond_with_row(request, available_actions, note=error.option.why_not, status=403)
    except action_requests.RejectionPending:
        return respond_with_row(
            request, available_actions, note=REJECTION_PENDING_MESSAGE, status=409
        )
    except action_requests.ActionInProgress:
        return respond_with_row(
            request, available_actions, note=ACTION_IN_PROGRESS_MESSAGE, status=409
        )
    if get_origin(request) == "review":
        if review_session is not None and action_request.undoes is None:
            sessions.move_past(review_session, available_actions.application.pk)
        return respond_in_review(request, rights, undone=action_request.undoes)
    if request.htmx and action.is_open:  # then it is the latest: only one can be open
        return render_row(request, available_actions, build_row(available_actions, action))
    if action.is_pending and get_origin(request) != "applicant" and not request.htmx:
        messages.success(request, describe_pending(action))
    # The application's own page shows it.
    if action.is_open and get_origin(request) != "applicant":
        messages.success(request, _describe_pending_action(action))
    return respond_with_row(request, available_actions)


def describe_pending(action: ApplicationAction) -> str:
    plan = get_plan(action)
    when = f" until {plan.local_text}" if plan is not None else ""
    return f"Rejection pending. You can cancel it{when}."


def _describe_pending_action(action: ApplicationAction) -> str:
    progressive = ACTION_HANDLERS[action.kind].progressive
    if action.due_at:
        return f"{progressive} in {action.seconds_left} seconds. You can undo it until then."
    return f"{progressive}…"
