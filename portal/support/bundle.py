"""A diagnostic bundle: what a colleague needs to help, and nothing that must not leave.

No secret is read into it, no candidate and no requisition; people stand as counts, so what they did
and were told is left out of the timeline; and every free text is blotted
(integrations.http.redact), so that not even an e-mail address leaves.
"""

from __future__ import annotations

import platform
from typing import Any

import django
from django.utils import timezone

from integrations.http.redact import redact
from portal.accounts.models import Organization
from portal.connections.models import ApiCall, Connection
from portal.core import queue
from portal.issues.models import Issue
from portal.mirror.models import SyncRun
from portal.support import board, timeline

CALLS, RUNS, LINES = 300, 10, 300


def bundle(organization: Organization) -> dict[str, Any]:
    """Plain values, ready for JSON."""
    standing = board.standings([organization])[organization.pk]
    return {
        "made_at": timezone.now(),
        "versions": {"python": platform.python_version(), "django": django.get_version()},
        "organization": {"id": organization.pk, "slug": organization.slug},
        "standing": {
            "state": standing.state,
            "since": standing.since,
            "health": redact(standing.health),
            "last_good_sync": standing.last_good,
            "people": standing.people,
            "unmatched": standing.unmatched,
            "missing_permissions": standing.missing,
            "action_failures_in_a_day": standing.failures,
        },
        "queue": queue.depth(),
        "connection": _connection(standing.connection),
        "issues": [_issue(issue) for issue in _issues(organization)],
        "timeline": [
            {
                "at": line.at,
                "kind": line.kind,
                "words": redact(line.words),
                "more": redact(line.more),
            }
            for line in timeline.lines(organization, most=LINES, people=False)
        ],
    }


def _issues(organization: Organization) -> list[Issue]:
    return list(Issue.objects.filter(organization=organization)[:100])


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "cause": issue.cause,
        "key": redact(issue.key),
        "severity": issue.severity,
        "fixer": issue.fixer,
        "words": redact(issue.words),
        "times": issue.times,
        "first_seen_at": issue.first_seen_at,
        "last_seen_at": issue.last_seen_at,
        "closed_at": issue.closed_at,
        "closed_why": redact(issue.closed_why),
    }


def _connection(connection: Connection | None) -> dict[str, Any] | None:
    if connection is None:
        return None
    credential, check = connection.credential, connection.last_check
    return {
        "credential": {
            "kind": credential.kind,
            "last_four": credential.last_four,
            "fingerprint": credential.fingerprint,
            "entered_at": credential.entered_at,
        }
        if credential
        else None,
        "newest_check": {
            "status": check.status,
            "cause": check.cause,
            "failure": redact(check.failure),
            "results": [
                {
                    "permission": result.permission,
                    "outcome": result.outcome,
                    "sentence": redact(result.sentence),
                }
                for result in check.results.all()
            ],
        }
        if check
        else None,
        "syncs": [_sync(run) for run in connection.syncs.prefetch_related("steps")[:RUNS]],
        "requests": list(
            ApiCall.objects.filter(connection=connection).values(
                "at", "method", "path", "status", "milliseconds", "retries", "lane", "remaining",
                "request_id", "error", "trace",
            )[:CALLS]
        ),
    }  # fmt: skip


def _sync(run: SyncRun) -> dict[str, Any]:
    return {
        "status": run.status,
        "failure": redact(run.failure),
        "queued_at": run.queued_at,
        "finished_at": run.finished_at,
        "steps": {
            step.kind: {
                "status": step.status,
                "seen": step.seen,
                "failure": redact(step.failure),
                "because": step.because,
            }
            for step in run.steps.all()
        },
    }
