"""Actions that a restored backup holds as waiting or being sent: they may have been sent since."""

from __future__ import annotations

from collections import Counter

from django.utils import timezone

from portal.applications.actions.reconciliation import reconcile_action
from portal.applications.models import ApplicationAction
from portal.core import transitions

Status = ApplicationAction.Status


def settle_restored_actions() -> str:
    """Compare each with Greenhouse; none is sent. Those that Greenhouse can't answer for yet stay
    unknown, and workers continue to compare.
    """
    actions = ApplicationAction.objects.filter(status__in=ApplicationAction.OPEN_STATUSES)
    outcomes: Counter[str] = Counter()
    for action in actions.select_related("application__connection", "membership"):
        _mark_possibly_sent(action)
        reconcile_action(action)
        action.refresh_from_db(fields=["status"])
        outcomes[action.status] += 1
    parts = ", ".join(f"{count} {status}" for status, count in sorted(outcomes.items()))
    return f"{outcomes.total()} actions were compared with Greenhouse: {parts or 'none'}."


def _mark_possibly_sent(action: ApplicationAction) -> None:
    sent_at = action.sent_at or action.queued_at
    if action.status in ApplicationAction.CANCELABLE_STATUSES:
        transitions.try_move(action, Status.SENDING, why=transitions.RESTORED, sent_at=sent_at)
    if action.status == Status.SENDING:
        transitions.try_move(
            action, Status.UNKNOWN, why=transitions.RESTORED, due_at=timezone.now()
        )
