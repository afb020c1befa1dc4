"""Audit log entries: one per single action, one per batch. They hold Greenhouse IDs only, because
not every reader may see the job; `portal.audit.presentation` looks up its title per reader.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from portal.accounts.models import User
from portal.applications.actions.acting_user import AS_SERVICE_ACCOUNT
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.models import ApplicationAction, Batch
from portal.audit.entries import record_entry
from portal.core.database.compiled_queries import compile_once
from portal.sync.models import AtsUser

_LOGGED_FIELDS = ("job", "status", "stage_name")


def log_action(action: ApplicationAction) -> None:
    """Call last in the transaction that settles the action."""
    handler, application = ACTION_HANDLERS[action.kind], action.application
    undo_note = " to undo an earlier action" if action.undoes_id else ""
    record_entry(
        f"application.{handler.log_verb}",
        f"{handler.log_phrase} {application.remote_id} in Greenhouse{undo_note} "
        f"{_describe_acting_user(application.connection_id, action)}",
        organization=action.membership.organization,
        by=action.membership.user,
        subject=application,
        before=_select_logged_fields(action.state_before),
        after=_select_logged_fields(action.state_after)
        | {"fields": [change.label for change in handler.list_changes(action)]},
    )


def log_batch(batch: Batch) -> None:
    """Nothing is logged for a batch in which nothing was done."""
    actions = batch.actions.order_by()
    done_count = actions.filter(status=ApplicationAction.Status.DONE).count()
    first_action = actions.first()
    if not done_count or first_action is None:
        return
    handler = ACTION_HANDLERS[batch.kind]
    undo_note = " to undo an earlier action" if batch.undoes_id else ""
    record_entry(
        f"batch.{handler.past_tense}",
        f"{handler.past_tense} {done_count} of {actions.count()} selected applications in "
        f"Greenhouse{undo_note} "
        f"{_describe_acting_user(batch.job.connection_id, first_action)}",
        organization=batch.membership.organization,
        by=batch.membership.user,
        subject=batch,
        after={"job": batch.job.remote_id},
    )


def log_planned_batch(batch: Batch) -> None:
    """Nothing is logged if none of its actions is pending."""
    planned_count = batch.actions.filter(status=ApplicationAction.Status.PENDING).count()
    if not planned_count:
        return
    record_entry(
        "batch.rejection_planned",
        f"planned the rejection of {planned_count} selected applications with an email",
        organization=batch.membership.organization,
        by=batch.membership.user,
        subject=batch,
        after={"job": batch.job.remote_id},
    )


def log_canceled_batch(batch: Batch, pending_count: int, *, by: User) -> None:
    """Call last in the transaction that cancels them."""
    record_entry(
        "batch.rejection_canceled",
        f"canceled the pending rejections of {pending_count} selected applications",
        organization=batch.membership.organization,
        by=by,
        subject=batch,
        after={"job": batch.job.remote_id},
    )


def _select_logged_fields(state: dict[str, Any] | None) -> dict[str, Any]:
    return {key: state[key] for key in _LOGGED_FIELDS if key in state} if state else {}


def _describe_acting_user(connection_id: int, action: ApplicationAction) -> str:
    if action.as_service_account:
        return AS_SERVICE_ACCOUNT
    acting_user_id = action.acting_user_remote_id
    user = next(iter(_find_acting_user(connection_id, acting_user_id or 0)), None)
    name = (
        f"{user} (Greenhouse user {acting_user_id})"
        if user
        else f"Greenhouse user {acting_user_id}"
    )
    return f"as {name}"


@compile_once
def _find_acting_user(connection_id: int, remote_id: int) -> QuerySet[AtsUser]:
    users = AtsUser.objects.filter(connection_id=connection_id, remote_id=remote_id)
    return users.only("remote_id", "name", "primary_email")
