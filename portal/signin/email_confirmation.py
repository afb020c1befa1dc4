"""Confirmed email addresses: only these are matched with Greenhouse users."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.models import User
from portal.core.hooks import Hook
from portal.core.tenancy.scope import all_organizations
from portal.signin.models import find_single_sign_on

# Called whenever an address is confirmed, also again.
email_confirmed: Hook[[User], None] = Hook()


@all_organizations("the address may match users of several organizations")
def confirm_email(user: User) -> None:
    """Mark the user's current address as verified; idempotent."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).update(primary=False)
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    if user.email_confirmed_at is None:
        user.email_confirmed_at = timezone.now()
        user.save(update_fields=["email_confirmed_at"])
    email_confirmed.run(user)


def send_confirmation(request: HttpRequest, user: User) -> None:
    row, _ = EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"primary": True}
    )
    row.send_confirmation(request)


def reset_confirmation(user: User) -> None:
    """Require a new confirmation after staff changed the address.

    Also unlinks sign-in services, except one responsible for the new address.
    """
    EmailAddress.objects.filter(user=user).delete()
    single_sign_on = find_single_sign_on(user.email)
    linked_accounts = SocialAccount.objects.filter(user=user)
    (
        linked_accounts.exclude(provider=single_sign_on.provider_id)
        if single_sign_on
        else linked_accounts
    ).delete()
    user.email_confirmed_at = None
    user.save(update_fields=["email_confirmed_at"])
