"""The credential form: tested with Greenhouse, saved only if accepted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from integrations.ats import registry
from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import User
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.credentials import store
from portal.connections.models import Connection, Credential
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.onboarding import setup_flow
from portal.onboarding.forms import CredentialForm, detect_kind
from portal.sync import account_match


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@allow_greenhouse_form_action
def credential_page(request: MemberRequest) -> HttpResponse:
    posted = request.method == "POST"
    connection = get_connection(request.membership.organization_id, create=posted)
    current = connection.credential
    requested_kind = request.POST.get("kind") or request.GET.get("kind")
    kind = _FORM_KINDS.get(
        requested_kind or (current.kind if current else ""), _FORM_KINDS[_DEFAULT_KIND]
    )
    form, kind_hint = _build_form(request, kind)
    if posted and not kind_hint and form.is_valid():
        try:
            step = _save_form(request, connection, form)
        except store.DifferentKind as error:
            step, kind_hint = "", error.sentence
            form = CredentialForm(kind=registry.CREDENTIAL_KINDS[error.kind])
        if step:
            return redirect(f"onboarding:{step}")
    context = {
        "steps": setup_flow.build_steps(connection, shown_step="credential"),
        "connection": connection,
        "form": form,
        "kind": form.kind,
        "kinds": _FORM_KINDS.values(),
        "current": connection.credential,  # may have ended while the new one was tried
        "kind_hint": kind_hint,
        "needs_rotation": setup_flow.needs_rotation(connection),
    }
    status = 422 if form.errors or kind_hint else 200
    return render(request, "onboarding/credential.html", context, status=status)


_DEFAULT_KIND = "harvest_oauth"
_FORM_KINDS = {
    key: kind for key, kind in registry.CREDENTIAL_KINDS.items() if not kind.oauth_flow_path
}


def _build_form(
    request: MemberRequest, kind: registry.CredentialKind
) -> tuple[CredentialForm, str]:
    if request.method != "POST":
        return CredentialForm(kind=kind), ""
    fitting_kind, kind_hint = detect_kind(request.POST, kind)
    if not kind_hint:
        return CredentialForm(request.POST, kind=kind), ""
    return CredentialForm(kind=fitting_kind), kind_hint


def _save_form(request: MemberRequest, connection: Connection, form: CredentialForm) -> str:
    """The next step, or "" if refused, with the reason in the form. Raises DifferentKind."""
    if connection.data_deletion_pending:
        form.add_error(None, "What was read before is still being deleted. Try again in a minute.")
        return ""
    by, changes_account = request.membership.user, False
    as_pending = setup_flow.needs_rotation(connection)
    try:
        try:
            credential = _store_credential(connection, form, by, as_pending=as_pending)
        except store.DifferentAccount:
            changes_account = form.confirms_account_change(request.membership.organization.name)
            if not changes_account:
                raise
            as_pending = False
            credential = _store_credential(connection, form, by, as_pending=False, any_account=True)
    except store.DifferentKind:
        raise
    except store.CredentialRefused as refusal:
        form.add_error(refusal.field or None, refusal.sentence)
        if isinstance(refusal, store.DifferentAccount):
            form.add_account_change_field(request.membership.organization.name)
        return ""
    record_member_action(
        request,
        "credential.entered",
        f"entered a credential ({form.kind.label}) ending in {credential.last_four}"
        + (", of another Greenhouse account" if changes_account else ""),
        subject=credential,
    )
    if as_pending:
        setup_flow.request_pending_check(connection, by=by)
        return "rotation"
    messages.success(request, "Greenhouse accepts this credential. It is stored encrypted.")
    if changes_account:
        setup_flow.change_account(connection, by=by)
    else:
        setup_flow.request_check(connection, by=by)
    return "permissions"


def _store_credential(
    connection: Connection,
    form: CredentialForm,
    by: User,
    *,
    as_pending: bool,
    any_account: bool = False,
) -> Credential:
    return store.store_credential(
        connection,
        kind=form.kind.key,
        secrets=form.get_secrets(),
        by=by,
        same_account=lambda sample: (
            any_account or account_match.is_same_account(connection, sample)
        ),
        as_pending=as_pending,
    )
