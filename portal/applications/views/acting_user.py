"""Account page for the member's consent to act in Greenhouse."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.accounts.admins import name_admins
from portal.applications.actions import acting_user
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.oauth import authorization, partner_app
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.entitlements.user_matching import MatchStatus, match_user


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
@allow_greenhouse_form_action
def manage_own_consent(request: MemberRequest) -> HttpResponse:
    if not partner_app.is_configured():
        raise Http404
    user_match = match_user(request.membership)
    actor = acting_user.get_acting_user(request.membership, user_match.connection)
    can_consent = actor.needed and user_match.status == MatchStatus.MATCHED
    if request.method == "POST":
        if not can_consent or user_match.connection is None:
            return redirect("applications:acting_user")
        _record_consent_change(
            request,
            "consent.requested",
            "went to Greenhouse to authorize the portal to act under their name",
        )
        url = authorization.start_authorization(
            request.membership, user_match.connection, request.session, is_personal=True
        )
        return HttpResponseRedirect(url)
    context = {
        "acting_user": actor,
        "can_consent": can_consent,
        "match": user_match,
        "admin_names": name_admins(request.membership.organization_id),
        "consent": acting_user.get_own_consent(request.membership),
    }
    return render(request, "applications/acting_user.html", context)


@require_POST
@member_only
@audited_action
def revoke_consent(request: MemberRequest) -> HttpResponse:
    """Revoke the member's own consent here and, where Greenhouse supports it, there."""
    if not partner_app.is_configured():
        raise Http404
    if acting_user.revoke_own_consent(request.membership, by=request.membership.user):
        _record_consent_change(
            request, "consent.revoked", "revoked the portal's authorization to act under their name"
        )
        messages.success(
            request,
            "Authorization revoked. The portal no longer acts under your name in Greenhouse.",
        )
    return redirect("applications:acting_user")


def _record_consent_change(request: MemberRequest, verb: str, description: str) -> None:
    record_member_action(
        request,
        verb,
        description,
        subject=request.membership,
    )
