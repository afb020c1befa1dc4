"""Rejecting an application and undoing it, shared by both API versions."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.actions.events import publish_application_event
from integrations.greenhouse.sandbox.actions.refusals import (
    check_permission,
    invalid_value,
    is_known_id,
    require_status,
)
from integrations.greenhouse.sandbox.clock import normalize_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    RejectionDetail,
    ScheduledEmail,
    User,
)


def reject_application(
    dataset: Dataset,
    row: Application,
    actor: User | None,
    *,
    reason_id: Any = None,
    notes: str | None = None,
    email: Any = None,
) -> None:
    """Reject an application; a requested email is only recorded, never sent."""
    check_permission(dataset, actor, row, "reject")
    require_status(row, "active")
    if reason_id is not None and not is_known_id(dataset.rejection_reasons.rows, reason_id):
        raise invalid_value(
            "rejection_reason_id", "A rejection reason with this id does not exist."
        )
    mail = _validate_rejection_email(dataset, email)
    actor_id = actor.id if actor else None
    now = dataset.get_time()
    dataset.record_activity(
        row, status="rejected", rejection_reason_id=reason_id, needs_decision=False
    )
    dataset.update_record(row, rejected_at=row.updated_at, updated_at=row.updated_at)
    dataset.add_record(
        RejectionDetail,
        now,
        application_id=row.id,
        rejection_reason_id=reason_id,
        rejected_by_id=actor_id,
        rejected_at=row.rejected_at,
        notes=notes,
    )
    if mail:
        dataset.add_record(
            ScheduledEmail, now, application_id=row.id, on_behalf_of=actor_id, **mail
        )
    publish_application_event(dataset, "reject_candidate", row)


def unreject_application(dataset: Dataset, row: Application, actor: User | None) -> None:
    """Undo a rejection; reason and notes are cleared (documented for v3)."""
    check_permission(dataset, actor, row, "reject")
    require_status(row, "rejected")
    for detail in dataset.rejections.filter_by("application_id", row.id):
        dataset.remove_record(detail)
    dataset.record_activity(row, status="active", rejected_at=None, rejection_reason_id=None)
    publish_application_event(dataset, "unreject_candidate", row)


def change_rejection_reason(
    dataset: Dataset, row: Application, actor: User | None, reason_id: Any
) -> str:
    check_permission(dataset, actor, row, "reject")
    require_status(row, "rejected")
    reason = dataset.rejection_reasons.get(reason_id) if isinstance(reason_id, int) else None
    if reason is None:
        raise invalid_value(
            "rejection_reason_id", "A rejection reason with this id does not exist."
        )
    for detail in dataset.rejections.filter_by("application_id", row.id):
        dataset.update_record(detail, rejection_reason_id=reason.id)
    dataset.record_activity(row, rejection_reason_id=reason.id)
    publish_application_event(dataset, "application_updated", row)
    return reason.name


def _validate_rejection_email(dataset: Dataset, email: Any) -> dict[str, Any] | None:
    if not isinstance(email, dict):
        return None
    number = email.get("email_template_id")
    template = dataset.email_templates.get(number) if isinstance(number, int) else None
    if template is None or template.user_id is not None:
        # Documented: required and organization-wide. Message inferred.
        raise invalid_value("email_template_id", "Must be an organization-wide email template.")
    at = email.get("send_email_at")
    if at is not None and normalize_timestamp(str(at)) is None:
        raise invalid_value("send_email_at", "Must be a valid ISO-8601 timestamp.")
    return {
        "email_template_id": number,
        "send_email_at": normalize_timestamp(str(at)) if at else None,
    }
