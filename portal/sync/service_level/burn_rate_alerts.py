"""Open an issue while a customer's data is older than promised and no other issue says why."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.freshness import PROMISED_AGE
from portal.sync.models import FreshnessKind
from portal.sync.service_level import burn_rate
from portal.sync.service_level.burn_rate import Burn, BurnSpeed
from portal.sync.service_level.periods import MINUTE, truncate_to_minute

Cause = Issue.Cause
IssueKey = tuple[int, str]  # organization ID and kind

_EXPLAINING_CAUSES = (
    Cause.BAD_CREDENTIAL,
    Cause.UNREADABLE_CREDENTIAL,
    Cause.NO_SITE_ADMIN,
    Cause.RATE_LIMIT,
    Cause.GREENHOUSE_DOWN,
    Cause.MASS_DELETION,
    Cause.SYNC_FAILING,
    Cause.WORKER_DEAD,
)
# What it caused is still in the window of an hour.
_EXPLAINS_AFTERWARDS = timedelta(hours=1)
_SEVERITIES = {
    BurnSpeed.FAST: Issue.Severity.CRITICAL,
    BurnSpeed.SLOW: Issue.Severity.WARNING,
}
_STILL_WORKS = {
    FreshnessKind.DATA: "Synced data stays visible. Opening a requisition refreshes it, and "
    "webhooks still bring changes.",
    FreshnessKind.ACCESS: "Everyone sees what they could see at the last sync of access.",
}


def update_issues() -> None:
    """Open and close issues. Queries grow only with the number of issues that change."""
    until = truncate_to_minute(timezone.now())
    burns = burn_rate.find_burns(Connection.objects.all(), until)
    issues = Issue.objects.filter(cause=Cause.FRESHNESS, closed_at=None)
    open_issues: dict[IssueKey, Issue] = {
        (issue.organization_id, issue.key): issue for issue in issues.select_related("organization")
    }
    connections = Connection.objects.select_related("organization").in_bulk(
        {connection_id for connection_id, _ in burns}
    )
    burning: dict[IssueKey, tuple[Connection, FreshnessKind, Burn]] = {}
    for (connection_id, kind), burn in burns.items():
        if connection := connections.get(connection_id):
            burning[connection.organization_id, kind] = (connection, kind, burn)
    _open_issues(burning, open_issues)
    for key, issue in open_issues.items():
        if key not in burning:
            service.resolve_issues(
                issue.organization, Cause.FRESHNESS, key=issue.key, why="within promise again"
            )


def _open_issues(
    burning: dict[IssueKey, tuple[Connection, FreshnessKind, Burn]],
    open_issues: dict[IssueKey, Issue],
) -> None:
    unchanged = []
    new_ids = {organization_id for organization_id, _ in burning.keys() - open_issues.keys()}
    explained_ids = _list_explained_organizations(new_ids)
    for key, (connection, kind, burn) in burning.items():
        issue = open_issues.get(key)
        if issue and issue.severity == _SEVERITIES[burn.alert.speed]:
            unchanged.append(issue.pk)
        elif issue or connection.organization_id not in explained_ids:
            _open_issue(connection, kind, burn)
    if unchanged:
        Issue.objects.filter(pk__in=unchanged).update(last_seen_at=timezone.now())


def _list_explained_organizations(ids: set[int]) -> set[int]:
    """Return those with an issue that says why, so that nothing is reported twice."""
    if not ids:
        return set()
    ended_after = timezone.now() - _EXPLAINS_AFTERWARDS
    explaining = Issue.objects.filter(
        Q(closed_at=None) | Q(closed_at__gte=ended_after),
        organization__in=ids,
        cause__in=_EXPLAINING_CAUSES,
    )
    waiting = Connection.objects.filter(organization__in=ids, state=Connection.State.ACTION_NEEDED)
    return {
        *explaining.order_by().values_list("organization_id", flat=True),
        *waiting.order_by().values_list("organization_id", flat=True),
    }


def _open_issue(connection: Connection, kind: FreshnessKind, burn: Burn) -> None:
    promised_minutes = PROMISED_AGE[kind] // MINUTE
    service.open_issue(
        connection.organization,
        Cause.FRESHNESS,
        key=kind,
        title=f"{kind.label} are out of date",
        description=f"{kind.label} should be at most {promised_minutes} minutes old. They were "
        f"older for {burn.minutes_outside} minutes of {burn.alert.window_label}. We're looking "
        "into it. The next sync that completes catches up.",
        severity=_SEVERITIES[burn.alert.speed],
        fixer=Issue.Fixer.OPERATOR,
        still_works=_STILL_WORKS[kind],
        details={"speed": burn.alert.speed, "minutes_outside": burn.minutes_outside},
    )
