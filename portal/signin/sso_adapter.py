"""allauth's adapter for single sign-on per organization."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess, Provider
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import render
from requests import Session

from portal.accounts.access import get_membership
from portal.accounts.models import User
from portal.audit.entries import record_entry
from portal.core.names.text import clean_name
from portal.core.secrets.secret_field import SecretUnreadable, reveal_secret
from portal.core.tenancy.scope import all_organizations
from portal.signin import (
    email_confirmation,
    guarded_session,
    oidc,
    sso_claims,
    sso_membership,
    sso_round_trip,
    sso_subjects,
)
from portal.signin.account_adapter import ACCOUNT_DISABLED_MESSAGE
from portal.signin.models import SingleSignOn, find_single_sign_on

OIDC_PROVIDER = "openid_connect"


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    @all_organizations("the sign-in service names the organization")
    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Build unsaved apps, so that no client secret is stored unencrypted."""
        is_reachable = Q(enabled=True) | Q(pk=sso_round_trip.find_tested_id(request))
        queryset = SingleSignOn.objects.filter(is_reachable).select_related("organization")
        if provider and provider != OIDC_PROVIDER:
            queryset = queryset.filter(organization__slug=provider)
        if client_id:
            queryset = queryset.filter(client_id=client_id)
        return [app for single_sign_on in queryset if (app := _build_social_app(single_sign_on))]

    def list_providers(self, request: HttpRequest) -> list[Provider]:
        """Return only the user's own organization's provider; allauth's pages link to each."""
        membership = get_membership(request)
        slug = membership.organization.slug if membership else None
        return [
            provider
            for provider in super().list_providers(request)
            if provider.app.provider_id == slug
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # pre_social_login has checked the address

    # Trusts a provider only for verified addresses in its organization's own domains.
    @all_organizations("the address decides whose account opens")
    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sso_round_trip.is_test(sociallogin.state):
            raise ImmediateHttpResponse(sso_round_trip.finish_test(request, sociallogin))
        sign_on = _get_single_sign_on(sociallogin)
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            # The verified address decides which account opens, not the current session.
            _refuse_sign_in(request, "Sign in through single sign-on to link your account.")
        if sign_on is None:
            _refuse_sign_in(request, "Single sign-on is turned off for your company.")
        email = _get_verified_email(request, sociallogin, sign_on)
        if find_single_sign_on(email) != sign_on:
            _refuse_sign_in(request, f"{sign_on.name} isn't responsible for {email}.")
        existing_user = User.objects.filter(email=email).first()
        linked_user = sociallogin.user if sociallogin.is_existing else None
        if linked_user and existing_user and linked_user != existing_user:
            _refuse_sign_in(
                request, f"{email} belongs to another account than the one you used so far."
            )
        user = linked_user or existing_user
        if user is None:
            _set_verified_email(sociallogin, email)
            return
        _check_account_allowed(request, user, sign_on)
        if linked_user is None:
            _link_subject(request, sociallogin, user, sign_on, email)
        else:
            _ensure_membership(request, user, sign_on, email)
        if existing_user is not None:
            email_confirmation.confirm_email(existing_user)

    @all_organizations("the account joins the organization of its address")
    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = super().save_user(request, sociallogin, form)
        sign_on = _get_single_sign_on(sociallogin)
        email_confirmation.confirm_email(user)
        if sign_on is not None:
            _ensure_membership(request, user, sign_on, user.email)
        return user

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        user.name = clean_name(str(data.get("name") or " ".join(p for p in parts if p)))[:150]
        return user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        sentence = "Your company's single sign-on didn't confirm who you are, or didn't respond."
        if sso_round_trip.is_test((extra_context or {}).get("state")):
            detail = oidc.describe_failure(exception) or "The service didn't confirm who you are."
            raise ImmediateHttpResponse(sso_round_trip.fail_test(request, detail))
        _refuse_sign_in(request, sentence)

    def get_requests_session(self) -> Session:
        return guarded_session.build_session()


def _build_social_app(single_sign_on: SingleSignOn) -> SocialApp | None:
    try:
        secret = reveal_secret(single_sign_on.client_secret)
    except SecretUnreadable:  # unavailable until an operator enters the secret again
        return None
    return SocialApp(
        provider=OIDC_PROVIDER,
        provider_id=single_sign_on.provider_id,
        name=single_sign_on.name,
        client_id=single_sign_on.client_id,
        secret=secret,
        settings={"server_url": single_sign_on.server_url.rstrip("/"), "oauth_pkce_enabled": True},
    )


def _get_single_sign_on(sociallogin: SocialLogin) -> SingleSignOn | None:
    return (
        SingleSignOn.objects.filter(enabled=True, organization__slug=sociallogin.account.provider)
        .select_related("organization")
        .first()
    )


def _get_verified_email(
    request: HttpRequest, sociallogin: SocialLogin, sign_on: SingleSignOn
) -> str:
    # The raw claims: allauth lowercases beyond ASCII, perhaps into somebody else's address.
    claims = sociallogin.account.get_provider_account().get_user_data() or {}
    try:
        return sso_claims.get_verified_email(claims, sign_on)
    except sso_claims.AddressNotVerified as refusal:
        _refuse_sign_in(request, refusal.message)


def _set_verified_email(sociallogin: SocialLogin, email: str) -> None:
    """Have allauth create the account with the address as we compare it."""
    user = cast(User, sociallogin.user)
    user.email = email
    sociallogin.email_addresses = [EmailAddress(email=email, verified=True, primary=True)]


@transaction.atomic
def _link_subject(
    request: HttpRequest, sociallogin: SocialLogin, user: User, sign_on: SingleSignOn, email: str
) -> None:
    """Link a new subject to the account with its address, or refuse.

    If the account has another subject, the address may have changed hands: only an invitation, or
    an admin who allowed it (`sso_subjects.unlink_subjects`), opens the account.
    """
    User.objects.select_for_update().get(pk=user.pk)  # two subjects may arrive at once
    has_other_subject = sso_subjects.list_subjects(user, sign_on.organization).exists()
    joined = _ensure_membership(request, user, sign_on, email, invited_only=has_other_subject)
    if has_other_subject and not joined:
        _refuse_sign_in(
            request,
            f"{email} is linked to another {sign_on.name} account. Ask an admin of "
            f"{sign_on.organization} to allow a new sign-in on the Members page.",
        )
    sso_subjects.unlink_subjects(user, sign_on.organization)
    sociallogin.connect(request, user)


def _check_account_allowed(request: HttpRequest, user: User, sign_on: SingleSignOn) -> None:
    # One organization's provider must never open another organization's account. A member of
    # both has joined this one by proving in another way that the account is theirs.
    if not user.is_active:
        _refuse_sign_in(request, ACCOUNT_DISABLED_MESSAGE)
    organization_ids = {member.organization_id for member in user.memberships.all()}
    if user.is_staff or (organization_ids and sign_on.organization_id not in organization_ids):
        _refuse_sign_in(
            request,
            f"Your account belongs to another company, so {sign_on.name} can't open it. To join "
            f"{sign_on.organization} as well, ask your customer success manager.",
        )
    if find_single_sign_on(user.email) != sign_on:
        _refuse_sign_in(
            request, f"{sign_on.name} isn't responsible for your account's email address."
        )


def _ensure_membership(
    request: HttpRequest,
    user: User,
    sign_on: SingleSignOn,
    email: str,
    *,
    invited_only: bool = False,
) -> bool:
    """Return whether the user joined just now."""
    try:
        membership = sso_membership.join_organization(
            user, sign_on.organization, email, invited_only=invited_only
        )
    except sso_membership.MembershipEnded:
        page = render(request, "signin/membership_ended.html", {"sign_on": sign_on}, status=403)
        raise ImmediateHttpResponse(page) from None
    if membership is not None:
        record_entry(
            "signin.joined",
            f"joined with {sign_on.name} as {membership.get_role_display().lower()}",
            organization=sign_on.organization,
            by=user,
            request=request,
        )
    return membership is not None


def _refuse_sign_in(request: HttpRequest, message: str) -> NoReturn:
    page = render(request, "signin/sign_in_refused.html", {"sentence": message}, status=403)
    raise ImmediateHttpResponse(page)
