from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from portal.accounts.models import Organization
from portal.core.database.concurrent_creation import create_or_join
from portal.issues import announcements
from portal.issues.models import Issue


def open_issue(
    organization: Organization,
    cause: Issue.Cause,
    *,
    title: str,
    description: str,
    severity: Issue.Severity,
    fixer: Issue.Fixer,
    key: str = "",
    still_works: str = "",
    details: Mapping[str, Any] | None = None,
) -> tuple[Issue, bool]:
    """Open the issue or count another occurrence; return it and whether it is new."""
    values = {
        "title": title[:160],
        "description": description,
        "severity": severity,
        "fixer": fixer,
        "still_works": still_works[:300],
        "details": dict(details or {}),
    }
    lookup = {"organization": organization, "cause": cause, "key": key[:100]}
    open_issues = Issue.objects.filter(**lookup, closed_at=None)
    if issue := _count_occurrence(open_issues, values):
        return issue, False

    def create() -> Issue:
        issue = Issue.objects.create(**lookup, **values)
        announcements.announce_opened(issue)
        return issue

    return create_or_join(create, open_issues)


@transaction.atomic
def _count_occurrence(open_issues: QuerySet[Issue], values: dict[str, Any]) -> Issue | None:
    previous_severity = open_issues.values_list("severity", flat=True).first()
    if not open_issues.update(
        **values, occurrences=F("occurrences") + 1, last_seen_at=timezone.now()
    ):
        return None
    issue = open_issues.get()
    if previous_severity == Issue.Severity.INFO:  # not announced yet
        announcements.announce_opened(issue)
    return issue


def resolve_issues(
    organization: Organization,
    *causes: Issue.Cause,
    why: str,
    key: str | None = None,
    excluded_keys: Iterable[str] = (),
) -> int:
    """Close open issues of these causes, only the one with `key` if given; return how many."""
    if not _has_open_issue(organization, causes, key):
        return 0
    issues = Issue.objects.filter(organization=organization, cause__in=causes, closed_at=None)
    if key is not None:
        issues = issues.filter(key=key[:100])
    closed_count = 0
    for issue in issues.exclude(key__in=list(excluded_keys)).select_related("organization"):
        issue.closed_at, issue.resolution = timezone.now(), why[:200]
        still_open = Issue.objects.filter(pk=issue.pk, closed_at=None)
        if still_open.update(closed_at=issue.closed_at, resolution=issue.resolution):
            announcements.announce_resolved(issue)
            closed_count += 1
    return closed_count


def _has_open_issue(
    organization: Organization, causes: Iterable[Issue.Cause], key: str | None
) -> bool:
    # Mostly there is none. SQL of our own: a sync asks for every list.
    values = [cause.value for cause in causes]
    statement = (
        f'SELECT 1 FROM "{Issue._meta.db_table}" WHERE organization_id = %s'  # noqa: S608
        f" AND closed_at IS NULL AND cause IN ({', '.join(['%s'] * len(values))})"
    )
    params: list[int | str] = [organization.pk, *values]
    if key is not None:
        statement, params = f"{statement} AND key = %s", [*params, key[:100]]
    with database.cursor() as cursor:
        cursor.execute(f"{statement} LIMIT 1", params)
        return cursor.fetchone() is not None
