"""Records a requested action once, then schedules or enqueues it; never sends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.application_state import has_stage_changed, snapshot_application
from portal.applications.actions.available_actions import ActionOption, AvailableActions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ApplicationAction
from portal.applications.pending.notices import log_pending
from portal.applications.pending.plans import read_plan
from portal.core import queue
from portal.core.database.paired_writes import insert_row
from portal.sync.models import Application

Status = ApplicationAction.Status

SEND_TASK = "portal.applications.tasks.send_action"


class ActionUnavailable(Exception):
    """The action is not available to this person; `option.why_not` says why."""

    def __init__(self, option: ActionOption) -> None:
        self.option = option
        super().__init__(option.why_not)


class ActionInProgress(Exception):
    """Another action on this application is still open."""


class RejectionPending(ActionInProgress):
    """Another rejection of this application waits for its day."""


def request_action(
    available_actions: AvailableActions, action_request: ActionRequest
) -> ApplicationAction:
    """Idempotent by key and kind. Raises ActionUnavailable, ActionInProgress or
    RejectionPending.
    """
    application, action_context = available_actions.application, available_actions.context
    membership = action_context.member
    option = available_actions.get_option(action_request.kind)
    if option.allowed and (
        why_not := ACTION_HANDLERS[action_request.kind].why_target_unavailable(
            action_request.parameters, action_context
        )
    ):
        option = replace(option, why_not=why_not)
    # From a stale page this is a conflict, which sending will report.
    is_stale = option.wrong_state and has_stage_changed(action_request.seen, application.seen_stage)
    if not option.allowed and not is_stale:
        if existing_action := _find_existing_action(membership, application, action_request):
            return existing_action
        raise ActionUnavailable(option)
    action = build_action(
        membership,
        application,
        action_request,
        action_context,
        due_at=_compute_due_at(action_request, action_context),
    )
    try:
        with transaction.atomic():
            insert_row(action)
            if action.status == Status.QUEUED:
                queue.enqueue_task(SEND_TASK, action.pk, organization_id=membership.organization_id)
            elif action.is_pending:
                _dismiss_earlier(action)
                log_pending(
                    action, "rejection_planned", "planned the rejection of", by=membership.user
                )
    except IntegrityError:
        if existing_action := _find_existing_action(membership, application, action_request):
            return existing_action
        raise (RejectionPending if action.is_pending else ActionInProgress) from None
    return action


def _dismiss_earlier(action: ApplicationAction) -> None:
    """The person decided anew, so what came to nothing before needs no more attention."""
    ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION,
        membership=action.membership_id,
        application=action.application_id,
        status__in=ApplicationAction.INEFFECTIVE_STATUSES,
        dismissed_at=None,
    ).update(dismissed_at=timezone.now())


def _find_existing_action(
    membership: Membership, application: Application, action_request: ActionRequest
) -> ApplicationAction | None:
    """Another kind with the same key is another request: its sender must not read it as done."""
    return ApplicationAction.objects.filter(
        key=action_request.key,
        kind=action_request.kind,
        membership=membership,
        application=application,
    ).first()


def _compute_due_at(
    action_request: ActionRequest, action_context: ActionContext
) -> datetime | None:
    plan = read_plan(action_request.parameters)
    if plan is not None:
        return plan.send_at
    has_undo_period = ACTION_HANDLERS[action_request.kind].has_undo_period
    if not has_undo_period or action_request.undoes is not None:
        return None
    seconds = action_context.reject_undo_seconds
    return timezone.now() + timedelta(seconds=seconds) if seconds else None


def build_action(
    membership: Membership,
    application: Application,
    action_request: ActionRequest,
    action_context: ActionContext,
    *,
    due_at: datetime | None,
    **extra_fields: Any,
) -> ApplicationAction:
    user = action_context.rights.match.user
    now = timezone.now()
    is_planned = read_plan(action_request.parameters) is not None
    return ApplicationAction(
        key=action_request.key,
        membership=membership,
        application=application,
        kind=action_request.kind,
        status=_choose_status(due_at, is_planned=is_planned),
        undoes=action_request.undoes,
        seen_stage_remote_id=action_request.seen.stage_id,
        seen_entry_id=action_request.seen.entry_id,
        seen_stage_name=action_request.seen_stage_name[:200],
        reason=action_request.reason,
        notes=action_request.notes,
        parameters=dict(action_request.parameters),
        page_state=dict(action_request.page_state),
        state_before=snapshot_application(application),
        acting_user_remote_id=user.remote_id if user else None,
        as_service_account=action_context.acting_user.uses_service_account,
        role_remote_id=action_context.role,
        queued_at=now,
        due_at=due_at,
        give_up_at=(due_at or now) + timedelta(minutes=settings.OUTBOX_RETRY_MINUTES),
        **extra_fields,
    )


def _choose_status(due_at: datetime | None, *, is_planned: bool) -> str:
    if is_planned:
        return Status.PENDING
    return Status.SCHEDULED if due_at else Status.QUEUED
