from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import Connection
from portal.onboarding import setup_flow
from portal.onboarding.forms import RequirementsForm


@require_safe
@admin_only
def redirect_to_current_step(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    return redirect(f"onboarding:{setup_flow.SetupStatus(connection).current_step}")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def start_page(request: MemberRequest) -> HttpResponse:
    """What to prepare. The checkboxes are saved but block nothing."""
    posted = request.method == "POST"
    connection = get_connection(request.membership.organization_id, create=posted)
    if posted:
        _save_requirements(request, connection)
        return HttpResponse(status=204) if request.htmx else redirect("onboarding:credential")
    context = {
        "steps": setup_flow.build_steps(setup_flow.SetupStatus(connection), shown_step="start"),
        "form": RequirementsForm(initial={"ready": connection.confirmed_requirements}),
        "connection": connection,
    }
    return render(request, "onboarding/start.html", context)


def _save_requirements(request: MemberRequest, connection: Connection) -> None:
    form = RequirementsForm(request.POST)
    confirmed = form.cleaned_data["ready"] if form.is_valid() else []
    if confirmed != connection.confirmed_requirements:
        Connection.objects.filter(pk=connection.pk).update(confirmed_requirements=confirmed)
        record_member_action(
            request,
            "setup.prepared",
            "updated the setup checklist",
            subject=connection,
            before={"ready": connection.confirmed_requirements},
            after={"ready": confirmed},
        )
