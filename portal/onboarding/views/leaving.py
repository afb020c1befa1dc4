"""Pausing, going on, and leaving for good."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections import standing
from portal.connections.standing import connection_of
from portal.onboarding import journey
from portal.onboarding.forms import DisconnectForm
from portal.onboarding.views.progress import mirrored


@require_POST
@admin_only
def pause(request: MemberRequest) -> HttpResponse:
    """Stop syncs, a running one too, and actions."""
    connection = connection_of(request.membership.organization_id)
    if journey.pause(connection, by=request.membership.user):
        noted(request, "connection.paused", "paused the connection", subject=connection)
        messages.success(request, "Paused. Nothing is read or done until you end the pause.")
    return redirect("onboarding:live")


@require_POST
@admin_only
def resume(request: MemberRequest) -> HttpResponse:
    """End the pause, beginning with a check."""
    connection = connection_of(request.membership.organization_id)
    by = request.membership.user
    if standing.resume(connection, by=by):
        noted(request, "connection.resumed", "ended the pause", subject=connection)
        journey.request_check(connection, by=by)
        return redirect("onboarding:permissions")
    return redirect("onboarding:live")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def disconnect(request: MemberRequest) -> HttpResponse:
    """Says what will be deleted, asks for the organization's name, and does it."""
    organization = request.membership.organization
    connection = connection_of(organization.pk)
    if connection.state in {connection.State.DRAFT, connection.State.DISCONNECTED}:
        return redirect("onboarding:setup")
    counts = mirrored(connection)
    form = DisconnectForm(request.POST or None, organization=organization.name)
    if request.method == "POST" and form.is_valid():
        if journey.disconnect(connection, by=request.membership.user):
            noted(
                request,
                "connection.disconnected",
                "disconnected Greenhouse; the credential and what was read are deleted",
                subject=connection,
                before={"records": counts},
            )
            messages.success(
                request,
                "Disconnected. The credential is destroyed; what was read is being deleted.",
            )
        return redirect("onboarding:setup")
    context = {"connection": connection, "counts": counts, "form": form}
    status = 422 if form.errors else 200
    return render(request, "onboarding/disconnect.html", context, status=status)
