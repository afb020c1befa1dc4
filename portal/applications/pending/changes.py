"""Changing a pending rejection, and confirming those that wait for their author."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from portal.accounts.models import User
from portal.applications.actions.action_context import ActionRequest
from portal.applications.actions.application_state import snapshot_application
from portal.applications.models import ApplicationAction, Batch
from portal.applications.pending.notices import describe_plan, log_pending
from portal.applications.pending.plans import RejectionPlan, get_plan, renew_plan
from portal.jobs.answers.promise import get_promise

Status = ApplicationAction.Status


def change_rejection(
    action: ApplicationAction, action_request: ActionRequest, plan: RejectionPlan, *, by: User
) -> bool:
    """From what the author sees now. False if it was sent, canceled or changed in the meantime."""
    return _update_pending(
        action,
        plan,
        by=by,
        verb="rejection_changed",
        description="changed the pending rejection of",
        reason=action_request.reason,
        notes=action_request.notes,
        parameters={**action_request.parameters, **plan.to_parameters()},
        seen_stage_remote_id=action_request.seen.stage_id,
        seen_entry_id=action_request.seen.entry_id,
        seen_stage_name=action_request.seen_stage_name[:200],
        state_before=snapshot_application(action.application),
    )


def confirm_rejection(action: ApplicationAction, *, by: User) -> bool:
    """As it was planned; if that moment has passed, for the next working day."""
    plan = get_plan(action)
    if plan is None or not action.needs_confirmation:
        return False
    renewed = renew_plan(plan, get_promise(action.membership.organization_id))
    return _update_pending(
        action,
        renewed,
        by=by,
        verb="rejection_confirmed",
        description="confirmed the pending rejection of",
        parameters={**action.parameters, **renewed.to_parameters()},
    )


def _update_pending(
    action: ApplicationAction,
    plan: RejectionPlan,
    *,
    by: User,
    verb: str,
    description: str,
    **values: Any,
) -> bool:
    previous_plan = get_plan(action)
    before: Mapping[str, Any] | None = describe_plan(previous_plan) if previous_plan else None
    unchanged = ApplicationAction.objects.filter(
        pk=action.pk, status=Status.PENDING, due_at=action.due_at
    )
    with transaction.atomic():
        if not unchanged.update(due_at=plan.send_at, outcome="", **values):
            return False
        _advance_batch(action.batch_id, plan.send_at)
        for name, value in {"due_at": plan.send_at, "outcome": "", **values}.items():
            setattr(action, name, value)
        log_pending(action, verb, description, by=by, before=before)
    return True


def _advance_batch(batch_id: int | None, due_at: datetime) -> None:
    """Its worker looks for the earliest of its actions."""
    if batch_id is not None:
        Batch.objects.filter(pk=batch_id, due_at__gt=due_at).update(due_at=due_at)
