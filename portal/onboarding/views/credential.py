"""Entering a credential: tried live, saved only when Greenhouse accepts it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from integrations.ats import registry
from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import User
from portal.audit.noted import noted
from portal.connections import enter
from portal.connections.leading import leads_to_greenhouse
from portal.connections.models import Connection, Credential
from portal.connections.standing import connection_of
from portal.mirror import account
from portal.onboarding import journey
from portal.onboarding.forms import CredentialForm, form_for


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@leads_to_greenhouse
def credential(request: MemberRequest) -> HttpResponse:
    """The form. What is accepted is in use at once, or checked beside the one in use."""
    begin = request.method == "POST"
    connection = connection_of(request.membership.organization_id, begin=begin)
    present = connection.credential
    asked = request.POST.get("kind") or request.GET.get("kind")
    kind = _ENTERED.get(asked or (present.kind if present else ""), _ENTERED[_DEFAULT])
    form, moved = _form(request, kind)
    if request.method == "POST" and not moved and form.is_valid():
        try:
            step = _entered(request, connection, form)
        except enter.AnotherKind as other:
            step, moved = "", other.sentence
            form = CredentialForm(kind=registry.KINDS[other.kind])
        if step:
            return redirect(f"onboarding:{step}")
    context = {
        "steps": journey.path(connection, here="credential"),
        "connection": connection,
        "form": form,
        "kind": form.kind,
        "kinds": _ENTERED.values(),
        "present": connection.credential,  # it may have ended while another one was tried
        "moved": moved,
        "beside": journey.needs_rotation(connection),
    }
    status = 422 if form.errors or moved else 200
    return render(request, "onboarding/credential.html", context, status=status)


_DEFAULT = "harvest_oauth"
_ENTERED = {key: kind for key, kind in registry.KINDS.items() if not kind.consent}


def _form(request: MemberRequest, kind: registry.Kind) -> tuple[CredentialForm, str]:
    """The form to show, and a sentence when what was pasted belongs in another than was used."""
    if request.method != "POST":
        return CredentialForm(kind=kind), ""
    fitting, moved = form_for(request.POST, kind)
    if not moved:
        return CredentialForm(request.POST, kind=kind), ""
    return CredentialForm(kind=fitting), moved


def _entered(request: MemberRequest, connection: Connection, form: CredentialForm) -> str:
    """The step to go to; "" when it was refused, which the form then says.

    Raises enter.AnotherKind when it belongs in another form.
    """
    if connection.emptying:
        form.add_error(None, "What was read before is still being deleted. Try again in a minute.")
        return ""
    by, another = request.membership.user, False
    beside = journey.needs_rotation(connection)
    try:
        try:
            entered = _enter(connection, form, by, beside=beside)
        except enter.AnotherAccount:
            another = form.another_account(request.membership.organization.name)
            if not another:
                raise
            beside = False
            entered = _enter(connection, form, by, beside=False, any_account=True)
    except enter.AnotherKind:
        raise
    except enter.Refused as refusal:
        form.add_error(refusal.field or None, refusal.sentence)
        if isinstance(refusal, enter.AnotherAccount):
            form.ask_for_another_account(request.membership.organization.name)
        return ""
    noted(
        request,
        "credential.entered",
        f"entered a credential ({form.kind.label}) ending in {entered.last_four}"
        + (", of another Greenhouse account" if another else ""),
        subject=entered,
    )
    if beside:
        journey.request_check_beside(connection, by=by)
        return "rotation"
    messages.success(request, "Greenhouse accepts this credential. It is stored encrypted.")
    if another:
        journey.change_account(connection, by=by)
    else:
        journey.request_check(connection, by=by)
    return "permissions"


def _enter(
    connection: Connection,
    form: CredentialForm,
    by: User,
    *,
    beside: bool,
    any_account: bool = False,
) -> Credential:
    """See enter.enter; `any_account` takes a credential of another account, too."""
    return enter.enter(
        connection,
        kind=form.kind.key,
        secrets=form.secrets(),
        by=by,
        same_account=lambda sample: any_account or account.same_account(connection, sample),
        beside=beside,
    )
