"""Entering a credential: tried live, saved only when Greenhouse accepts it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from integrations.ats import registry
from portal.accounts.access import MemberRequest, admin_only
from portal.connections import enter
from portal.connections.models import Connection
from portal.connections.standing import connection_of
from portal.mirror import sync
from portal.onboarding import journey
from portal.onboarding.forms import CredentialForm


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def credential(request: MemberRequest) -> HttpResponse:
    """Enter a credential: tried live, saved only when Greenhouse accepts it."""
    connection = connection_of(request.membership.organization_id)
    present = connection.credential
    asked = request.POST.get("kind") or request.GET.get("kind")
    kind = registry.KINDS.get(asked or (present.kind if present else ""), registry.KINDS[_DEFAULT])
    form = CredentialForm(request.POST or None, kind=kind)
    if request.method == "POST" and form.is_valid() and _entered(request, connection, form):
        return redirect("onboarding:permissions")
    context = {
        "steps": journey.path(journey.current(connection), here="credential"),
        "form": form,
        "kind": kind,
        "kinds": registry.KINDS.values(),
        "present": present,
        "place": registry.catalogue(kind.key).places[kind.key],
    }
    status = 422 if form.errors else 200
    return render(request, "onboarding/credential.html", context, status=status)


_DEFAULT = "harvest_oauth"


def _entered(request: MemberRequest, connection: Connection, form: CredentialForm) -> bool:
    try:
        enter.enter(
            connection,
            kind=form.kind.key,
            secrets=form.secrets(),
            by=request.membership.user,
            same_account=lambda sample: sync.same_account(connection, sample),
        )
    except enter.Refused as refusal:
        form.add_error(refusal.field, refusal.sentence)
        return False
    journey.request_check(connection, by=request.membership.user)
    messages.success(request, "Greenhouse accepts this credential. It is stored encrypted.")
    return True
