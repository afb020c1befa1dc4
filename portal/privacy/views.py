"""Your data: what is stored of a customer's people, and data requests, for the customer's admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Membership
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.entitlements.rules import Rights, get_rights
from portal.privacy import candidate_data, member_data
from portal.privacy.forms import CandidateForm, EraseMemberForm
from portal.privacy.stored_data import list_stored_data
from portal.sync.models import Candidate

_SITE_ADMINS_ONLY = (
    "Only members who are Site Admins in Greenhouse can export or erase a candidate's data."
)
_NOT_STORED = "Nothing is stored for this ID, or the candidate is private in Greenhouse."


@require_safe
@admin_only
def show_your_data(request: MemberRequest) -> HttpResponse:
    return _render_page(request, CandidateForm())


def _render_page(request: MemberRequest, form: CandidateForm) -> HttpResponse:
    organization = request.membership.organization
    context = {
        "stored_data": list_stored_data(organization),
        "members": organization.memberships.select_related("user").order_by(
            "user__name", "user__email"
        ),
        "candidate_form": form,
        "why_no_candidates": _explain_no_candidates(get_rights(request.membership)),
    }
    return render(request, "privacy/your_data.html", context, status=422 if form.errors else 200)


# -- members -------------------------------------------------------------------------------------
@require_POST
@admin_only
@audited_action
def export_member(request: MemberRequest, pk: int) -> HttpResponse:
    membership = _get_member(request, pk)
    if reason := member_data.explain_not_manageable(membership):
        messages.error(request, reason)
        return redirect("privacy:your_data")
    record_member_action(
        request, "member.exported", "exported a member's data", subject=membership.user
    )
    return _build_download(member_data.export_member(membership.user), f"member-{pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def erase_member(request: MemberRequest, pk: int) -> HttpResponse:
    membership = _get_member(request, pk)
    form = EraseMemberForm(request.POST or None, email=membership.user.email)
    reason = member_data.explain_not_manageable(membership)
    if membership == request.membership:
        reason = "You can't erase your own account. Ask another admin."
    if request.method == "POST" and not reason and form.is_valid():
        name = str(membership.user)
        try:
            member_data.erase_member(membership.user, by=request.membership.user, request=request)
        except member_data.LastAdmin:
            form.add_error(None, "This is the only admin. Make somebody else an admin first.")
        else:
            messages.success(request, f"{name}'s data was erased.")
            return redirect("privacy:your_data")
    context = {"member": membership, "form": form, "reason": reason}
    return render(request, "privacy/erase_member.html", context, status=422 if form.errors else 200)


def _get_member(request: MemberRequest, pk: int) -> Membership:
    members = request.membership.organization.memberships.select_related("user")
    return get_object_or_404(members, pk=pk)


# -- candidates ----------------------------------------------------------------------------------
@require_POST
@admin_only
@audited_action
def export_candidate(request: MemberRequest) -> HttpResponse:
    return _handle_candidate(request, _export_candidate)


# Not one transaction: it waits for Greenhouse, and the erasure has an audit entry of its own.
@require_POST
@admin_only
def erase_candidate(request: MemberRequest) -> HttpResponse:
    return _handle_candidate(request, _erase_candidate)


_CandidateHandler = Callable[[MemberRequest, CandidateForm, Candidate], HttpResponse | None]


def _handle_candidate(request: MemberRequest, handle: _CandidateHandler) -> HttpResponse:
    form = CandidateForm(request.POST)
    member_rights = get_rights(request.membership)
    if reason := _explain_no_candidates(member_rights):
        form.add_error(None, reason)
    elif form.is_valid():
        candidate = candidate_data.find_candidate(
            member_rights.match.connection, form.cleaned_data["candidate"]
        )
        if candidate is None or candidate.private or candidate.erased_at:
            form.add_error("candidate", _NOT_STORED)
        elif response := handle(request, form, candidate):
            return response
    return _render_page(request, form)


def _export_candidate(
    request: MemberRequest, form: CandidateForm, candidate: Candidate
) -> HttpResponse:
    record_member_action(
        request, "candidate.exported", "exported a candidate's data", subject=candidate
    )
    data = candidate_data.export_candidate(candidate)
    return _build_download(data, f"candidate-{candidate.remote_id}")


def _erase_candidate(
    request: MemberRequest, form: CandidateForm, candidate: Candidate
) -> HttpResponse | None:
    try:
        receipt = candidate_data.erase_candidate(candidate, patience=settings.WEB_DEADLINE_SECONDS)
    except candidate_data.CandidateStillInGreenhouse:
        form.add_error(
            "candidate",
            "Greenhouse still has this candidate. Delete or anonymize them there first; the "
            "portal's copy follows automatically.",
        )
        return None
    except candidate_data.GreenhouseCheckFailed as error:
        form.add_error(None, f"{error} Nothing was erased.")
        return None
    record_member_action(
        request, "candidate.erasure_requested", "erased a candidate's data", subject=candidate
    )
    messages.success(request, f"Erased. The receipt is entry {receipt.number} of the activity log.")
    return redirect("privacy:your_data")


def _explain_no_candidates(member_rights: Rights) -> str:
    """Return why this member may not handle candidates' data, or an empty string."""
    user = member_rights.match.user
    if not member_rights.can_view or user is None or not user.site_admin:
        return _SITE_ADMINS_ONLY
    return ""


def _build_download(data: dict[str, Any], name: str) -> HttpResponse:
    return JsonResponse(
        data,
        json_dumps_params={"indent": 1, "ensure_ascii": False},
        headers={
            "Content-Disposition": f'attachment; filename="{name}.json"',
            "Cache-Control": "no-store",
        },
    )
