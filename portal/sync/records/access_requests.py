"""Request that a person's access is read now rather than by the next sync."""

from __future__ import annotations

from portal.accounts.models import Membership, User
from portal.connections.models import Connection
from portal.members.models import Invitation
from portal.sync.models import AtsUser, RefreshRequest
from portal.sync.records.hiring_team import normalize_address
from portal.sync.records.refresh_requests import request_refresh


def request_member_access(membership: Membership) -> None:
    _request_address_access(membership.organization_id, membership.user.email)


def request_invited_access(invitation: Invitation) -> None:
    _request_address_access(invitation.organization_id, invitation.email)


def request_confirmed_access(user: User) -> None:
    for membership in Membership.objects.filter(user=user):
        _request_address_access(membership.organization_id, user.email)


def _request_address_access(organization_id: int, email: str) -> None:
    connections = Connection.objects.filter(
        organization=organization_id, state__in=Connection.LIVE_STATES, data_deletion_pending=False
    )
    connection = connections.first()
    if connection is None:  # the first sync reads everybody
        return
    users = AtsUser.objects.filter(
        connection=connection, gone_at=None, emails__address=normalize_address(email)
    )
    remote_ids = list(users.values_list("remote_id", flat=True))
    for remote_id in remote_ids:
        request_refresh(connection, RefreshRequest.Kind.PERSON, remote_id)
    if not remote_ids:  # they may be new in Greenhouse
        request_refresh(connection, RefreshRequest.Kind.PEOPLE)
