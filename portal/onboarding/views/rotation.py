"""Changing the credential: the new one beside the old one, then one step."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections import rotate
from portal.connections.models import Credential
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part
from portal.onboarding import journey

State = Credential.State


@require_safe
@admin_only
def rotation(request: MemberRequest) -> HttpResponse:
    """What waits, what differs, and what to decide."""
    connection = connection_of(request.membership.organization_id)
    beside, kept = (rotate.waiting(connection, s) for s in (State.BESIDE, State.KEPT))
    used = connection.credential
    if used is None or not (beside or kept):
        return redirect("onboarding:credential")
    check = beside.checks.first() if beside else None
    context = {
        "used": used,
        "beside": beside,
        "kept": kept,
        "check": check,
        "difference": rotate.difference(used, beside) if beside else None,
        "used_check": used.checks.first(),
        "connection": connection,
    }
    return page_or_part(request, "onboarding/rotation.html", "rotation", context)


@require_POST
@admin_only
def rotate_now(request: MemberRequest, deed: str) -> HttpResponse:
    """Switch, confirm, go back, discard, or check the new one again."""
    connection = connection_of(request.membership.organization_id)
    by = request.membership.user
    if deed in {*_DEEDS, "check"} and connection.credential is None:
        return _nothing_to_do(request)
    if deed == "check":
        journey.request_check_beside(connection, by=by)
        return redirect("onboarding:rotation")
    if deed not in _DEEDS:
        raise Http404
    do, verb, words, said = _DEEDS[deed]
    try:
        credential = do(connection, by=by)
    except rotate.NotReady:
        return _nothing_to_do(request)
    noted(request, verb, f"{words} {credential.last_four or 'a consent'}", subject=credential)
    messages.success(request, said)
    if deed in {"switch", "back"}:
        journey.switched(connection, by=by)
    return redirect("onboarding:rotation" if deed == "switch" else "onboarding:live")


def _nothing_to_do(request: MemberRequest) -> HttpResponse:
    messages.info(request, "That was done already, or there is nothing to do any more.")
    return redirect("onboarding:rotation")


_DEEDS = {
    "switch": (
        rotate.switch,
        "credential.switched",
        "switched to the credential ending in",
        "The new credential is in use. The old one is kept until you confirm.",
    ),
    "confirm": (
        rotate.confirm,
        "credential.destroyed",
        "confirmed the new credential; destroyed the one ending in",
        "The old credential is destroyed here. You can revoke it in Greenhouse now.",
    ),
    "back": (
        rotate.back,
        "credential.taken_back",
        "took back the credential ending in",
        "The old credential is in use again; the new one is destroyed here.",
    ),
    "discard": (
        rotate.discard,
        "credential.discarded",
        "threw away the new credential ending in",
        "The new credential is destroyed here. Nothing else has changed.",
    ),
}
