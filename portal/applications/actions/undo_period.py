"""The seconds in which a rejection or a batch can be undone: how long, and extending them while
the person is at the Undo button.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ActionPreferences, ApplicationAction, Batch
from portal.core.database import read_only
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements

Status = ApplicationAction.Status

MIN_EXTENSION_SECONDS, MAX_EXTENSION_SECONDS = 10, 60  # from now
MAX_UNDO_PERIOD = timedelta(minutes=10)  # from the click, however often it is extended


def get_action_preferences(member: Membership) -> ActionPreferences:
    """Saved preferences, or unsaved defaults."""
    rows = _find_preferences(member.pk)
    return rows[0] if rows else ActionPreferences(membership=member)


@use_prepared_statements()
@compile_once
def _find_preferences(member_id: int) -> QuerySet[ActionPreferences]:
    return ActionPreferences.objects.filter(membership=member_id)


def choose_undo_seconds(preferences: ActionPreferences, default_seconds: float) -> float:
    """No preference lengthens what is switched off."""
    return (preferences.undo_seconds or default_seconds) if default_seconds else 0


def extend_action(action: ApplicationAction, seconds: int) -> bool:
    """Let `seconds` be left to undo a single action. False once its undo period is over, or is
    that long anyway.
    """
    due_at = _compute_extended_due_at(action.due_at, action.queued_at, seconds)
    if due_at is None or action.due_at is None or action.batch_id is not None:
        return False
    if not action.is_in_undo_period:
        return False
    rows = ApplicationAction.objects.filter(
        pk=action.pk, status=Status.SCHEDULED, due_at=action.due_at
    )
    given_up_later = F("give_up_at") + (due_at - action.due_at)
    if not rows.update(due_at=due_at, give_up_at=given_up_later):
        return False
    action.due_at = due_at
    return True


def extend_batch(batch: Batch, seconds: int) -> bool:
    """Like `extend_action`, for a batch that no worker has claimed."""
    due_at = _compute_extended_due_at(batch.due_at, batch.created_at, seconds)
    if due_at is None:
        return False
    waiting = batch.actions.filter(status=Status.SCHEDULED, due_at=batch.due_at, outcome="")
    # A claimed batch has a due time of its own, so no action matches.
    if not waiting.exists():
        return False
    with transaction.atomic():
        if not Batch.objects.filter(pk=batch.pk, due_at=batch.due_at).update(due_at=due_at):
            return False
        waiting.update(due_at=due_at)
    batch.due_at = due_at
    return True


def _compute_extended_due_at(
    due_at: datetime | None, clicked_at: datetime, seconds: int
) -> datetime | None:
    now = timezone.now()
    if due_at is None or due_at <= now or read_only.is_read_only():
        return None
    extension = min(max(seconds, MIN_EXTENSION_SECONDS), MAX_EXTENSION_SECONDS)
    extended_due_at = min(now + timedelta(seconds=extension), clicked_at + MAX_UNDO_PERIOD)
    return extended_due_at if extended_due_at > due_at else None
