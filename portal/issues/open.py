"""What is wrong now, for an organization's own admins: on their pages."""

from __future__ import annotations

from django.db.models import Case, IntegerField, Value, When

from portal.accounts.models import Organization
from portal.issues.message import THEIRS, message
from portal.issues.models import Issue


def open_issues(organization: Organization) -> list[dict[str, object]]:
    """For `templates/issues/_open.html`: the worst first, each with where it is fixed.

    `url` is empty where the reader can do nothing about it.
    """
    order = Case(
        When(severity=Issue.Severity.MUST_ACT, then=Value(0)),
        When(severity=Issue.Severity.DEGRADED, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    found = Issue.objects.filter(organization=organization, closed_at=None)
    return [
        {"issue": issue, "url": message(issue).path if issue.fixer in THEIRS else ""}
        for issue in found.order_by(order, "-last_seen_at")[:20]
    ]
