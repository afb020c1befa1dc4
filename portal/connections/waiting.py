"""When a task that Greenhouse keeps waiting is tried again, and when it gives up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from integrations.ats.errors import AtsError, AtsUnavailable, RateLimited
from portal.connections.models import GreenhouseWait, WaitCause

MIN_DELAY, MAX_DELAY = timedelta(seconds=5), timedelta(minutes=1)
NOT_WAITING: dict[str, Any] = {"due_at": None, "wait_cause": ""}


def plan_wait(
    row: GreenhouseWait, error: AtsUnavailable | RateLimited, *, has_progressed: bool = False
) -> dict[str, Any] | None:
    """Values that make the row due later; None once it has waited for too long."""
    now = timezone.now()
    since = now if has_progressed or row.waiting_since is None else row.waiting_since
    is_rate_limit = isinstance(error, RateLimited)
    minutes = settings.RATE_LIMIT_RETRY_MINUTES if is_rate_limit else settings.OUTAGE_RETRY_MINUTES
    if now - since >= timedelta(minutes=minutes):
        return None
    # Without a time, the delay grows with the wait so far.
    retry_at = error.retry_at or now + min(MAX_DELAY, max(MIN_DELAY, now - since))
    return {
        "due_at": max(retry_at, now + timedelta(seconds=1)),
        "wait_cause": WaitCause.RATE_LIMIT if is_rate_limit else WaitCause.SLOW,
        "waiting_since": since,
    }


def describe_giving_up(error: AtsError) -> str:
    if isinstance(error, RateLimited):
        return "Greenhouse's rate limit is used up. Try again later."
    return AtsUnavailable.default_sentence
