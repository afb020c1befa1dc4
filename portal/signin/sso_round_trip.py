"""A real sign-in round trip of an admin with their own account, before anybody depends on it."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialLogin
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.core.database import read_only
from portal.core.tenancy.scope import all_organizations
from portal.signin import sso_claims
from portal.signin.models import SingleSignOn
from portal.signin.sso_setup import Editor

SETTINGS_PAGE = "sso_settings"
_SESSION_KEY = "tested_single_sign_on"
_DATA_KEY = "tested_fingerprint"  # in the state of a sign-in that is a test


def begin_test(request: HttpRequest, sign_on: SingleSignOn) -> dict[str, str]:
    """Let this session reach a service that is not turned on; return the state of the test."""
    request.session[_SESSION_KEY] = sign_on.pk
    return {_DATA_KEY: sign_on.fingerprint}


def find_tested_id(request: HttpRequest | None) -> int | None:
    """Return the key of the service that this session is testing."""
    return getattr(request, "session", {}).get(_SESSION_KEY)


def is_test(state: Any) -> bool:
    return isinstance(state, dict) and _DATA_KEY in (state.get("data") or {})


@all_organizations("the state of the test names the service")
def finish_test(request: HttpRequest, sociallogin: SocialLogin) -> HttpResponse:
    """Compare the address with the admin's own and remember the success."""
    claims = sociallogin.account.get_provider_account().get_user_data() or {}
    sign_on = _find_tested(request)
    if sign_on is None:
        return fail_test(request, "You can't test this. Sign in as an admin and test again.")
    user = request.user
    try:
        email = sso_claims.get_verified_email(claims, sign_on)
    except sso_claims.AddressNotVerified as refusal:
        return fail_test(request, refusal.message)
    if email != user.email:  # type: ignore[union-attr]
        return fail_test(
            request,
            f"You signed in as {email}, but your account here is {user.email}. "  # type: ignore[union-attr]
            "Test with the account that has your own address.",
        )
    if sociallogin.state["data"][_DATA_KEY] != sign_on.fingerprint:
        return fail_test(request, "The settings changed during the test. Test again.")
    _record_success(request, sign_on)
    return redirect(SETTINGS_PAGE)


def fail_test(request: HttpRequest, sentence: str) -> HttpResponse:
    messages.error(request, f"Test failed. {sentence}")
    return redirect(SETTINGS_PAGE)


def _find_tested(request: HttpRequest) -> SingleSignOn | None:
    tested_id = request.session.pop(_SESSION_KEY, None)
    if not request.user.is_authenticated or read_only.is_read_only():
        return None
    admins = Membership.objects.filter(user=request.user, role=Membership.Role.ADMIN)
    rows = SingleSignOn.objects.select_related("organization")
    return rows.filter(pk=tested_id, organization__in=admins.values("organization")).first()


@transaction.atomic
def _record_success(request: HttpRequest, sign_on: SingleSignOn) -> None:
    user = request.user
    assert isinstance(user, User)  # noqa: S101  (for the type; `_find_tested` has checked)
    SingleSignOn.objects.filter(pk=sign_on.pk).update(
        tested_at=timezone.now(), tested_by=user, tested_fingerprint=sign_on.fingerprint
    )
    Editor(user, request).record(
        "tested", f"tested {sign_on.name} with their own account", sign_on.organization
    )
    messages.success(request, f"Test passed: {sign_on.name} confirmed {user.email}.")
