"""Admin pages for actions on a customer's behalf: confirmed first and recorded in their log."""

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
from portal.audit.entries import record_entry
from portal.entitlements.lookup import find_jobs_for_staff
from portal.issues.issue_message import CUSTOMER_FIXERS, build_message, needs_permission_fix
from portal.issues.models import Issue
from portal.members import invitations
from portal.notifications import notify
from portal.support.actions import customer_actions
from portal.support.customers import diagnostic_bundle
from portal.support.customers.summary_page import get_organization
from portal.sync.models import Job


def authorize_help(request: HttpRequest, organization_id: int) -> tuple[Organization, str]:
    """Return the customer and the URL of their summary, or raise PermissionDenied."""
    organization = get_organization(request, organization_id)
    if not request.user.has_perm(customer_actions.HELP_PERMISSION):
        raise PermissionDenied
    return organization, reverse("admin:accounts_organization_summary", args=[organization.pk])


def _render_confirmation(
    request: HttpRequest, organization: Organization, **extra_context: Any
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "organization": organization,
        "note": f"It's recorded in {organization}'s activity log under your name.",
        **extra_context,
    }
    return TemplateResponse(request, "admin/support/confirm_action.html", context)


def run_action(request: HttpRequest, organization_id: int, key: str) -> HttpResponse:
    organization, back_url = authorize_help(request, organization_id)
    action = customer_actions.CUSTOMER_ACTIONS.get(key)
    if action is None:
        raise Http404
    connection = getattr(organization, "connection", None)
    reason = customer_actions.why_unavailable(action, connection)
    if reason or connection is None:
        messages.warning(request, f"{action.label}: {reason}")
        return redirect(back_url)
    if request.method != "POST":
        return _render_confirmation(
            request,
            organization,
            title=f"{action.label} for {organization}?",
            question=action.question,
            confirm_label=action.label,
            back_url=back_url,
        )
    try:
        customer_actions.run_action(
            action, connection, by=cast(User, request.user), request=request
        )
    except customer_actions.ActionNotApplied:
        messages.warning(
            request,
            "The connection changed in the meantime. Nothing was done. Try again.",
        )
    else:
        messages.success(request, action.success_message)
    return redirect(back_url)


def refresh_job(request: HttpRequest, organization_id: int) -> HttpResponse:
    organization, back_url = authorize_help(request, organization_id)
    if reason := customer_actions.why_unavailable(
        customer_actions.CUSTOMER_ACTIONS["sync"], getattr(organization, "connection", None)
    ):
        messages.warning(request, f"Refresh a requisition: {reason}")
        return redirect(back_url)
    if request.method == "POST":
        pk = request.POST.get("job", "")
        jobs = Job.objects.filter(connection__organization=organization)
        job = get_object_or_404(
            jobs.select_related("connection__organization"),
            pk=int(pk) if pk.isdecimal() and len(pk) < 19 else 0,
        )
        customer_actions.refresh_job(job, by=cast(User, request.user), request=request)
        messages.success(request, f"Requisition {job.remote_id} is queued for a refresh.")
        return redirect(back_url)
    query = request.GET.get("q", "")
    context = {
        **admin.site.each_context(request),
        "title": f"Refresh a requisition of {organization}",
        "organization": organization,
        "query": query,
        "jobs": find_jobs_for_staff(organization.pk, query) if query.strip() else [],
        "back_url": back_url,
    }
    return TemplateResponse(request, "admin/support/refresh_job.html", context)


def resend_invitation(
    request: HttpRequest, organization_id: int, invitation_id: int
) -> HttpResponse:
    organization, back_url = authorize_help(request, organization_id)
    invitation = get_object_or_404(organization.invitations, pk=invitation_id)
    if request.method != "POST":
        return _render_confirmation(
            request,
            organization,
            title=f"Resend the invitation to {invitation.email}?",
            question="They get an email with a new link that works for seven days. The previous "
            "link stops working.",
            confirm_label="Resend",
            back_url=back_url,
        )
    try:
        customer_actions.resend_invitation(invitation, by=cast(User, request.user), request=request)
    except invitations.InvitationRefused as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, f"Invitation sent to {invitation.email}.")
    return redirect(back_url)


def send_issue_message(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Email an issue's message to the customer's admins after confirmation.

    Missing permissions redirect to the fix-link page instead.
    """
    issue = get_object_or_404(Issue.objects.select_related("organization"), pk=issue_id)
    organization, back_url = authorize_help(request, issue.organization_id)
    draft, admins = build_message(issue), notify.list_admins(organization)
    if issue.is_open and needs_permission_fix(issue):
        return redirect("admin:accounts_organization_fix_link", organization.pk)
    if not issue.is_open or issue.fixer not in CUSTOMER_FIXERS or not admins:
        messages.warning(
            request, "The issue is resolved, or the customer has no admin who can fix it."
        )
        return redirect(back_url)
    if request.method != "POST":
        return _render_confirmation(
            request,
            organization,
            title=f"Send this to {organization}'s admins?",
            question=f"{', '.join(str(person) for person in admins)} will get this email.",
            preview=draft,
            confirm_label="Send",
            back_url=back_url,
        )
    key = f"issue:{issue.pk}:by-hand:{timezone.now():%Y-%m-%d-%H}"
    notified = notify.notify_users(
        admins, organization, key=key, subject=draft.subject, body=draft.body, path=draft.path
    )
    if notified:
        record_entry(
            "support.message_sent",
            f"sent “{issue.title}” to {len(notified)} admin{'' if len(notified) == 1 else 's'}",
            organization=organization,
            by=cast(User, request.user),
            subject=issue,
            request=request,
        )
        messages.success(
            request, f"Sent to {len(notified)} admin{'' if len(notified) == 1 else 's'}."
        )
    else:
        messages.info(request, "Not sent: they already got this message within the last hour.")
    return redirect(back_url)


def download_bundle(request: HttpRequest, organization_id: int) -> HttpResponse:
    organization, _ = authorize_help(request, organization_id)
    if request.method != "POST":
        raise PermissionDenied
    record_entry(
        "support.bundle_downloaded",
        "downloaded diagnostics without secrets and candidates",
        organization=organization,
        by=cast(User, request.user),
        request=request,
    )
    response = JsonResponse(
        diagnostic_bundle.build_bundle(organization), json_dumps_params={"indent": 1}
    )
    name = f"diagnostic-{organization.slug}-{timezone.now():%Y%m%d-%H%M}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
