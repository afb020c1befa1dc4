"""Why somebody does not see a requisition, told to customer success."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.accounts.models import Membership
from portal.entitlements.asking import ask_as_staff

MAY = ("accounts.view_membership", "mirror.view_job")


class AboutForm(forms.Form):
    """Who, and what they cannot see."""

    email = forms.EmailField(
        label="The person's e-mail", widget=forms.EmailInput(attrs={"class": "vTextField"})
    )
    job = forms.CharField(
        max_length=300,
        label="Requisition",
        help_text="Its Greenhouse ID, requisition ID, link or title. A confidential one is found "
        "by its Greenhouse ID or link alone, and is not named.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def clean(self) -> dict[str, Any]:
        people = Membership.objects.select_related("user", "organization")
        found = people.filter(user__email=self.cleaned_data.get("email", ""))
        self.members = list(found.order_by("organization__name", "pk"))
        if not self.members and "email" in self.cleaned_data:
            self.add_error("email", "No customer has somebody with this address.")
        return self.cleaned_data


def why(request: HttpRequest) -> HttpResponse:
    """The decision about this person and what was pasted, step by step, wherever they belong."""
    if not request.user.has_perms(MAY):
        raise PermissionDenied
    form = AboutForm(
        request.GET if "job" in request.GET else None,
        initial={"email": request.GET.get("email", "")},
    )
    answers = []
    if form.is_valid():
        answers = [(one, ask_as_staff(one, form.cleaned_data["job"])) for one in form.members]
    context = {
        **admin.site.each_context(request),
        "title": "Why can’t somebody see a requisition?",
        "form": form,
        "answers": answers,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/why.html", context, status=status)
