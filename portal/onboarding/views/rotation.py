"""Credential rotation: the pending credential next to the one in use."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.credentials import rotation
from portal.connections.models import Credential
from portal.onboarding import consent_requests, setup_flow
from portal.web.htmx import render_page_or_partial

State = Credential.State
_CONSENTS_TEXT = (
    "Action buttons are off for each person until they authorize Inbound Talent in Greenhouse. "
    "After the switch, you can email everyone from the status page."
)


@require_safe
@admin_only
def rotation_page(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    pending, previous = (
        rotation.find_credential(connection, state) for state in (State.PENDING, State.PREVIOUS)
    )
    credential_in_use = connection.credential
    if credential_in_use is None or not (pending or previous):
        return redirect("onboarding:credential")
    check = pending.checks.first() if pending else None
    consents = None
    if pending and pending.is_consent and not credential_in_use.is_consent:
        consents = consent_requests.count_consents(request.membership.organization)
    context = {
        "consents": consents,
        "consents_text": _CONSENTS_TEXT,
        "credential_in_use": credential_in_use,
        "pending": pending,
        "previous": previous,
        "check": check,
        "difference": rotation.compare_credentials(credential_in_use, pending) if pending else None,
        "connection": connection,
    }
    return render_page_or_partial(request, "onboarding/rotation.html", "rotation", context)


@require_POST
@admin_only
@audited_action
def rotate_credential(request: MemberRequest, action: str) -> HttpResponse:
    """Switch, confirm, go back, discard, or check the new credential again."""
    connection = get_connection(request.membership.organization_id)
    by = request.membership.user
    if action in {*_ROTATION_ACTIONS, "check"} and connection.credential is None:
        return _redirect_nothing_to_do(request)
    if action == "check":
        setup_flow.request_pending_check(connection, by=by)
        return redirect("onboarding:rotation")
    if action not in _ROTATION_ACTIONS:
        raise Http404
    run_action, verb, summary, message = _ROTATION_ACTIONS[action]
    try:
        credential = run_action(connection, by=by)
    except rotation.NothingToRotate:
        return _redirect_nothing_to_do(request)
    record_member_action(
        request, verb, f"{summary} {credential.last_four or 'a consent'}", subject=credential
    )
    messages.success(request, message)
    if action in {"switch", "restore"}:
        setup_flow.handle_credential_switch(connection, by=by)
    return redirect("onboarding:rotation" if action == "switch" else "onboarding:live")


def _redirect_nothing_to_do(request: MemberRequest) -> HttpResponse:
    messages.info(request, "That was done already, or there is nothing to do any more.")
    return redirect("onboarding:rotation")


_ROTATION_ACTIONS = {
    "switch": (
        rotation.switch_credential,
        "credential.switched",
        "switched to the credential ending in",
        "The new credential is in use. The old one is kept until you confirm.",
    ),
    "confirm": (
        rotation.confirm_switch,
        "credential.deleted",
        "confirmed the new credential; deleted the one ending in",
        "The old credential was deleted. You can now revoke it in Greenhouse.",
    ),
    "restore": (
        rotation.restore_previous_credential,
        "credential.restored",
        "took back the credential ending in",
        "The old credential is in use again, and the new one was deleted.",
    ),
    "discard": (
        rotation.discard_new_credential,
        "credential.discarded",
        "threw away the new credential ending in",
        "The new credential was deleted. Nothing else changed.",
    ),
}
