from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from portal.accounts.models import Membership, Organization
from portal.connections.models import CallPause
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message, needs_permission_fix
from portal.issues.models import Issue
from portal.jobs.answers.promise import get_promise
from portal.members.models import Invitation
from portal.support.access.roles import PERSONAL_CAUSES, can_see_people
from portal.support.actions import customer_actions
from portal.support.customers import (
    charts,
    freshness_summary,
    overview,
    request_counts,
    timeline,
    unmatched_members,
)
from portal.support.customers.next_step import suggest_next_step
from portal.support.impersonation import sessions
from portal.sync.access_promise import get_access_promise

VIEW_PERMISSION = "accounts.view_organization"
VALID_YEARS = range(2000, 2200)  # safe for databases and time zone conversion
MAX_LISTED_PEOPLE = 200  # the membership list shows all


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
        "next": suggest_next_step(status, may_help=may_help),
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
        "calls": request_counts.count_customer_requests(organization),
        "call_pause": CallPause.objects.filter(
            connection__organization=organization, until__gt=timezone.now()
        ).first(),
        "freshness": freshness_summary.build_summary(connection) if connection else None,
        "promise": get_promise(organization.pk),
        "charts": charts.build_charts(connection) if connection else [],
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


def get_organization(request: HttpRequest, pk: int) -> Organization:
    """Return the customer, or raise PermissionDenied or Http404."""
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    return get_object_or_404(Organization.objects.select_related("connection", "owner"), pk=pk)
