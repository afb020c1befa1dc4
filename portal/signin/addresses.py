"""Whether an e-mail address is the person's own: only then is it matched with Greenhouse.

It is confirmed by whoever could read a mail sent to it (an invitation, a reset, a confirmation),
or by the organization's own sign-in service.
"""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.models import User
from portal.signin.models import sign_on_for


def confirm(user: User) -> None:
    """The user's present address is their own. Saying it again changes nothing."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).update(primary=False)
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    if user.email_confirmed_at is None:
        user.email_confirmed_at = timezone.now()
        user.save(update_fields=["email_confirmed_at"])


def ask(request: HttpRequest, user: User) -> None:
    """Send the mail whose link confirms the user's present address."""
    row, _ = EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"primary": True}
    )
    row.send_confirmation(request)


def forget(user: User) -> None:
    """The address was changed by somebody else: it has to be confirmed anew.

    Nor does the sign-in service that vouched for the old one open the account any more, unless it
    speaks for the new one, too.
    """
    EmailAddress.objects.filter(user=user).delete()
    speaks = sign_on_for(user.email)
    linked = SocialAccount.objects.filter(user=user)
    (linked.exclude(provider=speaks.provider_id) if speaks else linked).delete()
    user.email_confirmed_at = None
    user.save(update_fields=["email_confirmed_at"])
