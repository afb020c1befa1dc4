"""Authorization in Greenhouse: the way there and the callback."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from integrations.ats.errors import AtsError, BadCredential
from integrations.ats.oauth import AuthorizationCodeRejected
from portal.accounts.access import MemberRequest, admin_only, member_only
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.credentials import store
from portal.connections.models import ConsentRequest
from portal.connections.oauth import authorization, partner_app
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.entitlements.user_matching import match_user
from portal.onboarding import setup_flow
from portal.sync import account_match


@dataclass(frozen=True)
class Failure:
    """A message for a failed authorization, with an optional link."""

    title: str
    text: str
    url_name: str = ""
    link_label: str = ""


_INVITE_URL_NAME, _DISCONNECT_URL_NAME = "members:list", "onboarding:disconnect"
_ASK_OPERATOR = (
    "Whoever runs this portal must look at its partner settings. Nothing has changed here."
)
FAILURES = {
    "refused": Failure(
        "You did not agree in Greenhouse",
        "Nothing was connected, and nothing has changed. You can try again whenever you like.",
    ),
    "no_site_admin": Failure(
        "Whoever agreed is no Site Admin in Greenhouse",
        "Greenhouse shows its lists to Site Admins only, so nothing could be read. Nothing was "
        "saved. Let a Site Admin do this step, and tick “Authorize using a service account” "
        "there. If that is a colleague, invite them here as an admin.",
        _INVITE_URL_NAME,
        "Invite an admin",
    ),
    "another_account": Failure(
        "That was another Greenhouse account",
        "You agreed for another account than the one that is connected here. Nothing was saved. "
        "Sign out of Greenhouse, then try again and sign in to the connected account. If you "
        "mean to change to the other account, disconnect this one first.",
        _DISCONNECT_URL_NAME,
        "Disconnect …",
    ),
    "another_person": Failure(
        "That was not you",
        "You agreed in Greenhouse as somebody else than you are here, or for the service account, "
        "or Greenhouse did not say as whom. Nothing was saved. Sign out of Greenhouse, then try "
        "again, sign in there as yourself, and authorize without a service account.",
    ),
    "late": Failure(
        "Greenhouse's answer came too late",
        "It is good for one minute and for one use. Nothing was saved. Please try again.",
    ),
    "not_expected": Failure(
        "This answer does not belong to you, or was used already",
        "It counts once, for the person and the session that asked. That happens with the back "
        "button, with two tabs, or after a long break. Nothing was saved. Please try again.",
    ),
    "scope": Failure(
        "Greenhouse does not know something that this portal asks for",
        f"So it did not ask you at all. {_ASK_OPERATOR}",
    ),
    "application": Failure("Greenhouse does not know this portal", _ASK_OPERATOR),
    "down": Failure(
        "Greenhouse did not answer",
        "You may have agreed already, but we could not take it up. Please try again in a moment.",
    ),
    "ended": Failure(
        "Greenhouse was disconnected here meanwhile",
        "Or a colleague changed to another account. Nothing was saved. If you still want to "
        "connect it, please try again in a minute.",
    ),
    "emptying": Failure(
        "What was read before is still being deleted",
        "Please try again in a minute.",
    ),
}
# Error codes of RFC 6749; Greenhouse's guide lists none.
_FAILURE_BY_OAUTH_ERROR = {"access_denied": "refused", "invalid_scope": "scope"} | dict.fromkeys(
    ("unauthorized_client", "invalid_client", "invalid_request", "unsupported_response_type"),
    "application",
)
_SESSION_KEY = "greenhouse_consent_trouble"


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@allow_greenhouse_form_action
def authorization_page(request: MemberRequest) -> HttpResponse:
    """POST redirects to Greenhouse; GET explains why the last attempt failed."""
    if not partner_app.is_configured():
        raise Http404
    posted = request.method == "POST"
    connection = get_connection(request.membership.organization_id, create=posted)
    if posted:
        if connection.data_deletion_pending:
            return _redirect_with_failure(request, "emptying")
        request.session.pop(_SESSION_KEY, None)
        record_member_action(
            request, "consent.requested", "went to Greenhouse to agree", subject=connection
        )
        authorization_url = authorization.start_authorization(
            request.membership, connection, request.session, is_personal=False
        )
        return HttpResponseRedirect(authorization_url)
    failure = FAILURES.get(request.session.get(_SESSION_KEY, ""))
    if failure is None:
        return redirect("onboarding:credential")
    context = {
        "steps": setup_flow.build_steps(connection, shown_step="credential"),
        "failure": failure,
    }
    return render(request, "onboarding/authorization_failed.html", context)


@require_safe
@member_only
def oauth_callback(request: MemberRequest) -> HttpResponse:
    if not partner_app.is_configured():
        raise Http404
    try:
        consent_request = authorization.claim_request(
            request.membership, request.session, request.GET.get("state", "")
        )
    except authorization.UnexpectedCallback as error:
        is_personal = error.is_personal or not request.membership.is_admin
        return _redirect_with_failure(request, "not_expected", is_personal=is_personal)
    code = request.GET.get("code", "")
    if not code:
        failure_key = _FAILURE_BY_OAUTH_ERROR.get(request.GET.get("error", ""), "down")
        return _redirect_with_failure(request, failure_key, is_personal=consent_request.is_personal)
    if consent_request.is_personal:
        return _store_personal_consent(request, consent_request, code)
    if not request.membership.is_admin:  # no longer
        raise PermissionDenied
    return _store_connection_consent(request, consent_request, code)


def _store_personal_consent(
    request: MemberRequest, consent_request: ConsentRequest, code: str
) -> HttpResponse:
    user = match_user(request.membership).user
    try:
        grant = authorization.exchange_code(consent_request, code)
        consent = authorization.store_personal_consent(
            consent_request, grant, greenhouse_user=user.remote_id if user else None
        )
    except (AtsError, store.CredentialRefused) as error:
        return _redirect_with_failure(request, _classify_error(error), is_personal=True)
    record_member_action(
        request,
        "consent.granted",
        "agreed that the portal acts in Greenhouse in their name",
        subject=consent,
    )
    messages.success(request, "From now on the portal acts in Greenhouse in your name.")
    return redirect("applications:acting_user")


def _store_connection_consent(
    request: MemberRequest, consent_request: ConsentRequest, code: str
) -> HttpResponse:
    connection, by = consent_request.connection, request.membership.user
    credential_in_use = connection.credential
    as_pending = (
        setup_flow.needs_rotation(connection)
        and credential_in_use is not None
        and not credential_in_use.is_consent
    )
    try:
        grant = authorization.exchange_code(consent_request, code)
        credential = authorization.store_connection_consent(
            consent_request,
            grant,
            by=by,
            same_account=lambda sample: account_match.is_same_account(connection, sample),
            as_pending=as_pending,
        )
    except (AtsError, store.CredentialRefused) as error:
        return _redirect_with_failure(request, _classify_error(error))
    record_member_action(
        request,
        "credential.entered",
        "connected by consent in Greenhouse",
        subject=credential,
        after={"scopes": credential.consent.scopes},
    )
    if as_pending:
        setup_flow.request_pending_check(connection, by=by)
        return redirect("onboarding:rotation")
    messages.success(request, "Greenhouse is connected. Now we look at what was agreed to.")
    setup_flow.request_check(connection, by=by)
    return redirect("onboarding:permissions")


def _classify_error(error: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (AuthorizationCodeRejected, "late"),
        (BadCredential, "application"),
        (store.DifferentPerson, "another_person"),
        (store.AuthorizerNotSiteAdmin, "no_site_admin"),
        (store.DifferentAccount, "another_account"),
        (store.ConnectionEnded, "ended"),
    )
    return next((key for kind, key in kinds if isinstance(error, kind)), "down")


def _redirect_with_failure(
    request: MemberRequest, failure_key: str, *, is_personal: bool = False
) -> HttpResponse:
    """Redirect to a page with the message, so that a reload does not call Greenhouse again."""
    if is_personal:
        failure = FAILURES[failure_key]
        messages.error(request, f"{failure.title}. {failure.text}")
        return redirect("applications:acting_user")
    request.session[_SESSION_KEY] = failure_key
    return redirect("onboarding:authorize")
