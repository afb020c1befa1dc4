"""The end of a batch: nothing of it is open any more, and its one entry in the log is written.

Whoever settles the last of it may be its own worker, another one that learns late what became of
it, or the person who takes it back. `due_at` is the mark: a batch without one has ended for good.
"""

from __future__ import annotations

from django.db import transaction

from portal.applications import logged
from portal.applications.models import ApplicationAction, Batch


def ended(batch_id: int) -> None:
    """Note the end, if this is it; once, however many look at the same moment.

    Two that settle the last two at once may each miss the other's: the batch's own worker looks
    once more.
    """
    if ApplicationAction.objects.filter(
        batch_id=batch_id, status__in=ApplicationAction.OPEN
    ).exists():
        return
    with transaction.atomic(savepoint=False):
        if Batch.objects.filter(pk=batch_id, due_at__isnull=False).update(due_at=None):
            about = Batch.objects.select_related(
                "job", "membership__user", "membership__organization"
            )
            logged.batch_ended(about.get(pk=batch_id))
