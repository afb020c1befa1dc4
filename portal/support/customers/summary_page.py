from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from portal.accounts.models import Membership, Organization
from portal.connections.models import ApiCall, CallPause
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message, needs_permission_fix
from portal.issues.models import Issue
from portal.members.models import Invitation
from portal.support.access.roles import PERSONAL_CAUSES, can_see_people
from portal.support.actions import customer_actions
from portal.support.customers import (
    customer_status,
    freshness_summary,
    overview,
    timeline,
    unmatched_members,
)
from portal.support.impersonation import sessions
from portal.sync.access_promise import get_access_promise

VIEW_PERMISSION = "accounts.view_organization"
VALID_YEARS = range(2000, 2200)  # safe for databases and time zone conversion
MAX_LISTED_PEOPLE = 200  # the membership list shows all


@dataclass(frozen=True)
class NextStep:
    text: str
    label: str = ""
    url: str = ""


def summary_page(request: HttpRequest, organization_id: int) -> HttpResponse:
    organization = get_organization(request, organization_id)
    status = overview.get_customer_statuses([organization])[organization.pk]
    may_see_people = can_see_people(request)
    may_help = request.user.has_perm(customer_actions.HELP_PERMISSION)
    kind = request.GET.get("kind", "")
    before = _parse_timestamp(request.GET.get("before", ""))
    events, older_before = _split_page(
        timeline.list_events(
            organization,
            kind=kind,
            before=before,
            limit=timeline.PAGE_SIZE + 1,
            include_people=may_see_people,
        )
    )
    snoozed_issues = Issue.objects.filter(
        organization=organization, closed_at=None, snoozed_until__gte=timezone.now()
    )
    connection = status.connection
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": organization.name,
        "organization": organization,
        "status": status,
        "connection": connection,
        "credential": connection.credential if connection else None,
        "access": get_access_promise(connection) if connection else None,
        "next": suggest_next_step(status)
        if may_help
        else replace(suggest_next_step(status), url=""),
        "issues": [
            (
                issue,
                build_message(issue),
                issue.fixer in CUSTOMER_FIXERS,
                needs_permission_fix(issue),
            )
            for issue in status.issues
            if may_see_people or issue.cause not in PERSONAL_CAUSES
        ],
        "snoozed_issues": snoozed_issues
        if may_see_people
        else snoozed_issues.exclude(cause__in=PERSONAL_CAUSES),
        "actions": customer_actions.list_available_actions(connection),
        "may_see_people": may_see_people,
        "invitations": _list_open_invitations(organization) if may_see_people else [],
        "may_help": may_help,
        "may_impersonate": request.user.has_perm(sessions.IMPERSONATE_PERMISSION),
        "members": _list_members(organization) if may_see_people else [],
        "calls": _count_recent_calls(organization),
        "call_pause": CallPause.objects.filter(
            connection__organization=organization, until__gt=timezone.now()
        ).first(),
        "freshness": freshness_summary.build_summary(connection) if connection else None,
        "events": events,
        "older_before": older_before,
        "kinds": timeline.list_kinds(include_people=may_see_people).items(),
        "kind": kind,
        "is_later_page": before is not None,
    }
    return TemplateResponse(request, "admin/support/summary.html", context)


def _parse_timestamp(text: str) -> datetime | None:
    try:
        timestamp = parse_datetime(text)
    except ValueError:
        return None
    return timestamp if timestamp and timestamp.tzinfo and timestamp.year in VALID_YEARS else None


def _split_page(events: list[timeline.TimelineEvent]) -> tuple[list[timeline.TimelineEvent], str]:
    if len(events) <= timeline.PAGE_SIZE:
        return events, ""
    page = events[: timeline.PAGE_SIZE]
    # Events of the same time stay on one page: the next page starts before a time.
    complete = [event for event in page if event.at > events[timeline.PAGE_SIZE].at] or page
    return complete, complete[-1].at.isoformat()


