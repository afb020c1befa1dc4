"""Greenhouse users who have the email address of a member: their access is read most often.

Wider than `portal.entitlements.user_matching`: an address that is ambiguous, or not confirmed yet,
counts too.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.sync.models import AtsUser, AtsUserEmail

_NEVER_ACTIVE = datetime.min.replace(tzinfo=UTC)


def list_member_user_ids(connection: Connection) -> list[int]:
    """Return Greenhouse ids of members who can have grants, the most recently active first."""
    members = Membership.objects.filter(organization=connection.organization_id)
    last_active = dict(members.values_list("user__email", "last_active_at"))
    addresses = AtsUserEmail.objects.filter(
        user__connection=connection,
        user__gone_at=None,
        user__site_admin=False,
        user__deactivated=False,
        address__in=members.order_by().values("user__email"),
    )
    active_at: dict[int, datetime] = {}
    pairs = addresses.order_by("user__remote_id").values_list("user__remote_id", "address")
    for remote_id, address in pairs:
        at = last_active.get(address) or _NEVER_ACTIVE
        active_at[remote_id] = max(at, active_at.get(remote_id, at))
    return sorted(active_at, key=lambda remote_id: active_at[remote_id], reverse=True)


def select_members_without_grants(connection: Connection) -> QuerySet[AtsUser]:
    """Members whose grants Greenhouse never lists (Site Admins), or that open nothing."""
    members = Membership.objects.filter(
        organization=connection.organization_id, user__email=OuterRef("address")
    )
    addresses = AtsUserEmail.objects.filter(Exists(members), user=OuterRef("pk"))
    users = AtsUser.objects.filter(Q(site_admin=True) | Q(deactivated=True), connection=connection)
    return users.filter(Exists(addresses))
