"""Single sign-on, set up by the customer's own admin."""

from __future__ import annotations

from typing import cast

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.core.database import read_only
from portal.signin import oidc, sso_round_trip, sso_setup
from portal.signin.forms import DomainForm, SingleSignOnForm
from portal.signin.models import SingleSignOn
from portal.web.rate_limits import count_hit


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_only
def settings_page(request: MemberRequest) -> HttpResponse:
    """The page of the settings; POST checks the service's discovery document and saves them."""
    organization = request.membership.organization
    sign_on = sso_setup.find_own_sign_on(organization)
    if request.method != "POST":
        return _render_settings(request, sign_on)
    form = SingleSignOnForm(request.POST, sign_on=sign_on)
    if form.is_valid() and (error := _check_service(request, form.cleaned_data["issuer"])):
        form.add_error("issuer", error)
    if form.errors:
        return _render_settings(request, sign_on, form=form)
    service = sso_setup.ServiceSettings(**form.cleaned_data)
    sso_setup.save_service(organization, service, _get_editor(request))
    messages.success(request, "Saved. Now test your own sign-in.")
    return redirect("sso_settings")


def _check_service(request: MemberRequest, issuer: str) -> str:
    """Return what is wrong with the service, as a sentence; empty if nothing is."""
    if count_hit(f"sign-on-setup:{request.user.pk}", settings.SIGN_ON_SETUP_LIMIT):
        return "You tried this often. Try again in ten minutes."
    try:
        oidc.fetch_configuration(issuer)
    except oidc.ServiceError as error:
        return error.message
    return ""


@require_safe
@never_cache
@admin_only
def run_test(request: MemberRequest) -> HttpResponse:
    """Go to the service as a member would; sso_round_trip receives what comes back."""
    sign_on = sso_setup.find_own_sign_on(request.membership.organization)
    if sign_on is None or read_only.is_read_only():
        return redirect("sso_settings")
    if error := _check_service(request, sign_on.server_url):
        return sso_round_trip.fail_test(request, error)
    test_state = sso_round_trip.begin_test(request, sign_on)
    try:
        provider = get_adapter(request).get_provider(request, provider=sign_on.provider_id)
        return cast(
            HttpResponse,
            provider.redirect(request, process=AuthProcess.LOGIN, data=test_state),
        )
    except SocialApp.DoesNotExist:
        return sso_round_trip.fail_test(request, "Enter the client secret again.")
    except oidc.ServiceError as failure:
        return sso_round_trip.fail_test(request, failure.message)


@require_POST
@admin_only
def request_domain(request: MemberRequest) -> HttpResponse:
    sign_on = _get_own_sign_on(request)
    form = DomainForm(request.POST)
    if not form.is_valid():
        return _render_settings(request, sign_on, domain_form=form)
    domain = form.cleaned_data["domain"]
    sso_setup.request_domain(sign_on, domain, _get_editor(request))
    messages.success(request, f"Approval of {domain} requested.")
    return redirect("sso_settings")


@require_POST
@admin_only
def remove_domain(request: MemberRequest) -> HttpResponse:
    form = DomainForm(request.POST)
    if form.is_valid():
        domain = form.cleaned_data["domain"]
        sso_setup.remove_domain(_get_own_sign_on(request), domain, _get_editor(request))
        messages.success(request, f"{domain} removed.")
    return redirect("sso_settings")


@require_POST
@admin_only
def request_trust(request: MemberRequest) -> HttpResponse:
    sso_setup.request_trust(_get_own_sign_on(request), _get_editor(request))
    messages.success(request, "Approval requested.")
    return redirect("sso_settings")


_SWITCHES = {
    "on": (sso_setup.turn_on, "Single sign-on is on."),
    "off": (sso_setup.turn_off, "Single sign-on is off."),
    "required": (sso_setup.require_sign_on, "Single sign-on is required."),
    "optional": (sso_setup.make_optional, "Single sign-on is optional."),
}


@require_POST
@admin_only
def switch_sign_on(request: MemberRequest) -> HttpResponse:
    sign_on = _get_own_sign_on(request)
    chosen = _SWITCHES.get(request.POST.get("switch", ""))
    if chosen is None:
        return redirect("sso_settings")
    switch, done = chosen
    if missing := switch(sign_on, _get_editor(request)):
        messages.error(request, f"Nothing changed. {missing}")
    else:
        messages.success(request, done)
    return redirect("sso_settings")


def _get_own_sign_on(request: MemberRequest) -> SingleSignOn:
    sign_on = sso_setup.find_own_sign_on(request.membership.organization)
    if sign_on is None:
        raise Http404
    return sign_on


def _get_editor(request: MemberRequest) -> sso_setup.Editor:
    return sso_setup.Editor(request.membership.user, request)


def _render_settings(
    request: MemberRequest,
    sign_on: SingleSignOn | None,
    *,
    form: SingleSignOnForm | None = None,
    domain_form: DomainForm | None = None,
) -> HttpResponse:
    slug = request.membership.organization.slug
    callback = reverse("openid_connect_callback", kwargs={"provider_id": slug})
    requests = sso_setup.list_open_requests(sign_on) if sign_on else []
    has_errors = bool((form and form.errors) or (domain_form and domain_form.errors))
    context = {
        "sign_on": sign_on,
        "form": form or SingleSignOnForm(sign_on=sign_on),
        "domain_form": domain_form or DomainForm(),
        "redirect_uri": request.build_absolute_uri(callback),
        "domains": list(sign_on.domains.all()) if sign_on else [],
        "domain_requests": [row for row in requests if row.domain],
        "trust_request": next((row for row in requests if not row.domain), None),
        "not_ready": sso_setup.explain_not_ready(sign_on) if sign_on else "",
    }
    return render(request, "signin/sso_settings.html", context, status=422 if has_errors else 200)
