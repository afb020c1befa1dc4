"""Dead workers cannot report themselves, so web processes check (admin pages, /readyz)."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.core import worker_heartbeat
from portal.core.tenancy.scope import all_organizations
from portal.issues import service
from portal.issues.models import Issue

State = Connection.State
CAUSE = Issue.Cause.WORKER_DEAD


@all_organizations("workers serve all customers")
def check_workers() -> worker_heartbeat.WorkerStatus:
    """Return the worker status; opens issues when silence is first noticed."""
    status = worker_heartbeat.get_worker_status()
    if status.is_silent:
        with transaction.atomic():  # a returning worker waits for this, then closes all
            if worker_heartbeat.mark_silence_noticed():
                _open_worker_issues(status)
    return status


def record_heartbeat() -> None:
    worker_heartbeat.record_heartbeat()
    with transaction.atomic():
        if not worker_heartbeat.clear_silence():
            return
        organizations = Organization.objects.filter(issues__cause=CAUSE, issues__closed_at=None)
        for organization in organizations:
            service.resolve_issues(organization, CAUSE, why="a worker was heard again")


def _open_worker_issues(status: worker_heartbeat.WorkerStatus) -> None:
    active = Organization.objects.filter(connection__isnull=False).exclude(
        connection__state__in=(State.DRAFT, State.DISCONNECTED)
    )
    for organization in active:
        service.open_issue(
            organization,
            CAUSE,
            title="No background worker is running",
            description=(
                f"No worker has reported for more than {settings.WORKER_TIMEOUT_MINUTES} "
                f"minutes, since {status.since:%H:%M} UTC. Syncs, checks, actions and emails wait. "
                "Start the worker cluster (python manage.py qcluster) and check its log. This "
                "issue closes automatically."
            ),
            severity=Issue.Severity.CRITICAL,
            fixer=Issue.Fixer.OPERATOR,
            still_works="Synced data stays visible. Actions are saved and sent later.",
        )
