"""Changing what a member is, and taking somebody out. An organization always keeps an admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.members.models import Invitation
from portal.notices.models import Notice

Ends = Callable[[Membership, "User | None"], None]
_also: list[Ends] = []


class LastAdmin(Exception):
    """Without this person the organization would have no admin."""


class Gone(Exception):
    """Somebody else has taken this person out meanwhile."""


@transaction.atomic
def change(membership: Membership, role: str) -> str:
    """Give a member another role; gives back the old one. Raises LastAdmin, Gone."""
    before = _held(membership, stays_admin=role == Membership.Role.ADMIN)
    Membership.objects.filter(pk=membership.pk).update(role=role)
    return before


def also_end(what: Ends) -> None:
    """Have this called with a membership that ends, and who ended it, within the transaction."""
    _also.append(what)


@transaction.atomic
def begin(user: User, organization: Organization, *, role: str) -> Membership:
    """Make the membership, or let one that had ended go on. No invitation of theirs stays open."""
    _close_invitations(user, organization, accepted_at=timezone.now())
    return Membership.objects.begin(user, organization, role=role)[0]


@transaction.atomic
def take_out(membership: Membership, *, by: User | None) -> None:
    """End a membership: it opens nothing any more. What was done stays, and so does the account.

    Raises LastAdmin, Gone.
    """
    _held(membership, stays_admin=False)
    end(membership, by=by)


@transaction.atomic
def end(membership: Membership, *, by: User | None) -> None:
    """As `take_out`, for whoever has seen to it that an admin stays."""
    now = timezone.now()
    Membership.objects.filter(pk=membership.pk).update(ended_at=now)
    membership.ended_at = now
    _close_invitations(membership.user, membership.organization, revoked_at=now)
    if not membership.user.is_staff:
        unsent = Notice.objects.filter(status__in=(Notice.Status.QUEUED, Notice.Status.HELD))
        unsent.filter(to=membership.user_id, organization=membership.organization_id).delete()
    for what in _also:
        what(membership, by)


def _held(membership: Membership, *, stays_admin: bool) -> str:
    """The present role, read under a lock, so that two last admins cannot both go."""
    Organization.objects.select_for_update().get(pk=membership.organization_id)
    before = Membership.objects.filter(pk=membership.pk).values_list("role", flat=True).first()
    if before is None:
        raise Gone
    others = Membership.objects.filter(
        organization=membership.organization_id,
        role=Membership.Role.ADMIN,
        user__is_active=True,
    ).exclude(pk=membership.pk)
    if before == Membership.Role.ADMIN and not stays_admin and not others.exists():
        raise LastAdmin
    return before


def _close_invitations(user: User, organization: Organization, **how: datetime) -> None:
    """An old link opens no place that began or ended in another way."""
    still = Invitation.objects.filter(organization=organization, email=user.email)
    still.filter(accepted_at=None, revoked_at=None).update(link="", **how)
