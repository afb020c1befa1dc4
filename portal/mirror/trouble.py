"""Syncs that fail: how long to wait, what to tell, and when it is over.

Greenhouse being down is Greenhouse's own issue; a rate limit that others use up is another; what
fails again and again for any other reason is said as that. All of them close with the first run
that reaches its end, which the growing pauses never put off for more than an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from portal.connections import drift
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror import doubt
from portal.mirror.models import SyncRun

FIRST_PAUSE = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=1)
WARN_AT = 3  # failures in a row; Greenhouse being down is said at the second
_Scope, _Cause, _Status = SyncRun.Scope, SyncRun.Cause, SyncRun.Status
# Each of these has an issue of its own; one cause is said once.
_SAID_AS_THAT = {_Cause.DOWN, _Cause.RATE_LIMIT, _Cause.CREDENTIAL}


def failures(connection: Connection, *, people: bool = False) -> list[SyncRun]:
    """The failed runs since the last one that reached its end, newest first, at most a dozen.

    Readings of people and other syncs are judged apart: one going well says little of the other.
    What was cut short says nothing, neither that it failed nor that it went well.
    """
    found = []
    ended = connection.syncs.exclude(status__in=(*SyncRun.OPEN, *SyncRun.CUT_SHORT))
    same = ended.filter(scope=_Scope.PEOPLE) if people else ended.exclude(scope=_Scope.PEOPLE)
    for run in same[:12]:
        if run.status != _Status.FAILED:
            break
        found.append(run)
    return found


def not_before(failed: list[SyncRun]) -> datetime | None:
    """When to try again: after a pause that doubles with each failure in a row."""
    if not failed or failed[0].finished_at is None:
        return None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (len(failed) - 1))
    return cast("datetime", failed[0].finished_at + pause)


def look(connection: Connection) -> None:
    """After a run: open the issue that fits, or close what is over."""
    failed = max(failures(connection), failures(connection, people=True), key=len)
    organization = connection.organization
    if not failed:
        ours = (Issue.Cause.GREENHOUSE_DOWN, Issue.Cause.RATE_LIMIT, Issue.Cause.SYNC_FAILING)
        book.solved(organization, *ours, why="a sync reached its end")
        return
    newest = failed[0]
    if newest.cause == _Cause.DOWN and len(failed) >= 2:
        book.seen(
            organization,
            Issue.Cause.GREENHOUSE_DOWN,
            title="Greenhouse is not answering",
            words="This is Greenhouse, not you: it does not answer, so what is shown here is from "
            "before. We keep trying, at growing intervals, and go on by ourselves.",
            severity=Issue.Severity.DEGRADED,
            fixer=Issue.Fixer.GREENHOUSE,
            still_works="Everything read before can be looked at.",
            facts={"failures": len(failed)},
        )
    elif newest.cause == _Cause.RATE_LIMIT and len(failed) >= 2:
        book.seen(
            organization,
            Issue.Cause.RATE_LIMIT,
            title="Greenhouse's rate limit is used up",
            words="Greenhouse asks us to slow down again and again. Other tools may be using the "
            "same credential; one of its own for this portal would help.",
            severity=Issue.Severity.DEGRADED,
            fixer=Issue.Fixer.GREENHOUSE_ADMIN,
            still_works="Everything read before can be looked at, and people's clicks go first.",
            facts={"failures": len(failed)},
        )
    elif newest.cause == _Cause.CREDENTIAL:
        drift.permission_refused(connection)  # a check says what is wrong with it
    said = newest.cause in _SAID_AS_THAT or doubt.is_told(connection, newest.failure)
    if len(failed) >= WARN_AT and not said:
        book.seen(
            organization,
            Issue.Cause.SYNC_FAILING,
            title="Syncs fail again and again",
            words=f"The last {len(failed)} syncs failed. The newest said: {newest.failure} "
            "We keep trying, at growing intervals of up to an hour.",
            severity=Issue.Severity.MUST_ACT,
            fixer=Issue.Fixer.CSM,
            still_works="Everything read before can be looked at.",
            facts={"failures": len(failed), "cause": newest.cause},
        )
