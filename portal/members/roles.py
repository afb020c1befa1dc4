"""Changing what a member is, and taking somebody out. An organization always keeps an admin."""

from __future__ import annotations

from django.db import transaction

from portal.accounts.models import Membership, Organization


class LastAdmin(Exception):
    """Without this person the organization would have no admin."""


@transaction.atomic
def change(membership: Membership, role: str) -> str:
    """Give a member another role; gives back the old one. Raises LastAdmin."""
    before = _held(membership, stays_admin=role == Membership.Role.ADMIN)
    Membership.objects.filter(pk=membership.pk).update(role=role)
    return before


@transaction.atomic
def take_out(membership: Membership) -> None:
    """End a membership; the account stays. Raises LastAdmin."""
    _held(membership, stays_admin=False)
    membership.delete()


def _held(membership: Membership, *, stays_admin: bool) -> str:
    """The present role, read under a lock, so that two last admins cannot both go."""
    Organization.objects.select_for_update().get(pk=membership.organization_id)
    before: str = Membership.objects.values_list("role", flat=True).get(pk=membership.pk)
    others = Membership.objects.filter(
        organization=membership.organization_id,
        role=Membership.Role.ADMIN,
        user__is_active=True,
    ).exclude(pk=membership.pk)
    if before == Membership.Role.ADMIN and not stays_admin and not others.exists():
        raise LastAdmin
    return before
