"""Backoff and alerts for failing syncs; alerts close with the first run that completes."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal.connections.models import Connection
from portal.connections.permissions import monitor
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.integrity import mass_deletion_guard
from portal.sync.models import SyncRun

MIN_BACKOFF = timedelta(minutes=2)
MAX_BACKOFF = timedelta(hours=1)
MAX_COUNTED_FAILURES = 12
ALERT_AFTER_FAILURES = 3  # failures in a row; outages and rate limits alert after two
_Scope, _Cause, _Status = SyncRun.Scope, SyncRun.Cause, SyncRun.Status
# Causes with an issue of their own, so that no failure is reported twice.
_CAUSES_WITH_OWN_ISSUE = {_Cause.DOWN, _Cause.RATE_LIMIT, _Cause.CREDENTIAL}


def get_recent_failures(connection: Connection, *, people: bool = False) -> list[SyncRun]:
    """Return the failed runs since the last completed one, newest first, up to a limit."""
    # Canceled runs say nothing, and syncs of people nothing about other syncs.
    failed = []
    ended = connection.syncs.exclude(status__in=(*SyncRun.OPEN, *SyncRun.CUT_SHORT))
    same_kind = ended.filter(scope=_Scope.PEOPLE) if people else ended.exclude(scope=_Scope.PEOPLE)
    for run in same_kind[:MAX_COUNTED_FAILURES]:
        if run.status != _Status.FAILED:
            break
        failed.append(run)
    return failed


def compute_retry_time(failure_count: int, last_failed_at: datetime) -> datetime:
    doublings = min(failure_count, MAX_COUNTED_FAILURES) - 1
    backoff: timedelta = min(MAX_BACKOFF, MIN_BACKOFF * 2**doublings)
    return last_failed_at + backoff


def update_alerts(connection: Connection) -> None:
    failed = max(
        get_recent_failures(connection), get_recent_failures(connection, people=True), key=len
    )
    organization = connection.organization
    if not failed:
        causes = (
            Issue.Cause.GREENHOUSE_DOWN,
            Issue.Cause.RATE_LIMIT,
            Issue.Cause.SYNC_FAILING,
            Issue.Cause.REFRESH_FAILED,
        )
        service.resolve_issues(organization, *causes, why="a sync reached its end")
        return
    newest = failed[0]
    if newest.cause == _Cause.DOWN and len(failed) >= 2:
        service.open_issue(
            organization,
            Issue.Cause.GREENHOUSE_DOWN,
            title="Greenhouse is not answering",
            description="This is Greenhouse, not you: it does not answer, so what is shown here is "
            "from before. We keep trying, at growing intervals, and go on by ourselves.",
            severity=Issue.Severity.WARNING,
            fixer=Issue.Fixer.GREENHOUSE,
            still_works="Everything read before can be looked at.",
            details={"failures": len(failed)},
        )
    elif newest.cause == _Cause.RATE_LIMIT and len(failed) >= 2:
        service.open_issue(
            organization,
            Issue.Cause.RATE_LIMIT,
            title="Greenhouse's rate limit is used up",
            description="Greenhouse asks us to slow down again and again. Other tools may be using "
            "the same credential; one of its own for this portal would help.",
            severity=Issue.Severity.WARNING,
            fixer=Issue.Fixer.GREENHOUSE_ADMIN,
            still_works="Everything read before can be looked at, and people's clicks go first.",
            details={"failures": len(failed)},
        )
    elif newest.cause == _Cause.CREDENTIAL:
        monitor.recheck_after_refusal(connection)  # its result says what is wrong
    has_own_issue = newest.cause in _CAUSES_WITH_OWN_ISSUE or mass_deletion_guard.has_alert(
        connection, newest.failure
    )
    if len(failed) >= ALERT_AFTER_FAILURES and not has_own_issue:
        service.open_issue(
            organization,
            Issue.Cause.SYNC_FAILING,
            title="Syncs fail again and again",
            description=f"The last {len(failed)} syncs failed. The newest said: {newest.failure} "
            "We keep trying, at growing intervals of up to an hour.",
            severity=Issue.Severity.CRITICAL,
            fixer=Issue.Fixer.CSM,
            still_works="Everything read before can be looked at.",
            details={"failures": len(failed), "cause": newest.cause},
        )


def report_failed_read(connection: Connection) -> None:
    service.open_issue(
        connection.organization,
        Issue.Cause.REFRESH_FAILED,
        title="A record could not be refreshed",
        description="Reading a record again failed unexpectedly, so it was skipped. The next sync "
        "brings it. Everything else goes on.",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.OPERATOR,
        still_works="Everything else is up to date.",
    )
