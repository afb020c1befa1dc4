"""Links between accounts and a provider's subjects: each account has at most one per provider.

A provider may give a former employee's address to somebody new, who arrives as another subject.
"""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.db.models import QuerySet

from portal.accounts.models import Organization, User
from portal.signin.models import SingleSignOn


def list_subjects(user: User, organization: Organization) -> QuerySet[Any]:
    subjects: QuerySet[Any] = SocialAccount.objects.filter(user=user, provider=organization.slug)
    return subjects


def list_linked_users(organization: Organization) -> set[int]:
    """Return the keys of users whose account has a subject of the organization's provider."""
    subjects = SocialAccount.objects.filter(provider=organization.slug)
    return set(subjects.values_list("user_id", flat=True))


def unlink_subjects(user: User, organization: Organization) -> bool:
    """Let another subject with the account's address open it; return whether any was linked."""
    return bool(list_subjects(user, organization).delete()[0])


def unlink_all_subjects(sign_on: SingleSignOn) -> None:
    SocialAccount.objects.filter(provider=sign_on.provider_id).delete()
