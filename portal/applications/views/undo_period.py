"""Extends the undo period while the person is at the Undo button."""

from __future__ import annotations

from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions import undo_period
from portal.applications.models import ApplicationAction, Batch


@require_POST
@member_only
def extend_action_period(request: MemberRequest, pk: int) -> JsonResponse:
    action = get_object_or_404(ApplicationAction, pk=pk, membership=request.membership)
    undo_period.extend_action(action, _parse_seconds(request))
    return _respond_with_seconds_left(action)


@require_POST
@member_only
def extend_batch_period(request: MemberRequest, pk: int) -> JsonResponse:
    batch = get_object_or_404(Batch, pk=pk, membership=request.membership)
    undo_period.extend_batch(batch, _parse_seconds(request))
    first_action = batch.actions.first()
    return _respond_with_seconds_left(first_action)


def _parse_seconds(request: MemberRequest) -> int:
    seconds = request.POST.get("seconds", "")
    return int(seconds) if seconds.isdecimal() and len(seconds) < 4 else 0


def _respond_with_seconds_left(action: ApplicationAction | None) -> JsonResponse:
    is_waiting = action is not None and action.is_in_undo_period
    return JsonResponse({"seconds_left": action.seconds_left if action and is_waiting else 0})
