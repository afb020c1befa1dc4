"""Whether the service account may act for people who have not agreed in Greenhouse themselves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections.models import Connection
from portal.connections.standing import connection_of


@require_POST
@admin_only
def service_account(request: MemberRequest) -> HttpResponse:
    """Allow it, or no longer."""
    connection = connection_of(request.membership.organization_id)
    used = connection.credential if connection.pk else None
    if used is None or not used.is_consent:
        return redirect("onboarding:setup")
    allowed = request.POST.get("allowed") == "yes"
    changed = Connection.objects.filter(pk=connection.pk, service_account_acts=not allowed)
    if changed.update(service_account_acts=allowed):
        words = "allowed" if allowed else "no longer allows"
        noted(
            request,
            "acting.service_account",
            f"{words} the service account to act for people who have not agreed themselves",
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
