from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.accounts.models import Membership
from portal.entitlements.access_explanation import (
    AccessFix,
    ExplanationStep,
    build_freshness_steps,
    explain_member_access,
)
from portal.entitlements.lookup import AccessAnswer, explain_access_to_staff
from portal.entitlements.rules import get_rights, visible_jobs
from portal.sync.models import Job

REQUIRED_PERMISSIONS = ("accounts.view_membership", "sync.view_job")
MAX_LISTED_JOBS = 20


@dataclass(frozen=True)
class MemberAccess:
    """What a member sees and why; `answers` are about the requisition asked for, if any."""

    member: Membership
    open_count: int
    confidential_count: int  # of the open ones; their titles aren't shown
    jobs: list[Job]
    steps: tuple[ExplanationStep, ...]
    fix: AccessFix | None
    answers: list[AccessAnswer]

    @property
    def listed_count(self) -> int:
        return self.open_count - self.confidential_count


class AccessCheckForm(forms.Form):
    email = forms.EmailField(
        label="Email",
        widget=forms.EmailInput(attrs={"class": "vTextField"}),
        error_messages={"required": "Enter a member's email."},
    )
    job = forms.CharField(
        max_length=300,
        required=False,
        label="Requisition (optional)",
        help_text="Explains one requisition. Enter a Greenhouse ID, requisition ID, link or title. "
        "Confidential requisitions are found only by Greenhouse ID or link.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def clean(self) -> dict[str, Any]:
        memberships = Membership.objects.select_related("user", "organization")
        matches = memberships.filter(user__email=self.cleaned_data.get("email", ""))
        self.members = list(matches.order_by("organization__name", "pk"))
        if not self.members and "email" in self.cleaned_data:
            self.add_error("email", "No customer has a member with this email.")
        return self.cleaned_data


def access_check_page(request: HttpRequest) -> HttpResponse:
    """Show what a person sees and why, in each of their organizations."""
    if not request.user.has_perms(REQUIRED_PERMISSIONS):
        raise PermissionDenied
    form = AccessCheckForm(request.GET if "email" in request.GET else None)
    answers = []
    if form.is_valid():
        query = form.cleaned_data["job"]
        answers = [_describe_access(member, query) for member in form.members]
    context = {
        **admin.site.each_context(request),
        "title": "Check access",
        "form": form,
        "answers": answers,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/support/access_check.html", context, status=status)


def _describe_access(member: Membership, query: str) -> MemberAccess:
    rights = get_rights(member)
    steps, fix = explain_member_access(rights)
    open_jobs = visible_jobs(member, member_rights=rights)
    counts = open_jobs.aggregate(
        total=Count("pk"), confidential=Count("pk", filter=Q(confidential=True))
    )
    return MemberAccess(
        member,
        counts["total"],
        counts["confidential"],
        jobs=list(open_jobs.filter(confidential=False).order_by("name", "pk")[:MAX_LISTED_JOBS]),
        steps=(*steps, *build_freshness_steps(rights)),
        fix=fix,
        answers=explain_access_to_staff(member, query) if query else [],
    )
