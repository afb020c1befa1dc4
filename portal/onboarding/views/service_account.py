"""Whose consent actions use: each person's own, or the service account's until then."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import Connection
from portal.onboarding import consent_requests


@require_POST
@admin_only
@audited_action
def set_service_account_acting(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    credential = connection.credential if connection.pk else None
    if credential is None or not credential.is_consent:
        return redirect("onboarding:setup")
    allowed = request.POST.get("allowed") == "yes"
    changed = Connection.objects.filter(pk=connection.pk, service_account_acts=not allowed)
    if changed.update(service_account_acts=allowed):
        verb = "allowed" if allowed else "no longer allows"
        record_member_action(
            request,
            "connection.service_account_changed",
            f"{verb} the service account to act for people who have not authorized themselves",
            subject=connection,
            before={"service_account_acts": not allowed},
            after={"service_account_acts": allowed},
        )
        messages.success(
            request,
            "The service account now acts for people who haven't authorized yet."
            if allowed
            else "The service account no longer acts for other people.",
        )
    return redirect("onboarding:live")


@require_POST
@admin_only
@audited_action
def request_consents(request: MemberRequest) -> HttpResponse:
    """Email everyone who has not authorized the portal in Greenhouse."""
    organization = request.membership.organization
    connection = get_connection(organization.pk)
    credential = connection.credential
    if credential is None or not credential.is_consent:
        return redirect("onboarding:setup")
    count = consent_requests.email_members_without_consent(organization)
    if count:
        record_member_action(
            request,
            "consent.requested",
            f"asked {count} member(s) to authorize in Greenhouse",
            subject=connection,
        )
        messages.success(request, f"{count} email{'' if count == 1 else 's'} sent.")
    else:
        messages.info(request, "Everyone was emailed today already.")
    return redirect("onboarding:live")
