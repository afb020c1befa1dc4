from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from portal.accounts.models import Membership
from portal.core import links
from portal.support.impersonation import sessions


class ReasonForm(forms.Form):
    """The customer's admins can read the reason."""

    reason = forms.CharField(
        min_length=10,
        max_length=200,
        label="Why do you need to view the portal as this person?",
        help_text="The customer's admins can read this in their activity log. At least 10 "
        "characters.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        error_messages={"required": "Enter a reason."},
    )


def start_impersonation(request: HttpRequest, membership_id: int) -> HttpResponse:
    """Ask for the reason, then continue in the portal as that member."""
    if not request.user.has_perm(sessions.IMPERSONATE_PERMISSION):
        raise PermissionDenied
    member = get_object_or_404(
        Membership.objects.select_related("user", "organization"), pk=membership_id
    )
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            sessions.start_impersonation(request, member, reason=form.cleaned_data["reason"])
        except sessions.CannotImpersonateStaff:
            form.add_error(None, "You can't view the portal as a staff member.")
        else:
            return redirect(links.HOME)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"View as {member.user}",
        "member": member,
        "form": form,
        "minutes": int(sessions.MAX_DURATION.total_seconds() // 60),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(
        request, "admin/support/start_impersonation.html", context, status=status
    )


@require_POST
def stop_impersonation(request: HttpRequest) -> HttpResponse:
    impersonation = sessions.stop_impersonation(request)
    if impersonation is None:
        return redirect("admin:index")
    messages.success(request, "You're back as yourself.")
    return redirect(
        reverse("admin:accounts_organization_summary", args=[impersonation.organization_id])
    )
