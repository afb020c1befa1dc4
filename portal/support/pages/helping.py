"""What is done for a customer: asked first, then done, and noted in the customer's own log."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Organization, User
from portal.audit.record import record
from portal.entitlements.asking import found_by_staff
from portal.issues.message import THEIRS, asks_for_boxes, message
from portal.issues.models import Issue
from portal.members import invite
from portal.mirror.models import Job
from portal.notices import tell
from portal.support import bundle, deeds
from portal.support.pages.customer import organization_of


def helped(request: HttpRequest, organization_id: int) -> tuple[Organization, str]:
    """The customer and the way back to their page, for who may help; else PermissionDenied."""
    organization = organization_of(request, organization_id)
    if not request.user.has_perm(deeds.MAY):
        raise PermissionDenied
    return organization, reverse("admin:accounts_organization_desk", args=[organization.pk])


def _confirm(request: HttpRequest, organization: Organization, **words: Any) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "organization": organization,
        "note": f"It stands in {organization}'s own log, with your name.",
        **words,
    }
    return TemplateResponse(request, "admin/support/confirm.html", context)


def do(request: HttpRequest, organization_id: int, key: str) -> HttpResponse:
    """Ask whether it is meant, then do it for the customer."""
    organization, back = helped(request, organization_id)
    deed = deeds.DEEDS.get(key)
    if deed is None:
        raise Http404
    connection = getattr(organization, "connection", None)
    no = deeds.why_not(deed, connection)
    if no or connection is None:
        messages.warning(request, f"{deed.label}: {no}")
        return redirect(back)
    if request.method != "POST":
        return _confirm(
            request,
            organization,
            title=f"{deed.label} for {organization}?",
            question=deed.question,
            yes=deed.label,
            back=back,
        )
    try:
        deeds.do(deed, connection, by=cast(User, request.user), request=request)
    except deeds.NotDone:
        messages.warning(request, "The connection changed at this moment. Please look again.")
    else:
        messages.success(request, deed.said)
    return redirect(back)


def refresh(request: HttpRequest, organization_id: int) -> HttpResponse:
    """Find one requisition, and have it read again."""
    organization, back = helped(request, organization_id)
    if no := deeds.why_not(deeds.DEEDS["sync"], getattr(organization, "connection", None)):
        messages.warning(request, f"Read one requisition again: {no}")
        return redirect(back)
    if request.method == "POST":
        pk = request.POST.get("job", "")
        jobs = Job.objects.filter(connection__organization=organization)
        job = get_object_or_404(
            jobs.select_related("connection__organization"),
            pk=int(pk) if pk.isdecimal() and len(pk) < 19 else 0,
        )
        deeds.refresh(job, by=cast(User, request.user), request=request)
        messages.success(request, f"Requisition {job.remote_id} waits for a worker.")
        return redirect(back)
    asked = request.GET.get("q", "")
    context = {
        **admin.site.each_context(request),
        "title": f"Read one requisition of {organization} again",
        "organization": organization,
        "asked": asked,
        "found": found_by_staff(organization.pk, asked) if asked.strip() else [],
        "back": back,
    }
    return TemplateResponse(request, "admin/support/refresh.html", context)


def resend(request: HttpRequest, organization_id: int, invitation_id: int) -> HttpResponse:
    """Send an invitation once more."""
    organization, back = helped(request, organization_id)
    invitation = get_object_or_404(organization.invitations, pk=invitation_id)
    if request.method != "POST":
        return _confirm(
            request,
            organization,
            title=f"Send the invitation of {invitation.email} again?",
            question="A mail goes out with another link, which works for seven days. The link of "
            "the mail before no longer works.",
            yes="Send it again",
            back=back,
        )
    try:
        deeds.resend(invitation, by=cast(User, request.user), request=request)
    except invite.Refused as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, f"The invitation to {invitation.email} is on its way.")
    return redirect(back)


def send(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Send an issue's message to the customer's admins, after showing it.

    Where boxes must be ticked in Greenhouse, the page that makes a link for that does it.
    """
    issue = get_object_or_404(Issue.objects.select_related("organization"), pk=issue_id)
    organization, back = helped(request, issue.organization_id)
    told, people = message(issue), tell.admins(organization)
    if issue.is_open and asks_for_boxes(issue):
        return redirect("admin:accounts_organization_fix_link", organization.pk)
    if not issue.is_open or issue.fixer not in THEIRS or not people:
        messages.warning(request, "There is nobody there who could fix this, or it is solved.")
        return redirect(back)
    if request.method != "POST":
        return _confirm(
            request,
            organization,
            title=f"Send this to {organization}'s admins?",
            question=f"It goes by mail to {', '.join(str(person) for person in people)}.",
            preview=told,
            yes="Send",
            back=back,
        )
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


def download(request: HttpRequest, organization_id: int) -> HttpResponse:
    """The diagnostic bundle, noted in the customer's log."""
    organization, _ = helped(request, organization_id)
    if request.method != "POST":
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
