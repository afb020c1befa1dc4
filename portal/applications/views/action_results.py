"""Follow-ups on an action: cancel, undo, retry, dismiss."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import outbox, undo
from portal.applications.actions.action_context import ActionRequest
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.latest_actions import get_latest_effective_action_ids
from portal.applications.forms.base import INCOMPLETE_MESSAGE, ActionForm, unpack_click
from portal.applications.models import ApplicationAction
from portal.applications.views.lookups import get_own_action_or_404
from portal.applications.views.return_urls import get_origin
from portal.applications.views.review_responses import respond_in_review
from portal.applications.views.row_responses import respond_with_row
from portal.applications.views.submission import submit_action


@require_POST
@member_only
def cancel_action(request: MemberRequest, pk: int) -> HttpResponse:
    action, available_actions = get_own_action_or_404(request, pk)
    if not outbox.cancel_action(action, by=request.membership.user):
        note = "Too late to undo: it was already sent to Greenhouse."
        return respond_with_row(request, available_actions, note=note, status=409)
    if get_origin(request) == "review":
        return respond_in_review(request, available_actions.context.rights, undone=action)
    return respond_with_row(request, available_actions)


@require_POST
@member_only
def undo_action(request: MemberRequest, pk: int) -> HttpResponse:
    action, available_actions = get_own_action_or_404(request, pk)
    latest_ids = get_latest_effective_action_ids([action.application_id])
    is_latest = latest_ids.get(action.application_id) == action.pk
    action_request = undo.get_undo_request(action, available_actions) if is_latest else ""
    if isinstance(action_request, str):
        if action.undone_by.filter(membership=request.membership).exists():
            return respond_with_row(request, available_actions)  # a double click
        note = action_request or "Can't be undone here anymore: the application changed since."
        return respond_with_row(request, available_actions, note=note, status=409)
    return submit_action(
        request, available_actions, replace(action_request, key=_build_undo_key(action))
    )


def _build_undo_key(action: ApplicationAction) -> uuid.UUID:
    """Stable across double clicks; changes after an undo had no effect."""
    failed_count = action.undone_by.filter(
        status__in=ApplicationAction.INEFFECTIVE_STATUSES
    ).count()
    return uuid.uuid5(action.key, f"undo {failed_count}")


@require_POST
@member_only
def retry_action(request: MemberRequest, pk: int) -> HttpResponse:
    action, available_actions = get_own_action_or_404(request, pk)
    form = ActionForm(unpack_click(request.POST, action.application))
    if not form.is_valid():
        return respond_with_row(request, available_actions, note=INCOMPLETE_MESSAGE, status=422)
    return submit_action(request, available_actions, _build_retry_request(action, form))


def _build_retry_request(action: ApplicationAction, form: ActionForm) -> ActionRequest:
    action_request = form.build_request(action.kind)
    return ActionRequest(
        key=action_request.key,
        kind=action.kind,
        seen=action_request.seen,
        seen_stage_name=action_request.seen_stage_name,
        reason=action.reason,
        notes=action.notes,
        parameters=ACTION_HANDLERS[action.kind].rebuild_parameters(action, action.application),
        undoes=action.undoes,
    )


@require_POST
@member_only
def dismiss_action(request: MemberRequest, pk: int) -> HttpResponse:
    action, available_actions = get_own_action_or_404(request, pk)
    own_action = ApplicationAction.objects.filter(pk=action.pk, dismissed_at=None)
    own_action.exclude(status__in=ApplicationAction.OPEN_STATUSES).update(
        dismissed_at=timezone.now()
    )
    return respond_with_row(request, available_actions)
