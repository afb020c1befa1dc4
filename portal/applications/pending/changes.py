"""Changing a pending rejection, and confirming those that wait for their author."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from portal.accounts.models import Membership, User
from portal.applications.actions.action_context import ActionRequest
from portal.applications.actions.application_state import snapshot_application
from portal.applications.models import ApplicationAction, Batch
from portal.applications.pending.notices import describe_plan, log_confirmed, log_pending
from portal.applications.pending.plans import RejectionPlan, get_plan, renew_plan
from portal.jobs.answers.promise import get_promise

Status = ApplicationAction.Status


@transaction.atomic
def change_rejection(
    action: ApplicationAction, action_request: ActionRequest, plan: RejectionPlan, *, by: User
) -> bool:
    """From what the author sees now. False if it was sent, canceled or changed in the meantime."""
    previous_plan = get_plan(action)
    values = {
        "due_at": plan.send_at,
        "outcome": "",
        "reason": action_request.reason,
        "notes": action_request.notes,
        "parameters": {**action_request.parameters, **plan.to_parameters()},
        "seen_stage_remote_id": action_request.seen.stage_id,
        "seen_entry_id": action_request.seen.entry_id,
        "seen_stage_name": action_request.seen_stage_name[:200],
        "state_before": snapshot_application(action.application),
    }
    unchanged = ApplicationAction.objects.filter(
        pk=action.pk, status=Status.PENDING, due_at=action.due_at
    )
    if not unchanged.update(**values):
        return False
    for name, value in values.items():
        setattr(action, name, value)
    _advance_batches([action])
    log_pending(
        action,
        "rejection_changed",
        "changed the pending rejection of",
        by=by,
        before=describe_plan(previous_plan) if previous_plan is not None else None,
    )
    return True


@transaction.atomic
def confirm_rejections(waiting: QuerySet[ApplicationAction], author: Membership) -> int:
    """As they were planned; what is past its moment, for the next working day. In a constant
    number of statements. Returns how many of the author's own were still waiting.
    """
    own = waiting.filter(membership=author, status=Status.PENDING, due_at=None)
    promise = get_promise(author.organization_id)
    previous_plans: dict[ApplicationAction, RejectionPlan] = {}
    for action in own.select_for_update(of=("self",)):
        if plan := get_plan(action):
            renewed = renew_plan(plan, promise)
            action.due_at, action.outcome = renewed.send_at, ""
            action.parameters = {**action.parameters, **renewed.to_parameters()}
            previous_plans[action] = plan
    if previous_plans:
        ApplicationAction.objects.bulk_update(previous_plans, ["due_at", "outcome", "parameters"])
        _advance_batches(previous_plans)
        log_confirmed(previous_plans, author)
    return len(previous_plans)


def _advance_batches(actions: Iterable[ApplicationAction]) -> None:
    """A batch's worker looks for the earliest of its actions."""
    pending = ApplicationAction.objects.filter(batch=OuterRef("pk"), status=Status.PENDING)
    earliest = pending.order_by("due_at").exclude(due_at=None).values("due_at")[:1]
    batch_ids = {action.batch_id for action in actions if action.batch_id is not None}
    batches = Batch.objects.filter(pk__in=batch_ids, due_at__gt=Subquery(earliest))
    batches.update(due_at=Subquery(earliest))
