"""How allauth behaves here: nobody signs up by themselves; single sign-on brings its own people.

The provider's word counts only for addresses of the organization's own domains, and only where it
says that the address is verified. Then the person and the membership are made on the way in.
Whoever is signed in by it was judged first, whether found by the address or by the service's own
number for them.
"""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess, Provider
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import render

from integrations.ats.emails import normalize_email
from portal.accounts.access import membership_of
from portal.accounts.models import User
from portal.audit.record import record
from portal.core.client_ip import client_ip
from portal.core.secrets import SecretUnreadable, revealed
from portal.signin import addresses, joining
from portal.signin.models import SingleSignOn, sign_on_for

PROVIDER = "openid_connect"
SWITCHED_OFF = "This account is switched off. Your customer success manager can have it on again."


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by invitation or by single sign-on."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "This e-mail and password do not belong together. Please try "
        "again.",
        "too_many_login_attempts": "Too many tries in a row. Please wait some minutes and try "
        "again, or choose a new password.",
        "account_inactive": SWITCHED_OFF,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        address = client_ip(request)
        if address is None:  # attempts could not be counted
            raise PermissionDenied("The client's address is unknown: check TRUSTED_PROXIES")
        return address


class SignOnAdapter(DefaultSocialAccountAdapter):
    """Single sign-on per organization, configured in the admin instead of in settings."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The providers as allauth knows them; never stored, so that no secret lies about open."""
        chosen = SingleSignOn.objects.filter(enabled=True).select_related("organization")
        if provider and provider != PROVIDER:
            chosen = chosen.filter(organization__slug=provider)
        if client_id:
            chosen = chosen.filter(client_id=client_id)
        return [app for one in chosen if (app := _as_app(one))]

    def list_providers(self, request: HttpRequest) -> list[Provider]:
        """The reader's own organization's: allauth's pages link to each of these."""
        member = membership_of(request)
        slug = member.organization.slug if member else None
        return [one for one in super().list_providers(request) if one.app.provider_id == slug]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # pre_social_login has looked at the address already

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        sign_on = _sign_on_of(sociallogin)
        address = _verified_address(sociallogin)
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            # Whose address it is tells whom it opens, never who sits in front of the browser.
            _refuse(request, "A sign-in service is not added to an account: sign in with it.")
        if sign_on is None or not address:
            _refuse(request, "Your sign-in service did not confirm your e-mail address.")
        if sign_on_for(address) != sign_on:
            _refuse(request, f"{sign_on.name} does not speak for {address}.")
        known = User.objects.filter(email=address).first()
        linked = sociallogin.user if sociallogin.is_existing else None
        if linked and known and linked != known:
            _refuse(request, f"{address} belongs to another account here than yours so far.")
        person = linked or known
        if person is None:
            return
        _judge(request, person, sign_on)
        _join(request, person, sign_on, address)
        if linked is None:
            sociallogin.connect(request, person)
        if known is not None:
            addresses.confirm(known)

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = super().save_user(request, sociallogin, form)
        sign_on = _sign_on_of(sociallogin)
        addresses.confirm(user)
        if sign_on is not None:
            _join(request, user, sign_on, user.email)
        return user

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        user.name = str(data.get("name") or " ".join(p for p in parts if p))[:150]
        return user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        _refuse(request, "Your sign-in service did not let you in, or did not answer.")


def _as_app(one: SingleSignOn) -> SocialApp | None:
    try:
        secret = revealed(one.client_secret)
    except SecretUnreadable:  # it must be entered again; until then there is no such provider
        return None
    return SocialApp(
        provider=PROVIDER,
        provider_id=one.provider_id,
        name=one.name,
        client_id=one.client_id,
        secret=secret,
        settings={"server_url": one.server_url.rstrip("/"), "oauth_pkce_enabled": True},
    )


def _sign_on_of(sociallogin: SocialLogin) -> SingleSignOn | None:
    return (
        SingleSignOn.objects.filter(enabled=True, organization__slug=sociallogin.account.provider)
        .select_related("organization")
        .first()
    )


def _verified_address(sociallogin: SocialLogin) -> str:
    """The address that the service vouches for; "" where there is none.

    Read from its own claim: allauth has lower-cased it beyond ASCII, perhaps into somebody else's.
    """
    # `is True`: some providers send the word "false".
    verified = [e.email for e in sociallogin.email_addresses if e.verified is True]
    claims = sociallogin.account.get_provider_account().get_user_data() or {}
    claimed = normalize_email(str(claims.get("email", "")))
    return claimed if claimed in verified else ""


def _judge(request: HttpRequest, person: User, sign_on: SingleSignOn) -> None:
    """Another organization's provider must never open this account."""
    if not person.is_active:
        _refuse(request, SWITCHED_OFF)
    elsewhere = person.memberships.exclude(organization=sign_on.organization)
    if person.is_staff or elsewhere.exists():
        _refuse(request, "Your account here is known for another organization.")
    if sign_on_for(person.email) != sign_on:
        _refuse(request, f"{sign_on.name} does not speak for the address of your account here.")


def _join(request: HttpRequest, user: User, sign_on: SingleSignOn, address: str) -> None:
    """Make the membership on the way in."""
    try:
        joined = joining.join(user, sign_on.organization, address)
    except joining.TakenOut:
        page = render(request, "signin/taken_out.html", {"sign_on": sign_on}, status=403)
        raise ImmediateHttpResponse(page) from None
    if joined is not None:
        record(
            "signin.joined",
            f"joined through {sign_on.name} as {joined.get_role_display().lower()}",
            organization=sign_on.organization,
            by=user,
            request=request,
        )


def _refuse(request: HttpRequest, sentence: str) -> NoReturn:
    page = render(request, "signin/refused.html", {"sentence": sentence}, status=403)
    raise ImmediateHttpResponse(page)
