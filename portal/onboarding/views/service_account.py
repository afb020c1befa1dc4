"""Whether the service account acts for people who gave no consent of their own."""

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
            f"{verb} the service account to act for people who have not agreed themselves",
            subject=connection,
            before={"service_account_acts": not allowed},
            after={"service_account_acts": allowed},
        )
        messages.success(
            request,
            "Until people agree themselves, the service account acts for them. Buttons say so."
            if allowed
            else "From now on everybody acts in their own name, or not at all.",
        )
    return redirect("onboarding:live")