def suggest_next_step(status: customer_status.CustomerStatus) -> NextStep:
    """Return the most urgent next step for this customer."""
    organization = status.organization
    if status.must_act_issues:
        issue = status.must_act_issues[0]
        if needs_permission_fix(issue):
            return _suggest_fix_link(
                organization, f"{issue.title}. Send a link to whoever can tick it."
            )
        if issue.fixer in CUSTOMER_FIXERS:
            return NextStep(
                "Send this to whoever can fix it.",
                "Send the message",
                reverse("admin:issues_issue_send_message", args=[issue.pk]),
            )
        return NextStep(f"{issue.get_fixer_display()} must act: {issue.title}.")
    if not status.admin_count:
        return NextStep(
            "Nobody there can set anything up. Make somebody an admin.",
            "People and roles",
            f"{reverse('admin:accounts_membership_changelist')}?customer={organization.pk}",
        )
    if status.state == customer_status.State.DRAFT:
        return NextStep(
            "Ask their admin to enter the Greenhouse credential. Nothing can begin before."
        )
    if status.is_outdated:
        return _suggest_action(organization, "sync", "What recruiters see is old. Read it again.")
    if status.missing_count and status.connection:
        count = status.missing_count
        text = (
            f"{count} permission{' is' if count == 1 else 's are'} missing. Send a link to whoever "
        )
        return _suggest_fix_link(organization, f"{text}manages Greenhouse there.")
    if status.state == customer_status.State.ACTION_NEEDED:
        return _suggest_action(organization, "check", "See whether it is fixed meanwhile.")
    if status.unmatched_count:
        count = status.unmatched_count
        return NextStep(
            f"{count} {'person has' if count == 1 else 'people have'} no match in Greenhouse, "
            "below. Compare the email addresses."
        )
    return NextStep("Nothing. All is well.")


def _suggest_fix_link(organization: Organization, text: str) -> NextStep:
    url = reverse("admin:accounts_organization_fix_link", args=[organization.pk])
    return NextStep(text, "Make a link", url)


def _suggest_action(organization: Organization, key: str, text: str) -> NextStep:
    url = reverse("admin:accounts_organization_run_action", args=[organization.pk, key])
    return NextStep(text, customer_actions.CUSTOMER_ACTIONS[key].label, url)


def _list_members(organization: Organization) -> list[tuple[Membership, bool]]:
    unmatched_ids = set(
        unmatched_members.list_unmatched_members([organization.pk]).values_list("pk", flat=True)
    )
    members = Membership.objects.filter(organization=organization).select_related("user")
    return [
        (member, member.pk in unmatched_ids)
        for member in members.order_by("role", "user__name")[:MAX_LISTED_PEOPLE]
    ]


def _list_open_invitations(organization: Organization) -> QuerySet[Invitation]:
    open_invitations = Invitation.objects.filter(
        organization=organization, accepted_at=None, revoked_at=None
    )
    return open_invitations.select_related("invited_by")[:MAX_LISTED_PEOPLE]


def _count_recent_calls(organization: Organization) -> dict[str, Any]:
    calls = ApiCall.objects.filter(
        connection__organization=organization, at__gte=timezone.now() - timedelta(hours=1)
    )
    counted: dict[str, Any] = calls.aggregate(
        all=Count("pk"),
        refused=Count("pk", filter=Q(status__in=(401, 403))),
        limited=Count("pk", filter=Q(status=429)),
        broken=Count("pk", filter=Q(status__gte=500) | Q(status=None)),
    )
    newest = calls.exclude(remaining=None).values_list("remaining", flat=True).first()
    return {**counted, "remaining": newest}


def get_organization(request: HttpRequest, pk: int) -> Organization:
    """Return the customer, or raise PermissionDenied or Http404."""
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    return get_object_or_404(Organization.objects.select_related("connection"), pk=pk)
