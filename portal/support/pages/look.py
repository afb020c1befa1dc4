"""Beginning and ending to look as somebody."""

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
from portal.support import looking


class ReasonForm(forms.Form):
    """Why somebody looks. The customer reads it."""

    reason = forms.CharField(
        min_length=10,
        max_length=200,
        label="Why do you need to look as this person?",
        help_text="The customer's admins read this in their log. Ten characters at least.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
    )


def begin(request: HttpRequest, membership_id: int) -> HttpResponse:
    """Ask for the reason, then go on in the portal as that person."""
    if not request.user.has_perm(looking.MAY):
        raise PermissionDenied
    member = get_object_or_404(
        Membership.objects.select_related("user", "organization"), pk=membership_id
    )
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            looking.begin(request, member, reason=form.cleaned_data["reason"])
        except looking.NotTheirs:
            form.add_error(None, "This person is one of our staff. Look as somebody else.")
        else:
            return redirect("home")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Look as {member.user}",
        "member": member,
        "form": form,
        "minutes": int(looking.LONGEST.total_seconds() // 60),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/support/look.html", context, status=status)


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Be oneself again."""
    look = looking.stop(request)
    if look is None:
        return redirect("admin:index")
    messages.success(request, "You are yourself again.")
    return redirect(reverse("admin:accounts_organization_desk", args=[look.organization_id]))
