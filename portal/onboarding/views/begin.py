"""Where set-up begins, and where it goes on."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections.models import Connection
from portal.connections.standing import connection_of
from portal.onboarding import journey
from portal.onboarding.forms import BeginForm


@require_safe
@admin_only
def setup(request: MemberRequest) -> HttpResponse:
    """Wherever set-up stands."""
    connection = connection_of(request.membership.organization_id)
    return redirect(f"onboarding:{journey.current(connection)}")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def before(request: MemberRequest) -> HttpResponse:
    """What to have at hand. The ticks are kept; none of them stands in the way."""
    begin = request.method == "POST"
    connection = connection_of(request.membership.organization_id, begin=begin)
    if request.method == "POST":
        _keep(request, connection)
        return HttpResponse(status=204) if request.htmx else redirect("onboarding:credential")
    context = {
        "steps": journey.path(connection, here="before"),
        "form": BeginForm(initial={"ready": connection.prepared}),
        "connection": connection,
    }
    return render(request, "onboarding/before.html", context)


def _keep(request: MemberRequest, connection: Connection) -> None:
    form = BeginForm(request.POST)
    ticked = form.cleaned_data["ready"] if form.is_valid() else []
    if ticked != connection.prepared:
        Connection.objects.filter(pk=connection.pk).update(prepared=ticked)
        noted(
            request,
            "setup.prepared",
            "ticked what is ready before connecting Greenhouse",
            subject=connection,
            before={"ready": connection.prepared},
            after={"ready": ticked},
        )
