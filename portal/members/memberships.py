"""Starting, changing and ending memberships. An organization always keeps an active admin."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.emails import normalize_email
from portal.accounts.models import Membership, Organization, User
from portal.core.hooks import Hook
from portal.core.tenancy.scope import all_organizations
from portal.members.models import Invitation
from portal.notifications.models import Notification

# Called within the transaction; the first with who ended the membership.
membership_ended: Hook[[Membership, User | None], None] = Hook()
membership_started: Hook[[Membership], None] = Hook()


class LastAdmin(Exception):
    """The organization would be left without an admin."""


class MemberAlreadyRemoved(Exception):
    """Somebody else removed this member concurrently."""


@transaction.atomic
def change_role(membership: Membership, role: str) -> str:
    """Set a member's role and return the old one. Raises LastAdmin, MemberAlreadyRemoved."""
    previous_role = _lock_current_role(membership, stays_admin=role == Membership.Role.ADMIN)
    Membership.objects.filter(pk=membership.pk).update(role=role)
    return previous_role


@transaction.atomic
def start_membership(user: User, organization: Organization, *, role: str) -> Membership:
    """Start or resume a membership and close the user's open invitations."""
    _close_invitations(user, organization, accepted_at=timezone.now())
    membership, is_new = Membership.objects.start_membership(user, organization, role=role)
    if is_new:
        membership_started.run(membership)
    return membership


@transaction.atomic
def remove_member(membership: Membership, *, by: User | None) -> None:
    """End a membership; history and account stay. Raises LastAdmin, MemberAlreadyRemoved."""
    _lock_current_role(membership, stays_admin=False)
    end_membership(membership, by=by)


@transaction.atomic
def end_membership(membership: Membership, *, by: User | None) -> None:
    """Like `remove_member`, for callers that have ensured an admin remains."""
    now = timezone.now()
    Membership.objects.filter(pk=membership.pk).update(ended_at=now)
    membership.ended_at = now
    _close_invitations(membership.user, membership.organization, revoked_at=now)
    if not membership.user.is_staff:
        unsent = Notification.objects.filter(
            status__in=(Notification.Status.QUEUED, Notification.Status.DEFERRED)
        )
        unsent.filter(
            recipient=membership.user_id, organization=membership.organization_id
        ).delete()
    membership_ended.run(membership, by)


def list_organizations_left_without_admin(user: User) -> list[Organization]:
    """List where the user is the only active admin of other members."""
    return [
        membership.organization
        for membership in user.memberships.select_related("organization")
        if membership.is_admin
        and membership.organization.memberships.exclude(user=user).exists()
        and not _list_other_admins(membership).exists()
    ]


@all_organizations("the account may belong to any customer")
def list_other_memberships(email: str, organization: Organization | None) -> list[Membership]:
    """List the memberships of the account with this email at other customers."""
    memberships = Membership.objects.filter(user__email=normalize_email(email))
    return list(memberships.exclude(organization=organization).select_related("organization"))


def _list_other_admins(membership: Membership) -> QuerySet[Membership]:
    return Membership.objects.filter(
        organization=membership.organization_id,
        role=Membership.Role.ADMIN,
        user__is_active=True,
    ).exclude(pk=membership.pk)


def _lock_current_role(membership: Membership, *, stays_admin: bool) -> str:
    # Locked, so that the last two admins cannot both leave at once.
    Organization.objects.select_for_update().get(pk=membership.organization_id)
    current_role = (
        Membership.objects.filter(pk=membership.pk).values_list("role", flat=True).first()
    )
    if current_role is None:
        raise MemberAlreadyRemoved
    is_leaving = current_role == Membership.Role.ADMIN and not stays_admin
    if is_leaving and not _list_other_admins(membership).exists():
        raise LastAdmin
    return current_role


def _close_invitations(user: User, organization: Organization, **outcome: datetime) -> None:
    invitations = Invitation.objects.filter(organization=organization, email=user.email)
    invitations.filter(accepted_at=None, revoked_at=None).update(token="", **outcome)
