from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.applications.pending import releasing
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections import connection_state
from portal.connections.connection_state import get_connection
from portal.onboarding import setup_flow
from portal.onboarding.forms import DisconnectForm
from portal.onboarding.views.progress import count_records


@require_POST
@admin_only
@audited_action
def pause_connection(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    if setup_flow.pause_connection(connection, by=request.membership.user):
        record_member_action(
            request, "connection.paused", "paused the connection", subject=connection
        )
        messages.success(request, "Paused. Nothing is read or done until you end the pause.")
    return redirect("onboarding:live")


@require_POST
@admin_only
@audited_action
def resume_connection(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    by = request.membership.user
    if connection_state.resume_connection(connection, by=by):
        record_member_action(request, "connection.resumed", "ended the pause", subject=connection)
        setup_flow.request_check(connection, by=by)
        return redirect("onboarding:permissions")
    return redirect("onboarding:live")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def disconnect_page(request: MemberRequest) -> HttpResponse:
    organization = request.membership.organization
    connection = get_connection(organization.pk)
    if connection.state in {connection.State.DRAFT, connection.State.DISCONNECTED}:
        return redirect("onboarding:setup")
    counts = count_records(connection)
    form = DisconnectForm(request.POST or None, organization=organization.name)
    if request.method == "POST" and form.is_valid():
        if setup_flow.disconnect_greenhouse(connection, by=request.membership.user):
            record_member_action(
                request,
                "connection.disconnected",
                "disconnected Greenhouse; the credential and what was read are deleted",
                subject=connection,
                before={"records": counts},
            )
            messages.success(
                request,
                "Disconnected. The credential was deleted, and synced data is being deleted.",
            )
        return redirect("onboarding:setup")
    context = {
        "connection": connection,
        "counts": counts,
        "pending_count": releasing.count_pending(connection),
        "form": form,
    }
    status = 422 if form.errors else 200
    return render(request, "onboarding/disconnect.html", context, status=status)
