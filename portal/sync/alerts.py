"""Backoff and alerts for failing syncs; alerts close with the first run that completes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from django.db.models import QuerySet

from integrations.http.backoff import double_delay
from portal.connections.models import Connection
from portal.connections.permissions import monitor
from portal.core.database.compiled_queries import compile_once
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.models import SyncRun

MIN_BACKOFF = timedelta(minutes=2)
MAX_BACKOFF = timedelta(hours=1)
MAX_COUNTED_FAILURES = 12
ALERT_AFTER_FAILURES = 3  # failures in a row; outages and rate limits alert after two
_Scope, _Cause, _Status = SyncRun.Scope, SyncRun.Cause, SyncRun.Status
# Causes with an issue of their own, so that no failure is reported twice.
_CAUSES_WITH_OWN_ISSUE = {_Cause.DOWN, _Cause.RATE_LIMIT, _Cause.CREDENTIAL, _Cause.MASS_DELETION}


def get_recent_failures(connection: Connection, *, people: bool = False) -> list[SyncRun]:
    """Return the failed runs since the last completed one, newest first, up to a limit."""
    if _find_newest_status(connection.pk, people=people) != [_Status.FAILED]:
        return []  # mostly: the others do not matter
    runs = _select_ended_runs(connection.pk, people=people)[:MAX_COUNTED_FAILURES]
    return [*takewhile(lambda run: run.status == _Status.FAILED, runs)]


def _select_ended_runs(connection_id: int, *, people: bool) -> QuerySet[SyncRun]:
    # Canceled runs say nothing, and syncs of people nothing about other syncs.
    runs = SyncRun.objects.filter(connection=connection_id)
    ended = runs.exclude(status__in=(*SyncRun.OPEN, *SyncRun.CUT_SHORT))
    return ended.filter(scope=_Scope.PEOPLE) if people else ended.exclude(scope=_Scope.PEOPLE)


@compile_once
def _find_newest_status(connection_id: int, *, people: bool) -> QuerySet[SyncRun, str]:
    return _select_ended_runs(connection_id, people=people).values_list("status", flat=True)[:1]


def compute_retry_time(failure_count: int, last_failed_at: datetime) -> datetime:
    return last_failed_at + double_delay(MIN_BACKOFF, failure_count, longest=MAX_BACKOFF)


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
            title="Greenhouse isn't responding",
            description="Data shown here may be out of date. We keep trying, and sync as soon as "
            "Greenhouse responds. There's nothing you need to do.",
            severity=Issue.Severity.WARNING,
            fixer=Issue.Fixer.GREENHOUSE,
            still_works="Synced data stays visible.",
            details={"failures": len(failed)},
        )
    elif newest.cause == _Cause.RATE_LIMIT and len(failed) >= 2:
        service.open_issue(
            organization,
            Issue.Cause.RATE_LIMIT,
            title="Greenhouse's rate limit is used up",
            description="Other tools may be using the same credential. Create a separate one for "
            "Inbound Talent.",
            severity=Issue.Severity.WARNING,
            fixer=Issue.Fixer.GREENHOUSE_ADMIN,
            still_works="Synced data stays visible, and actions go first.",
            details={"failures": len(failed)},
        )
    elif newest.cause == _Cause.CREDENTIAL:
        monitor.recheck_after_refusal(connection)  # its result says what is wrong
    if len(failed) >= ALERT_AFTER_FAILURES and newest.cause not in _CAUSES_WITH_OWN_ISSUE:
        service.open_issue(
            organization,
            Issue.Cause.SYNC_FAILING,
            title="Syncs keep failing",
            description=f"The last {len(failed)} syncs failed. Latest error: {newest.failure} "
            "We retry at least once an hour.",
            severity=Issue.Severity.CRITICAL,
            fixer=Issue.Fixer.CSM,
            still_works="Synced data stays visible.",
            details={"failures": len(failed), "cause": newest.cause},
        )


def report_failed_read(connection: Connection) -> None:
    service.open_issue(
        connection.organization,
        Issue.Cause.REFRESH_FAILED,
        title="A record couldn't be refreshed",
        description="Refreshing a record failed unexpectedly, so it was skipped. The next sync "
        "picks it up.",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.OPERATOR,
    )
