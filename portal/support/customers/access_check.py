from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.accounts.models import Membership
from portal.entitlements.lookup import explain_access_to_staff

REQUIRED_PERMISSIONS = ("accounts.view_membership", "sync.view_job")


class AccessCheckForm(forms.Form):
    email = forms.EmailField(
        label="The person's email", widget=forms.EmailInput(attrs={"class": "vTextField"})
    )
    job = forms.CharField(
        max_length=300,
        label="Requisition",
        help_text="Its Greenhouse ID, requisition ID, link or title. A confidential one is found "
        "by its Greenhouse ID or link alone, and is not named.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def clean(self) -> dict[str, Any]:
        memberships = Membership.objects.select_related("user", "organization")
        matches = memberships.filter(user__email=self.cleaned_data.get("email", ""))
        self.members = list(matches.order_by("organization__name", "pk"))
        if not self.members and "email" in self.cleaned_data:
            self.add_error("email", "No customer has somebody with this address.")
        return self.cleaned_data


def access_check_page(request: HttpRequest) -> HttpResponse:
    """Explain why a person sees or does not see a job, in each of their organizations."""
    if not request.user.has_perms(REQUIRED_PERMISSIONS):
        raise PermissionDenied
    form = AccessCheckForm(
        request.GET if "job" in request.GET else None,
        initial={"email": request.GET.get("email", "")},
    )
    answers = []
    if form.is_valid():
        answers = [
            (member, explain_access_to_staff(member, form.cleaned_data["job"]))
            for member in form.members
        ]
    context = {
        **admin.site.each_context(request),
        "title": "Why can’t somebody see a requisition?",
        "form": form,
        "answers": answers,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/support/access_check.html", context, status=status)
