"""Joining an organization through its single sign-on."""

from __future__ import annotations

from django.db import transaction

from portal.accounts.models import Membership, Organization, User
from portal.core.hooks import Hook

# Accepts a pending invitation to the user or the address, if there is one.
joining_by_sso: Hook[[User, Organization, str], Membership | None] = Hook()
# Called within the transaction.
joined_by_sso: Hook[[Membership], None] = Hook()


class MembershipEnded(Exception):
    """Only a new invitation can restore the ended membership."""


@transaction.atomic
def join_organization(
    user: User, organization: Organization, email: str, *, invited_only: bool = False
) -> Membership | None:
    """Return the new membership, or None if one is active. Raises MembershipEnded.

    The role comes from a pending invitation to the account's address or to `email`. With
    `invited_only`, nobody joins without one, and None is returned.
    """
    memberships = Membership._base_manager.filter(user=user, organization=organization)
    if memberships.filter(ended_at=None).exists():
        return None
    for membership in joining_by_sso.run(user, organization, email):
        if membership is not None:
            return membership
    # The provider does not know whom an admin has removed here.
    if memberships.exists():
        raise MembershipEnded
    if invited_only:
        return None
    role = Membership.Role.RECRUITER
    membership, _ = Membership.objects.start_membership(user, organization, role=role)
    joined_by_sso.run(membership)
    return membership
