"""Records sign-in events and keeps email confirmation up to date."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.socialaccount.models import SocialLogin
from django.db import transaction
from django.db.models.signals import post_delete, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from integrations.ats.emails import normalize_email
from portal.accounts.models import Organization, User
from portal.audit.entries import record_entry
from portal.core.tenancy.scope import all_organizations
from portal.signin import email_confirmation, known_devices, sso_sessions, sso_subjects
from portal.signin.models import SingleSignOn


@all_organizations("recorded in each of the person's organizations")
def _record_event(verb: str, description: str, request: HttpRequest | None, user: User) -> None:
    """In the log of each of the user's organizations; of people without one, in our own."""
    memberships = user.memberships.select_related("organization")
    organizations: list[Organization | None] = [member.organization for member in memberships]
    with transaction.atomic():
        for organization in organizations or [None]:
            record_entry(verb, description, organization=organization, by=user, request=request)


@receiver(account.user_logged_in)
def _record_sign_in(
    request: HttpRequest, user: User, sociallogin: SocialLogin | None = None, **_: Any
) -> None:
    if sociallogin is not None:
        sso_sessions.select_provider_organization(request, sociallogin.account.provider)
    _record_event("signin.signed_in", "signed in", request, user)
    known_devices.remember_device(request, user)


@receiver(account.email_confirmed)
def _update_confirmed_email(email_address: EmailAddress, **_: Any) -> None:
    if normalize_email(email_address.email) == email_address.user.email:
        email_confirmation.confirm_email(email_address.user)


@receiver(account.email_changed)
def _update_changed_email(user: User, to_email_address: EmailAddress, **_: Any) -> None:
    if to_email_address.verified:
        email_confirmation.confirm_email(user)
    else:
        user.email_confirmed_at = None
        user.save(update_fields=["email_confirmed_at"])


@receiver(account.password_reset)
def _confirm_after_reset(request: HttpRequest, user: User, **_: Any) -> None:
    email_confirmation.confirm_email(user)  # the reset link was emailed to this address
    known_devices.remember_device(request, user)


@receiver(account.password_changed)
@receiver(account.password_set)
@receiver(account.password_reset)
def _record_password_change(request: HttpRequest, user: User, **_: Any) -> None:
    _record_event("signin.password_changed", "changed their password", request, user)


@receiver(mfa.authenticator_added)
def _record_codes_enabled(request: HttpRequest, user: User, **_: Any) -> None:
    _record_event("signin.one_time_codes_enabled", "turned on two-step sign-in", request, user)


@receiver(mfa.authenticator_removed)
def _record_codes_disabled(request: HttpRequest, user: User, **_: Any) -> None:
    _record_event("signin.one_time_codes_disabled", "turned off two-step sign-in", request, user)


@receiver(pre_save, sender=SingleSignOn)
def _unlink_after_provider_change(instance: SingleSignOn, **_: Any) -> None:
    # Subjects are unique only within one issuer, and for some issuers only for one client.
    stored = SingleSignOn.objects.filter(pk=instance.pk).first()
    if stored is None or _identify_provider(stored) != _identify_provider(instance):
        sso_subjects.unlink_all_subjects(instance)


def _identify_provider(sign_on: SingleSignOn) -> tuple[int, str, str]:
    return sign_on.organization_id, sign_on.server_url.rstrip("/"), sign_on.client_id


@receiver(post_delete, sender=SingleSignOn)
def _unlink_after_deletion(instance: SingleSignOn, **_: Any) -> None:
    sso_subjects.unlink_all_subjects(instance)
