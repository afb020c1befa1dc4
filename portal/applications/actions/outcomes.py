"""Record what became of an action: its status, sentence, evidence and audit log entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone

from integrations.ats import errors
from integrations.ats.errors import AtsError
from integrations.greenhouse.provider import Provider
from portal.applications.actions import audit_log, batch_completion
from portal.applications.actions.acting_user import AS_SERVICE_ACCOUNT
from portal.applications.actions.application_state import snapshot_application
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.settlement import actions_settled
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.pending import notices, releasing
from portal.applications.pending.plans import get_plan
from portal.audit.entries import record_entry
from portal.core import transitions
from portal.sync.models import Application
from portal.sync.records.record_refresh import refresh_application

Status = ApplicationAction.Status
RECONCILE_DELAY = timedelta(seconds=5)


def mark_done(action: ApplicationAction, sentence: str, current: Application) -> None:
    """Call within a transaction."""
    if action.undoes_id:
        sentence = ACTION_HANDLERS[action.kind].describe_undone(action, current)
    if action.as_service_account:
        sentence = f"{sentence.rstrip('.')} {AS_SERVICE_ACCOUNT}."
    finish_action(action, Status.DONE, sentence, state_after=snapshot_application(current))


def mark_unknown(action: ApplicationAction, error: errors.OutcomeUnknown, *, why: str) -> None:
    """`sent_at` becomes the latest time the request may have left."""
    now = timezone.now()
    transitions.try_move(
        action, Status.UNKNOWN, why=why, sent_at=now, due_at=now + RECONCILE_DELAY,
        outcome=error.sentence, evidence=serialize_evidence(error),
    )  # fmt: skip


def serialize_evidence(error: AtsError) -> Any:
    return msgspec.to_builtins(error.evidence) if error.evidence else None


def _record_service_account_use(action: ApplicationAction) -> None:
    """Greenhouse shows the service account; our audit log names the person."""
    record_entry(
        "service_account.used",
        f"{action.get_kind_display().lower()} on application {action.application.remote_id} "
        f"{AS_SERVICE_ACCOUNT}",
        organization=action.membership.organization,
        by=action.membership.user,
        subject=action,
    )


def reread_application(provider: Provider, action: ApplicationAction) -> Application:
    application = action.application
    return refresh_application(application.connection, provider, application.remote_id)


def finish_action(
    action: ApplicationAction, status: str, sentence: str, **extra_fields: Any
) -> None:
    with transaction.atomic(savepoint=False):
        moved = transitions.try_move(
            action,
            status,
            why=sentence,
            outcome=sentence[:400],
            settled_at=timezone.now(),
            due_at=None,
            **{name: value for name, value in extra_fields.items() if value is not None},
        )
        # Locks in one order everywhere: the action, the audit log, the decision record.
        if moved and status == Status.DONE and action.as_service_account:
            _record_service_account_use(action)
        if moved and action.batch_id is not None:
            batch_completion.complete_batch(action.batch_id)
        elif moved and status == Status.DONE:
            audit_log.log_action(action)
        if moved:
            superseded = _update_pending(action, status, sentence)
            actions_settled.run([action, *superseded])


def _update_pending(
    action: ApplicationAction, status: str, sentence: str
) -> list[ApplicationAction]:
    """Tell the author of a pending rejection that came to nothing; end those that a decision made
    pointless, and return them.
    """
    if status == Status.DONE:
        handler = ACTION_HANDLERS[action.kind]
        if handler.changes_application and action.kind != ActionKind.UPDATE:
            return releasing.supersede_pending(action)
    elif get_plan(action) is not None:
        notices.report_not_sent(action, sentence)
    return []
