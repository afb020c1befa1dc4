"""Actions that a restored backup holds as waiting or being sent: they may have been sent since."""

from __future__ import annotations

from collections import Counter

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from portal.applications.actions.reconciliation import reconcile_action
from portal.applications.models import ApplicationAction
from portal.applications.pending import releasing
from portal.core import transitions

Status = ApplicationAction.Status


def settle_restored_actions() -> str:
    """Compare each with Greenhouse; none is sent. Those that Greenhouse can't answer for yet stay
    unknown, and workers continue to compare. Pending rejections that were not due may have been
    canceled since, so their authors confirm them.
    """
    actions = ApplicationAction.objects.filter(
        Q(status__in=ApplicationAction.OPEN_STATUSES)
        | Q(status=Status.PENDING, due_at__lte=timezone.now())
    )
    outcomes: Counter[str] = Counter()
    for action in actions.select_related("application__connection", "membership"):
        try:
            with transaction.atomic():
                _mark_possibly_sent(action)
        except IntegrityError:  # another action is open, so its author confirms this one
            continue
        reconcile_action(action)
        action.refresh_from_db(fields=["status"])
        outcomes[action.status] += 1
    stopped_count = releasing.stop_for_confirmation(
        ApplicationAction.objects.all(),
        releasing.RESTORED_MESSAGE,
        key=f"restored:{timezone.now().isoformat()}",
    )
    parts = ", ".join(f"{count} {status}" for status, count in sorted(outcomes.items()))
    compared = f"{outcomes.total()} actions were compared with Greenhouse: {parts or 'none'}."
    return f"{compared} {stopped_count} pending rejections wait for their authors to confirm them."


def _mark_possibly_sent(action: ApplicationAction) -> None:
    sent_at = action.sent_at or (action.due_at if action.is_pending else action.queued_at)
    if action.status in ApplicationAction.CANCELABLE_STATUSES:
        transitions.try_move(action, Status.SENDING, why=transitions.RESTORED, sent_at=sent_at)
    if action.status == Status.SENDING:
        transitions.try_move(
            action, Status.UNKNOWN, why=transitions.RESTORED, due_at=timezone.now()
        )
