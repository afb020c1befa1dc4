"""Joining an organization through its single sign-on."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from portal.accounts.models import Membership, Organization, User

InvitationHook = Callable[[User, Organization, str], "Membership | None"]
_invitation_hooks: list[InvitationHook] = []


class MembershipEnded(Exception):
    """Only a new invitation can restore the ended membership."""


def register_invitation_hook(hook: InvitationHook) -> None:
    """Register a hook that accepts a pending invitation during single sign-on."""
    _invitation_hooks.append(hook)


@transaction.atomic
def join_organization(user: User, organization: Organization, email: str) -> Membership | None:
    """Return the new membership, or None if one is active. Raises MembershipEnded.

    The role comes from a pending invitation to the account's address or to `email`.
    """
    memberships = Membership._base_manager.filter(user=user, organization=organization)
    if memberships.filter(ended_at=None).exists():
        return None
    for hook in _invitation_hooks:
        if membership := hook(user, organization, email):
            return membership
    # The provider does not know whom an admin has removed here.
    if memberships.exists():
        raise MembershipEnded
    role = Membership.Role.RECRUITER
    return Membership.objects.start_membership(user, organization, role=role)[0]
