"""One customer on one page, with the next best thing to do."""

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
from portal.connections.models import ApiCall
from portal.issues.message import THEIRS, asks_for_boxes, message
from portal.issues.models import Issue
from portal.members.models import Invitation
from portal.support import board, deeds, looking, timeline
from portal.support.roles import NAMING, meets_people

VIEW = "accounts.view_organization"
YEARS = range(2000, 2200)
SHOWN = 200  # people of one customer; all of them stand in the list of memberships


@dataclass(frozen=True)
class Next:
    """The next best thing to do for a customer."""

    words: str
    action: str = ""
    url: str = ""


def customer(request: HttpRequest, organization_id: int) -> HttpResponse:
    """Everything about one customer."""
    organization = organization_of(request, organization_id)
    standing = board.standings([organization])[organization.pk]
    people, may_help = meets_people(request), request.user.has_perm(deeds.MAY)
    kind = request.GET.get("kind", "")
    before = _moment(request.GET.get("before", ""))
    lines, older = _cut(
        timeline.lines(
            organization, kind=kind, before=before, most=timeline.PAGE + 1, people=people
        )
    )
    put_aside = Issue.objects.filter(
        organization=organization, closed_at=None, snoozed_until__gte=timezone.now()
    )
    connection = standing.connection
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": organization.name,
        "organization": organization,
        "standing": standing,
        "connection": connection,
        "credential": connection.credential if connection else None,
        "next": next_best(standing) if may_help else replace(next_best(standing), url=""),
        "issues": [
            (issue, message(issue), issue.fixer in THEIRS, asks_for_boxes(issue))
            for issue in standing.issues
            if people or issue.cause not in NAMING
        ],
        "put_aside": put_aside if people else put_aside.exclude(cause__in=NAMING),
        "deeds": deeds.fitting(connection),
        "people": people,
        "invitations": _invitations(organization) if people else [],
        "may_help": may_help,
        "may_look": request.user.has_perm(looking.MAY),
        "members": _members(organization) if people else [],
        "calls": _calls(organization),
        "lines": lines,
        "older": older,
        "kinds": timeline.kinds(people=people).items(),
        "kind": kind,
        "later": before is not None,
    }
    return TemplateResponse(request, "admin/support/customer.html", context)


def _moment(text: str) -> datetime | None:
    """None too where a database or another time zone could not tell it."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo and found.year in YEARS else None


def _cut(lines: list[timeline.Line]) -> tuple[list[timeline.Line], str]:
    """A page, and the moment before which the next one goes on; one moment is not torn apart."""
    if len(lines) <= timeline.PAGE:
        return lines, ""
    page = lines[: timeline.PAGE]
    whole = [line for line in page if line.at > lines[timeline.PAGE].at] or page
    return whole, whole[-1].at.isoformat()


def next_best(standing: board.Standing) -> Next:
    """What helps this customer most, by what stands in the way first."""
    organization = standing.organization
    if standing.must_act:
        issue = standing.must_act[0]
        if asks_for_boxes(issue):
            return _link(organization, f"{issue.title}. Send a link to whoever can tick it.")
        if issue.fixer in THEIRS:
            return Next(
                "Send this to whoever can fix it.",
                "Send the message",
                reverse("admin:issues_issue_send", args=[issue.pk]),
            )
        return Next(f"{issue.get_fixer_display()} must act: {issue.title}.")
    if not standing.admins:
        return Next(
            "Nobody there can set anything up. Make somebody an admin.",
            "People and roles",
            f"{reverse('admin:accounts_membership_changelist')}?customer={organization.pk}",
        )
    if standing.state == board.State.DRAFT:
        return Next("Ask their admin to enter the Greenhouse credential. Nothing can begin before.")
    if standing.late:
        return _deed(organization, "sync", "What recruiters see is old. Read it again.")
    if standing.missing and standing.connection:
        n = standing.missing
        words = f"{n} permission{' is' if n == 1 else 's are'} missing. Send a link to whoever "
        return _link(organization, f"{words}manages Greenhouse there.")
    if standing.state == board.State.ACTION_NEEDED:
        return _deed(organization, "check", "See whether it is fixed meanwhile.")
    if standing.unmatched:
        n = standing.unmatched
        return Next(
            f"{n} {'person has' if n == 1 else 'people have'} no match in Greenhouse, "
            "below. Compare the e-mail addresses."
        )
    return Next("Nothing. All is well.")


def _link(organization: Organization, words: str) -> Next:
    url = reverse("admin:accounts_organization_fix_link", args=[organization.pk])
    return Next(words, "Make a link", url)


def _deed(organization: Organization, key: str, words: str) -> Next:
    url = reverse("admin:accounts_organization_do", args=[organization.pk, key])
    return Next(words, deeds.DEEDS[key].label, url)


def _members(organization: Organization) -> list[tuple[Membership, bool]]:
    """The people, with whether Greenhouse knows nobody of their address."""
    lost = set(board.unmatched([organization.pk]).values_list("pk", flat=True))
    members = Membership.objects.filter(organization=organization).select_related("user")
    return [
        (member, member.pk in lost) for member in members.order_by("role", "user__name")[:SHOWN]
    ]


def _invitations(organization: Organization) -> QuerySet[Invitation]:
    waiting = Invitation.objects.filter(
        organization=organization, accepted_at=None, revoked_at=None
    )
    return waiting.select_related("invited_by")[:SHOWN]


def _calls(organization: Organization) -> dict[str, Any]:
    """Requests to Greenhouse within the last hour, and what is left of the rate limit."""
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


def organization_of(request: HttpRequest, pk: int) -> Organization:
    """The customer, for who may look at customers; else PermissionDenied, or a 404."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    return get_object_or_404(Organization.objects.select_related("connection"), pk=pk)
