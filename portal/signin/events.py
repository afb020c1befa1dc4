"""What the record keeps of comings and goings."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from django.dispatch import receiver
from django.http import HttpRequest

from integrations.ats.emails import normalize_email
from portal.accounts.models import User
from portal.audit.record import record
from portal.signin import addresses


def _keep(verb: str, words: str, request: HttpRequest | None, user: User) -> None:
    for member in user.memberships.select_related("organization"):
        record(verb, words, organization=member.organization, by=user, request=request)


@receiver(account.user_logged_in)
def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    _keep("signin.in", "signed in", request, user)


@receiver(account.email_confirmed)
def _confirmed(email_address: EmailAddress, **_: Any) -> None:
    if normalize_email(email_address.email) == email_address.user.email:
        addresses.confirm(email_address.user)


@receiver(account.email_changed)
def _other_address(user: User, to_email_address: EmailAddress, **_: Any) -> None:
    if to_email_address.verified:
        addresses.confirm(user)
    else:
        user.email_confirmed_at = None
        user.save(update_fields=["email_confirmed_at"])


@receiver(account.password_reset)
def _read_the_mail(user: User, **_: Any) -> None:
    addresses.confirm(user)  # the reset's link came by mail to this address


@receiver(account.password_changed)
@receiver(account.password_set)
@receiver(account.password_reset)
def _password(request: HttpRequest, user: User, **_: Any) -> None:
    _keep("signin.password", "chose a new password", request, user)


@receiver(mfa.authenticator_added)
def _codes_on(request: HttpRequest, user: User, **_: Any) -> None:
    _keep("signin.codes_on", "switched one-time codes on", request, user)


@receiver(mfa.authenticator_removed)
def _codes_off(request: HttpRequest, user: User, **_: Any) -> None:
    _keep("signin.codes_off", "switched one-time codes off", request, user)
