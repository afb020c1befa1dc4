"""Completes batches; `due_at=None` marks a batch as complete for good."""

from __future__ import annotations

from django.db import transaction

from portal.applications.actions import audit_log
from portal.applications.models import ApplicationAction, Batch

_UNFINISHED_STATUSES = (*ApplicationAction.OPEN_STATUSES, ApplicationAction.Status.PENDING)


def complete_batch(batch_id: int) -> None:
    """Complete the batch if nothing is open, exactly once under concurrent calls. Two transactions
    that settle the last two actions may miss each other, so the batch's worker checks once more.
    """
    if ApplicationAction.objects.filter(
        batch_id=batch_id, status__in=_UNFINISHED_STATUSES
    ).exists():
        return
    with transaction.atomic(savepoint=False):
        if Batch.objects.filter(pk=batch_id, due_at__isnull=False).update(due_at=None):
            batches = Batch.objects.select_related(
                "job", "membership__user", "membership__organization"
            )
            audit_log.log_batch(batches.get(pk=batch_id))
