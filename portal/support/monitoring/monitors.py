"""Periodic monitors for issues that only show across many people or actions."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from portal.accounts.models import Organization
from portal.applications.actions import refusals
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.support.customers import overview, unmatched_members
from portal.sync.models import AtsUserEmail

Cause, Severity, Fixer = Issue.Cause, Issue.Severity, Issue.Fixer
MIN_ACTIONS = 5  # in a day, before failures count as a pattern
MAX_SHOWN_ADDRESSES = 5


def run_monitors() -> None:
    """Open and close the monitors' issues for every connected customer."""
    connected = Organization.objects.filter(connection__state__in=Connection.LIVE_STATES)
    organizations = list(connected)
    keys = [organization.pk for organization in organizations]
    failing_counts, unmatched_emails = (
        _find_failing_organizations(keys),
        _group_unmatched_emails(keys),
    )
    open_issues = set(
        Issue.objects.filter(
            cause__in=(Cause.ACTIONS_FAILING, Cause.UNMATCHED_PEOPLE), closed_at=None
        ).values_list("organization_id", "cause")
    )
    for organization in organizations:
        key = organization.pk
        if key in failing_counts or (key, Cause.ACTIONS_FAILING) in open_issues:
            _update_failing_actions_issue(organization, failing_counts.get(key))
        if key in unmatched_emails or (key, Cause.UNMATCHED_PEOPLE) in open_issues:
            _update_unmatched_people_issue(organization, unmatched_emails.get(key, []))
    refusals.close_stale_refusal_issues()


def _find_failing_organizations(keys: list[int]) -> dict[int, tuple[int, int]]:
    counted = (
        ApplicationAction.objects.filter(
            membership__organization__in=keys,
            queued_at__gte=timezone.now() - timedelta(days=1),
            settled_at__isnull=False,
        )
        .order_by()
        .values_list("membership__organization")
        .annotate(of=Count("pk"), failed=Count("pk", filter=Q(status__in=overview.FAILED_STATUSES)))
    )
    return {
        key: (failed, total)
        for key, total, failed in counted
        if total >= MIN_ACTIONS and failed * 2 >= total
    }


def _update_failing_actions_issue(
    organization: Organization, counts: tuple[int, int] | None
) -> None:
    if counts is None:
        service.resolve_issues(
            organization, Cause.ACTIONS_FAILING, why="most actions succeed again"
        )
        return
    failed, total = counts
    service.open_issue(
        organization,
        Cause.ACTIONS_FAILING,
        title="At least half of today's actions failed",
        description=(
            f"{failed} of {total} actions failed in the last 24 hours. API requests and the "
            "actions' outcomes show why. Often people lack a right in Greenhouse, or the "
            "credential lacks a permission."
        ),
        severity=Severity.CRITICAL,
        fixer=Fixer.CSM,
        still_works="Requisitions and applications stay up to date. No action ran twice.",
        details={"failed": failed, "of": total},
    )


def _group_unmatched_emails(keys: list[int]) -> dict[int, list[str]]:
    emails: dict[int, list[str]] = {}
    members = (
        unmatched_members.list_unmatched_members(keys)
        .select_related("user")
        .order_by("user__email")
    )
    for member in members:
        emails.setdefault(member.organization_id, []).append(member.user.email)
    return emails


def _update_unmatched_people_issue(organization: Organization, unmatched_emails: list[str]) -> None:
    if not unmatched_emails:
        service.resolve_issues(
            organization, Cause.UNMATCHED_PEOPLE, why="everyone has a Greenhouse match"
        )
        return
    missing_domains = sorted(
        {address.rsplit("@", 1)[-1] for address in unmatched_emails}
        - _list_known_domains(organization)
    )
    listed_addresses = ", ".join(unmatched_emails[:MAX_SHOWN_ADDRESSES]) + (
        f" and {len(unmatched_emails) - MAX_SHOWN_ADDRESSES} more"
        if unmatched_emails[MAX_SHOWN_ADDRESSES:]
        else ""
    )
    domain_changed = len(unmatched_emails) > 1 and bool(missing_domains)
    service.open_issue(
        organization,
        Cause.UNMATCHED_PEOPLE,
        title=(
            f"No Greenhouse user has an address at {missing_domains[0]}"
            if domain_changed
            else _count_people_without_match(len(unmatched_emails))
        ),
        description=(
            f"No requisitions are shown to {listed_addresses}: no Greenhouse user, or more than "
            "one, has their email. "
            + ("The company's email domain may have changed. " if domain_changed else "")
            + "Add each address to exactly one Greenhouse user, or correct it here."
        ),
        severity=Severity.CRITICAL if domain_changed else Severity.WARNING,
        fixer=Fixer.ADMIN,
        still_works="Everyone else is unaffected.",
    )


def _count_people_without_match(count: int) -> str:
    return f"{count} {'person has' if count == 1 else 'people have'} no Greenhouse match"


def _list_known_domains(organization: Organization) -> set[str]:
    emails = AtsUserEmail.objects.filter(
        user__connection__organization=organization, user__gone_at=None, user__deactivated=False
    )
    return {address.rsplit("@", 1)[-1] for address in emails.values_list("address", flat=True)}
