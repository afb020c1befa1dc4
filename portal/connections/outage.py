"""Whether Greenhouse answers a connection's calls just now."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from portal.connections.models import ApiCall, CallPause, Connection, WaitCause

# What was last heard counts for so long: afterwards, nobody knows.
KNOWN_FOR = timedelta(minutes=5)
# One failure may be one record's; a retry that fails as well is an outage.
MIN_FAILURES = 2
_OUTAGE_ERRORS = frozenset({"AtsUnavailable", "OutcomeUnknown"})


def is_greenhouse_down(connection: Connection | None) -> bool:
    """True while the circuit breaker is open, and as soon as a call and its retry failed."""
    if connection is None:
        return False
    known_since = timezone.now() - KNOWN_FOR
    pauses = CallPause.objects.filter(connection=connection, cause=WaitCause.SLOW)
    if pauses.filter(until__gt=known_since).exists():
        return True
    calls = ApiCall.objects.filter(connection=connection, at__gt=known_since).order_by("-at", "-pk")
    errors = list(calls.values_list("error", flat=True)[:MIN_FAILURES])
    return len(errors) == MIN_FAILURES and _OUTAGE_ERRORS.issuperset(errors)
