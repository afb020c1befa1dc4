"""Diagnostic bundle without secrets, candidates or jobs.

People appear as counts only, and free text is redacted, including email addresses.
"""

from __future__ import annotations

import platform
from typing import Any

import django
from django.utils import timezone

from integrations.http.redaction import redact_text
from portal.accounts.models import Organization
from portal.connections.models import ApiCall, Connection
from portal.core import queue
from portal.issues.models import Issue
from portal.support.customers import overview, timeline
from portal.sync.models import SyncRun

MAX_CALLS, MAX_RUNS, MAX_EVENTS = 300, 10, 300


def build_bundle(organization: Organization) -> dict[str, Any]:
    status = overview.get_customer_statuses([organization])[organization.pk]
    return {
        "generated_at": timezone.now(),
        "versions": {"python": platform.python_version(), "django": django.get_version()},
        "organization": {"id": organization.pk, "slug": organization.slug},
        "status": {
            "state": status.state,
            "since": status.since,
            "health": redact_text(status.health),
            "last_good_sync": status.last_synced_at,
            "people": status.people_count,
            "unmatched": status.unmatched_count,
            "missing_permissions": status.missing_count,
            "action_failures_in_a_day": status.failure_count,
        },
        "queue": {status.lane.value: status.waiting_count for status in queue.list_lane_statuses()},
        "connection": _serialize_connection(status.connection),
        "issues": [_serialize_redacted_issue(issue) for issue in _list_issues(organization)],
        "timeline": [
            {
                "at": event.at,
                "kind": event.kind,
                "text": redact_text(event.text),
                "more": redact_text(event.details),
            }
            for event in timeline.list_events(organization, limit=MAX_EVENTS, include_people=False)
        ],
    }


def _list_issues(organization: Organization) -> list[Issue]:
    return list(Issue.objects.filter(organization=organization)[:100])


def _serialize_redacted_issue(issue: Issue) -> dict[str, Any]:
    return {
        "cause": issue.cause,
        "key": redact_text(issue.key),
        "severity": issue.severity,
        "fixer": issue.fixer,
        "description": redact_text(issue.description),
        "times": issue.occurrences,
        "first_seen_at": issue.first_seen_at,
        "last_seen_at": issue.last_seen_at,
        "closed_at": issue.closed_at,
        "closed_why": redact_text(issue.resolution),
    }


def _serialize_connection(connection: Connection | None) -> dict[str, Any] | None:
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
            "failure": redact_text(check.failure),
            "results": [
                {
                    "permission": result.permission,
                    "outcome": result.outcome,
                    "sentence": redact_text(result.message),
                }
                for result in check.results.all()
            ],
        }
        if check
        else None,
        "syncs": [
            _serialize_sync(run) for run in connection.syncs.prefetch_related("steps")[:MAX_RUNS]
        ],
        "requests": list(
            ApiCall.objects.filter(connection=connection).values(
                "at", "method", "path", "status", "milliseconds", "retries", "lane", "remaining",
                "request_id", "error", "trace",
            )[:MAX_CALLS]
        ),
    }  # fmt: skip


def _serialize_sync(run: SyncRun) -> dict[str, Any]:
    return {
        "status": run.status,
        "failure": redact_text(run.failure),
        "queued_at": run.queued_at,
        "finished_at": run.finished_at,
        "steps": {
            step.kind: {
                "status": step.status,
                "seen": step.read_count,
                "failure": redact_text(step.failure),
                "because": step.skip_reason,
            }
            for step in run.steps.all()
        },
    }
