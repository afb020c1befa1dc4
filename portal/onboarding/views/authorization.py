"""Authorization in Greenhouse: the way there and the callback."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import MemberRequest, admin_only, member_only
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import ConsentRequest
from portal.connections.oauth import authorization, partner_app
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.onboarding import consent_entry, setup_flow
from portal.web.client_ip import get_client_ip
from portal.web.htmx import redirect_page, render_page_or_partial


@dataclass(frozen=True)
class Failure:
    """A message for a failed authorization, with an optional link."""

    title: str
    text: str
    url_name: str = ""
    link_label: str = ""


_INVITE_URL_NAME, _DISCONNECT_URL_NAME = "members:list", "onboarding:disconnect"
_ASK_OPERATOR = "Ask Inbound Talent support to check its Greenhouse app. Nothing was changed."
FAILURES = {
    "refused": Failure(
        "Authorization was canceled",
        "You can try again anytime.",
    ),
    "no_site_admin": Failure(
        "The person who authorized isn't a Site Admin",
        "Greenhouse shows its lists only to Site Admins. Have a Site Admin do this step and select "
        "“Authorize using a service account”. If that's a colleague, invite them as an admin.",
        _INVITE_URL_NAME,
        "Invite an admin",
    ),
    "another_account": Failure(
        "That's a different Greenhouse account",
        "Sign out of Greenhouse, try again, and sign in to the account that is connected here. To "
        "switch to the other account, disconnect this one first.",
        _DISCONNECT_URL_NAME,
        "Disconnect",
    ),
    "another_person": Failure(
        "Authorized as someone else",
        "You need to authorize as yourself, without a service account. Nothing was saved. Sign out "
        "of Greenhouse, try again, and sign in there as yourself.",
    ),
    "late": Failure(
        "The authorization expired",
        "Greenhouse's code is valid for one minute. Nothing was saved. Try again.",
    ),
    "not_expected": Failure(
        "This authorization was already used",
        "That can happen with the back button, two tabs, or after a long break. Nothing was saved. "
        "Try again.",
    ),
    "scope": Failure(
        "Greenhouse doesn't recognize a permission we ask for",
        _ASK_OPERATOR,
    ),
    "application": Failure("Greenhouse doesn't recognize Inbound Talent", _ASK_OPERATOR),
    "down": Failure(
        "Couldn't reach Greenhouse",
        "Your authorization couldn't be saved. Try again in a minute.",
    ),
    "ended": Failure(
        "The connection changed",
        "Greenhouse was disconnected or switched to another account in the meantime. Nothing was "
        "saved. Try again in a minute.",
    ),
    "emptying": Failure(
        "The previous account's data is still being deleted",
        "Try again in a minute.",
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
            request, "consent.requested", "went to Greenhouse to authorize", subject=connection
        )
        authorization_url = authorization.start_authorization(
            request.membership, connection, request.session, is_personal=False
        )
        return HttpResponseRedirect(authorization_url)
    failure = FAILURES.get(request.session.get(_SESSION_KEY, ""))
    if failure is None:
        return redirect("onboarding:credential")
    setup_status = setup_flow.SetupStatus(connection)
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="credential"),
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
    if not consent_request.is_personal and not request.membership.is_admin:  # no longer
        raise PermissionDenied
    consent_entry.exchange_code_later(consent_request, code, ip_address=get_client_ip(request))
    return redirect("onboarding:authorization_progress", pk=consent_request.pk)


@require_safe
@member_only
def authorization_progress(request: MemberRequest, pk: int) -> HttpResponse:
    """Polls until a worker has exchanged the code."""
    consent_request = get_object_or_404(ConsentRequest, pk=pk, membership=request.membership)
    if consent_request.is_open:
        return render_page_or_partial(
            request, "onboarding/authorization_progress.html", "progress", {}
        )
    if consent_request.status == ConsentRequest.Status.DONE:
        response = _redirect_to_next_step(request, consent_request)
    else:
        response = _redirect_with_failure(
            request, consent_request.failure or "down", is_personal=consent_request.is_personal
        )
    return redirect_page(request, response.url)


def _redirect_to_next_step(
    request: MemberRequest, consent_request: ConsentRequest
) -> HttpResponseRedirect:
    if consent_request.is_personal:
        messages.success(request, "Your actions now happen in Greenhouse under your name.")
    elif consent_request.next_step == "onboarding:permissions":
        messages.success(request, "Greenhouse is connected. Checking permissions…")
    return redirect(consent_request.next_step)


def _redirect_with_failure(
    request: MemberRequest, failure_key: str, *, is_personal: bool = False
) -> HttpResponseRedirect:
    """Redirect to a page with the message, so that a reload does not call Greenhouse again."""
    if is_personal:
        failure = FAILURES[failure_key]
        messages.error(request, f"{failure.title}. {failure.text}")
        return redirect("applications:acting_user")
    request.session[_SESSION_KEY] = failure_key
    return redirect("onboarding:authorize")
