from __future__ import annotations

from django.db.models import Case, IntegerField, Value, When

from portal.accounts.models import Organization
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message
from portal.issues.models import Issue

_CONTACTS = {
    Issue.Fixer.GREENHOUSE_ADMIN: "Your Greenhouse admin can fix this",
    Issue.Fixer.ADMIN: "You can fix this",
    Issue.Fixer.CSM: "Our support team is working on it",
    Issue.Fixer.OPERATOR: "Our support team is working on it",
    Issue.Fixer.GREENHOUSE: "Waiting for Greenhouse",
    Issue.Fixer.NOBODY: "Resolves itself",
}


def list_open_issues(organization: Organization) -> list[dict[str, object]]:
    """Context for `templates/issues/_open_issues.html`, worst first. No `url`: nothing the reader
    can do.
    """
    order = Case(
        When(severity=Issue.Severity.CRITICAL, then=Value(0)),
        When(severity=Issue.Severity.WARNING, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    issues = Issue.objects.filter(organization=organization, closed_at=None)
    return [
        {
            "issue": issue,
            "contact": _CONTACTS[Issue.Fixer(issue.fixer)],
            "url": build_message(issue).path if issue.fixer in CUSTOMER_FIXERS else "",
        }
        for issue in issues.order_by(order, "-last_seen_at")[:20]
    ]
