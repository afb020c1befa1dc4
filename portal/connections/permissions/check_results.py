"""Results of a permission check, stored while it runs so that the setup page can count them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.permissions import ProbeOutcome, ProbeResult
from portal.connections.models import CheckRun, PermissionCheck

# A quick check stores its results in one or two statements instead of one for each.
_SECONDS_BETWEEN_WRITES = 0.2
_STORED_FIELDS = ("outcome", "message", "cause", "evidence", "checked_at")


def select_waiting(check: CheckRun) -> QuerySet[PermissionCheck]:
    return check.results.filter(outcome=PermissionCheck.WAITING)


def list_granted(check: CheckRun) -> list[str]:
    """Return keys of permissions that this check found granted; results it took over don't count.

    Empty if it has not started.
    """
    if check.started_at is None:
        return []
    granted = check.results.filter(outcome=ProbeOutcome.GRANTED, checked_at__gte=check.started_at)
    return list(granted.values_list("permission", flat=True))


def store_results(check: CheckRun, probes: Iterable[ProbeResult]) -> None:
    """Store results as they come, also those that came before an error."""
    unstored: list[ProbeResult] = []
    written_at = time.monotonic()
    try:
        for probe in probes:
            unstored.append(probe)
            if time.monotonic() - written_at >= _SECONDS_BETWEEN_WRITES:
                _write_results(check, unstored)
                unstored = []
                written_at = time.monotonic()
    finally:
        _write_results(check, unstored)


def _write_results(check: CheckRun, probes: Sequence[ProbeResult]) -> None:
    if not probes:
        return
    with transaction.atomic():
        # A check that was interrupted or deleted meanwhile keeps what it has.
        running = CheckRun.objects.filter(pk=check.pk, status=CheckRun.Status.RUNNING)
        if running.select_for_update().exists():
            PermissionCheck.objects.bulk_create(
                [_build_result(check, probe) for probe in probes],
                update_conflicts=True,
                unique_fields=["run", "permission"],
                update_fields=_STORED_FIELDS,
            )


def _build_result(check: CheckRun, probe: ProbeResult) -> PermissionCheck:
    return PermissionCheck(
        run=check,
        permission=probe.permission,
        outcome=probe.outcome.value,
        message=probe.sentence[:400],
        cause=probe.cause[:40],
        evidence=msgspec.to_builtins(probe.evidence) if probe.evidence else None,
        checked_at=timezone.now(),
    )
