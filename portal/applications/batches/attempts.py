"""Repeated attempts to undo or retry a batch, and the actions of it that a member may see."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from portal.applications.models import ApplicationAction, Batch
from portal.entitlements.rules import Rights, visible_applications

Status = ApplicationAction.Status
EFFECTIVE_STATUSES = (*ApplicationAction.OPEN_STATUSES, Status.PENDING, Status.DONE)


def find_attempt(batch: Batch, purpose: str) -> tuple[uuid.UUID, Batch | None]:
    """A double click gets the same key; attempts that had no effect are skipped."""
    key = uuid.uuid5(batch.key, purpose)
    own_batches = Batch.objects.filter(membership=batch.membership)
    existing_batch = own_batches.filter(key=key).first()
    while (
        existing_batch is not None
        and not existing_batch.actions.filter(status__in=EFFECTIVE_STATUSES).exists()
    ):
        key = uuid.uuid5(key, purpose)
        existing_batch = own_batches.filter(key=key).first()
    return key, existing_batch


def filter_visible_actions(batch: Batch, rights: Rights) -> QuerySet[ApplicationAction]:
    """Includes applications of closed jobs."""
    visible = visible_applications(batch.membership, member_rights=rights, closed=True)
    return batch.actions.filter(application__in=visible)
