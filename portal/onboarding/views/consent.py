"""Connect with Greenhouse: off to its consent page, and back."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from integrations.ats.consent import CodeRefused
from integrations.ats.errors import AtsError, BadCredential
from portal.accounts.access import MemberRequest, admin_only, member_only
from portal.audit.noted import noted
from portal.connections import agree, enter, partner
from portal.connections.leading import leads_to_greenhouse
from portal.connections.models import ConsentRequest
from portal.connections.standing import connection_of
from portal.entitlements.people import match
from portal.mirror import account
from portal.onboarding import journey


@dataclass(frozen=True)
class Trouble:
    """Why nothing came of it, and what to do. `way`: a page besides trying again."""

    title: str
    text: str
    way: str = ""
    way_label: str = ""


_INVITE, _LEAVE = "members:list", "onboarding:disconnect"
_OPERATOR = "Whoever runs this portal must look at its partner settings. Nothing has changed here."
TROUBLES = {
    "refused": Trouble(
        "You did not agree in Greenhouse",
        "Nothing was connected, and nothing has changed. You can try again whenever you like.",
    ),
    "no_site_admin": Trouble(
        "Whoever agreed is no Site Admin in Greenhouse",
        "Greenhouse shows its lists to Site Admins only, so nothing could be read. Nothing was "
        "saved. Let a Site Admin do this step, and tick “Authorize using a service account” "
        "there. If that is a colleague, invite them here as an admin.",
        _INVITE,
        "Invite an admin",
    ),
    "another_account": Trouble(
        "That was another Greenhouse account",
        "You agreed for another account than the one that is connected here. Nothing was saved. "
        "Sign out of Greenhouse, then try again and sign in to the connected account. If you "
        "mean to change to the other account, disconnect this one first.",
        _LEAVE,
        "Disconnect …",
    ),
    "another_person": Trouble(
        "That was not you",
        "You agreed in Greenhouse as somebody else than you are here, or for the service account, "
        "or Greenhouse did not say as whom. Nothing was saved. Sign out of Greenhouse, then try "
        "again, sign in there as yourself, and authorize without a service account.",
    ),
    "late": Trouble(
        "Greenhouse's answer came too late",
        "It is good for one minute and for one use. Nothing was saved. Please try again.",
    ),
    "not_expected": Trouble(
        "This answer does not belong to you, or was used already",
        "It counts once, for the person and the session that asked. That happens with the back "
        "button, with two tabs, or after a long break. Nothing was saved. Please try again.",
    ),
    "scope": Trouble(
        "Greenhouse does not know something that this portal asks for",
        f"So it did not ask you at all. {_OPERATOR}",
    ),
    "application": Trouble("Greenhouse does not know this portal", _OPERATOR),
    "down": Trouble(
        "Greenhouse did not answer",
        "You may have agreed already, but we could not take it up. Please try again in a moment.",
    ),
    "ended": Trouble(
        "Greenhouse was disconnected here meanwhile",
        "Or a colleague changed to another account. Nothing was saved. If you still want to "
        "connect it, please try again in a minute.",
    ),
    "emptying": Trouble(
        "What was read before is still being deleted",
        "Please try again in a minute.",
    ),
}
# RFC 6749's words; Greenhouse's guide names none.
_ERRORS = {"access_denied": "refused", "invalid_scope": "scope"} | dict.fromkeys(
    ("unauthorized_client", "invalid_client", "invalid_request", "unsupported_response_type"),
    "application",
)
_KEPT = "greenhouse_consent_trouble"


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@leads_to_greenhouse
def consent(request: MemberRequest) -> HttpResponse:
    """What became of it, where nothing did. POST goes to Greenhouse's page."""
    if not partner.is_on():
        raise Http404
    posted = request.method == "POST"
    connection = connection_of(request.membership.organization_id, begin=posted)
    if posted:
        if connection.emptying:
            return _no(request, "emptying")
        request.session.pop(_KEPT, None)
        noted(request, "consent.asked", "went to Greenhouse to agree", subject=connection)
        to = agree.ask(request.membership, connection, request.session, own=False)
        return HttpResponseRedirect(to)
    trouble = TROUBLES.get(request.session.get(_KEPT, ""))
    if trouble is None:
        return redirect("onboarding:credential")
    context = {"steps": journey.path(connection, here="credential"), "trouble": trouble}
    return render(request, "onboarding/consent.html", context)


@require_safe
@member_only
def back(request: MemberRequest) -> HttpResponse:
    """Back from Greenhouse, with a code or without. Whatever came counts once."""
    if not partner.is_on():
        raise Http404
    try:
        asked = agree.came_back(request.membership, request.session, request.GET.get("state", ""))
    except agree.NotExpected as error:
        own = error.own or not request.membership.is_admin
        return _no(request, "not_expected", own=own)
    code = request.GET.get("code", "")
    if not code:
        trouble = _ERRORS.get(request.GET.get("error", ""), "down")
        return _no(request, trouble, own=asked.own)
    if asked.own:
        return _acts(request, asked, code)
    if not request.membership.is_admin:  # no longer
        raise PermissionDenied
    return _connected(request, asked, code)


def _acts(request: MemberRequest, asked: ConsentRequest, code: str) -> HttpResponse:
    """The reader's own: from now on what they do happens in their name."""
    user = match(request.membership).user
    try:
        told = agree.redeem(asked, code)
        consent = agree.act_as(asked, told, greenhouse_user=user.remote_id if user else None)
    except (AtsError, enter.Refused) as error:
        return _no(request, _trouble_of(error), own=True)
    noted(
        request,
        "consent.given",
        "agreed that the portal acts in Greenhouse in their name",
        subject=consent,
    )
    messages.success(request, "From now on the portal acts in Greenhouse in your name.")
    return redirect("applications:acting")


def _connected(request: MemberRequest, asked: ConsentRequest, code: str) -> HttpResponse:
    connection, by = asked.connection, request.membership.user
    used = connection.credential
    beside = journey.needs_rotation(connection) and used is not None and not used.is_consent
    try:
        told = agree.redeem(asked, code)
        credential = agree.connect(
            asked,
            told,
            by=by,
            same_account=lambda sample: account.same_account(connection, sample),
            beside=beside,
        )
    except (AtsError, enter.Refused) as error:
        return _no(request, _trouble_of(error))
    noted(
        request,
        "credential.entered",
        "connected by consent in Greenhouse",
        subject=credential,
        after={"scopes": credential.consent.scopes},
    )
    if beside:
        journey.request_check_beside(connection, by=by)
        return redirect("onboarding:rotation")
    messages.success(request, "Greenhouse is connected. Now we look at what was agreed to.")
    journey.request_check(connection, by=by)
    return redirect("onboarding:permissions")


def _trouble_of(error: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (CodeRefused, "late"),
        (BadCredential, "application"),
        (enter.AnotherPerson, "another_person"),
        (enter.NoSiteAdmin, "no_site_admin"),
        (enter.AnotherAccount, "another_account"),
        (enter.Ended, "ended"),
    )
    return next((key for kind, key in kinds if isinstance(error, kind)), "down")


def _no(request: MemberRequest, trouble: str, *, own: bool = False) -> HttpResponse:
    """Nothing came of it. Said on another page, so that a reload asks Greenhouse nothing."""
    if own:
        told = TROUBLES[trouble]
        messages.error(request, f"{told.title}. {told.text}")
        return redirect("applications:acting")
    request.session[_KEPT] = trouble
    return redirect("onboarding:consent")
