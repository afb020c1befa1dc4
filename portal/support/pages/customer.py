"""One customer on one page, with the next best thing to do; and what is done for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from portal.accounts.models import Membership, Organization, User
from portal.audit.record import record
from portal.connections.models import ApiCall
from portal.issues.message import THEIRS, message
from portal.issues.models import Issue
from portal.notices import tell
from portal.support import board, bundle, deeds, looking, timeline

VIEW = "accounts.view_organization"


@dataclass(frozen=True)
class Next:
    """The next best thing to do for a customer."""

    words: str
    action: str = ""
    url: str = ""


def customer(request: HttpRequest, organization_id: int) -> HttpResponse:
    """Everything about one customer."""
    organization = _organization(request, organization_id)
    standing = board.standings([organization])[organization.pk]
    kind = request.GET.get("kind", "")
    before = _moment(request.GET.get("before", ""))
    lines, older = _cut(
        timeline.lines(organization, kind=kind, before=before, most=timeline.PAGE + 1)
    )
    connection = standing.connection
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": organization.name,
        "organization": organization,
        "standing": standing,
        "connection": connection,
        "credential": connection.credential if connection else None,
        "next": next_best(standing),
        "issues": [(issue, message(issue), issue.fixer in THEIRS) for issue in standing.issues],
        "put_aside": Issue.objects.filter(
            organization=organization, closed_at=None, snoozed_until__gte=timezone.now()
        ),
        "deeds": [(deed, deeds.why_not(deed, connection)) for deed in deeds.DEEDS.values()],
        "may_help": request.user.has_perm(deeds.MAY),
        "may_look": request.user.has_perm(looking.MAY),
        "members": _members(organization),
        "calls": _calls(organization),
        "lines": lines,
        "older": older,
        "kinds": [(key, label) for key, (label, _) in timeline.KINDS.items()],
        "kind": kind,
        "later": before is not None,
    }
    return TemplateResponse(request, "admin/support/customer.html", context)


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo else None


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
            reverse("admin:accounts_organization_change", args=[organization.pk]),
        )
    if standing.state == board.State.DRAFT:
        return Next("Ask their admin to enter the Greenhouse credential. Nothing can begin before.")
    if standing.late:
        return _deed(organization, "sync", "What recruiters see is old. Read it again.")
    if standing.state == board.State.ACTION_NEEDED:
        return _deed(organization, "check", "See whether it is fixed meanwhile.")
    if standing.unmatched:
        n = standing.unmatched
        return Next(
            f"{n} {'person has' if n == 1 else 'people have'} no match in Greenhouse, "
            "below. Compare the e-mail addresses."
        )
    if standing.missing:
        return _deed(organization, "check", "Permissions are missing. See if they still are.")
    return Next("Nothing. All is well.")


def _deed(organization: Organization, key: str, words: str) -> Next:
    url = reverse("admin:accounts_organization_do", args=[organization.pk, key])
    return Next(words, deeds.DEEDS[key].label, url)


def _members(organization: Organization) -> list[tuple[Membership, bool]]:
    """The people, with whether Greenhouse knows nobody of their address."""
    lost = set(board.unmatched([organization.pk]).values_list("pk", flat=True))
    members = Membership.objects.filter(organization=organization).select_related("user")
    return [(member, member.pk in lost) for member in members.order_by("role", "user__name")[:200]]


def _calls(organization: Organization) -> dict[str, Any]:
    """Requests to Greenhouse within the last hour, and what is left of the rate limit."""
    calls = ApiCall.objects.filter(
        connection__organization=organization, at__gte=timezone.now() - timedelta(hours=1)
    )
    newest = calls.exclude(remaining=None).values_list("remaining", flat=True).first()
    return {
        "all": calls.count(),
        "refused": calls.filter(status__in=(401, 403)).count(),
        "limited": calls.filter(status=429).count(),
        "broken": calls.filter(status__gte=500).count() + calls.filter(status=None).count(),
        "remaining": newest,
    }


def do(request: HttpRequest, organization_id: int, key: str) -> HttpResponse:
    """Ask whether it is meant, then do it for the customer."""
    organization = _organization(request, organization_id)
    if not request.user.has_perm(deeds.MAY):
        raise PermissionDenied
    deed = deeds.DEEDS.get(key)
    if deed is None:
        raise Http404
    back = reverse("admin:accounts_organization_desk", args=[organization.pk])
    connection = getattr(organization, "connection", None)
    no = deeds.why_not(deed, connection)
    if no or connection is None:
        messages.warning(request, f"{deed.label}: {no}")
        return redirect(back)
    if request.method == "POST":
        deeds.do(deed, connection, by=cast(User, request.user), request=request)
        messages.success(request, deed.said)
        return redirect(back)
    context = {
        **admin.site.each_context(request),
        "title": f"{deed.label} for {organization}?",
        "organization": organization,
        "question": deed.question,
        "note": f"It stands in {organization}'s own log, with your name.",
        "yes": deed.label,
        "back": back,
    }
    return TemplateResponse(request, "admin/support/confirm.html", context)


def send(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Send an issue's message to the customer's admins, after showing it."""
    issue = get_object_or_404(Issue.objects.select_related("organization"), pk=issue_id)
    organization = _organization(request, issue.organization_id)
    if not request.user.has_perm(deeds.MAY):
        raise PermissionDenied
    back = reverse("admin:accounts_organization_desk", args=[organization.pk])
    told, people = message(issue), tell.admins(organization)
    if not issue.is_open or issue.fixer not in THEIRS or not people:
        messages.warning(request, "There is nobody there who could fix this, or it is solved.")
        return redirect(back)
    if request.method == "POST":
        key = f"issue:{issue.pk}:by-hand:{timezone.now():%Y-%m-%d-%H}"
        new = tell.tell(
            people, organization, key=key, subject=told.subject, words=told.words, path=told.path
        )
        if new:
            record(
                "support.message",
                f"sent “{issue.title}” to {len(new)} admin{'' if len(new) == 1 else 's'}",
                organization=organization,
                by=cast(User, request.user),
                subject=issue,
                request=request,
            )
            messages.success(request, f"On its way to {len(new)}.")
        else:
            messages.info(request, "They were told within this hour already.")
        return redirect(back)
    context = {
        **admin.site.each_context(request),
        "title": f"Send this to {organization}'s admins?",
        "organization": organization,
        "question": f"It goes by mail to {', '.join(str(person) for person in people)}.",
        "preview": told,
        "yes": "Send",
        "back": back,
    }
    return TemplateResponse(request, "admin/support/confirm.html", context)


def download(request: HttpRequest, organization_id: int) -> HttpResponse:
    """The diagnostic bundle, noted in the customer's log."""
    organization = _organization(request, organization_id)
    if request.method != "POST" or not request.user.has_perm(deeds.MAY):
        raise PermissionDenied
    record(
        "support.bundle",
        "downloaded a diagnostic bundle, without secrets and without candidates",
        organization=organization,
        by=cast(User, request.user),
        request=request,
    )
    answer = JsonResponse(bundle.bundle(organization), json_dumps_params={"indent": 1})
    name = f"diagnostic-{organization.slug}-{timezone.now():%Y%m%d-%H%M}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _organization(request: HttpRequest, pk: int) -> Organization:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    return get_object_or_404(Organization.objects.select_related("connection"), pk=pk)
