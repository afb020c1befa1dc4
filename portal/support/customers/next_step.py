"""The next step that staff should take for a customer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse

from portal.accounts.models import Organization
from portal.issues.issue_message import CUSTOMER_FIXERS, needs_permission_fix
from portal.issues.models import Issue
from portal.support.access.roles import PERSONAL_CAUSES
from portal.support.actions import customer_actions
from portal.support.customers.customer_status import CustomerStatus, State


@dataclass(frozen=True)
class NextStep:
    text: str
    label: str = ""
    url: str = ""
    needs_help_permission: bool = True  # to open `url`


def suggest_next_step(status: CustomerStatus, *, may_help: bool) -> NextStep:
    """Return the most urgent next step for this customer, without a link for whoever can't act."""
    step = _suggest_next_step(status)
    return replace(step, url="") if step.needs_help_permission and not may_help else step


def _suggest_next_step(status: CustomerStatus) -> NextStep:
    organization = status.organization
    if status.must_act_issues:
        issue = status.must_act_issues[0]
        if needs_permission_fix(issue):
            return _suggest_fix_link(organization, "Send a fix link to a Greenhouse admin.")
        if issue.fixer in CUSTOMER_FIXERS:
            return NextStep(
                "Send the message to the person who can fix it.",
                "Send message",
                reverse("admin:issues_issue_send_message", args=[issue.pk]),
            )
        return _suggest_issue(issue, f"Who can fix it: {issue.get_fixer_display()}.")
    if not status.admin_count:
        return NextStep(
            "This customer has no admin. Add one to start setup.",
            "People and roles",
            f"{reverse('admin:accounts_membership_changelist')}?customer={organization.pk}",
        )
    if status.state == State.DRAFT:
        return NextStep("Ask their admin to enter the Greenhouse credential.")
    if status.is_outdated:
        return _suggest_action(organization, "sync", "Recruiters see outdated data. Start a sync.")
    leading_cause = status.issues[0].cause if status.issues else ""
    if status.missing_count and leading_cause in {"", Issue.Cause.MISSING_PERMISSION}:
        count = status.missing_count
        missing = f"{count} permission{' is' if count == 1 else 's are'} missing."
        return _suggest_fix_link(organization, f"{missing} Send a fix link to a Greenhouse admin.")
    if status.state == State.ACTION_NEEDED:
        return _suggest_action(organization, "check", "Check whether it has been fixed.")
    if status.unmatched_count and leading_cause in {"", Issue.Cause.UNMATCHED_PEOPLE}:
        compare = "Compare the email addresses under People with those in Greenhouse."
        if leading_cause:  # the issue says how many
            return NextStep(compare)
        count = status.unmatched_count
        people = f"{count} {'person has' if count == 1 else 'people have'}"
        return NextStep(f"{people} no Greenhouse match. {compare}")
    if status.issues:
        return _suggest_issue(status.issues[0], "See what happened and who can fix it.")
    return NextStep("Nothing to do.")


def _suggest_issue(issue: Issue, text: str) -> NextStep:
    url = reverse("admin:issues_issue_change", args=[issue.pk])
    is_personal = issue.cause in PERSONAL_CAUSES
    return NextStep(text, "Open issue", url, needs_help_permission=is_personal)


def _suggest_fix_link(organization: Organization, text: str) -> NextStep:
    url = reverse("admin:accounts_organization_fix_link", args=[organization.pk])
    return NextStep(text, "Create a fix link", url)


def _suggest_action(organization: Organization, key: str, text: str) -> NextStep:
    url = reverse("admin:accounts_organization_run_action", args=[organization.pk, key])
    return NextStep(text, customer_actions.CUSTOMER_ACTIONS[key].label, url)
