"""Who a member is in Greenhouse: matched by e-mail, and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.mirror.models import AtsUser, AtsUserEmail
from portal.mirror.write import folded


class Standing(StrEnum):
    """How the matching ended. Only `matched` lets anybody see anything."""

    MATCHED = "matched"
    NO_CONNECTION = "no_connection"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Match:
    """`user` is set when exactly one Greenhouse user has the address, deactivated ones too."""

    standing: Standing
    address: str
    connection: Connection | None = None
    user: AtsUser | None = None


def match(member: Membership) -> Match:
    """The Greenhouse user with the member's e-mail address, without regard to case.

    Addresses that Greenhouse calls unverified do not count. Two users with one address: no match.
    """
    address = folded(member.user.email)
    connection = Connection.objects.filter(organization_id=member.organization_id).first()
    if connection is None:
        return Match(Standing.NO_CONNECTION, address)
    users = _with_address(connection, address)
    if not users:
        return Match(Standing.UNMATCHED, address, connection)
    if len(users) > 1:
        return Match(Standing.AMBIGUOUS, address, connection)
    standing = Standing.DEACTIVATED if users[0].deactivated else Standing.MATCHED
    return Match(standing, address, connection, users[0])


def _with_address(connection: Connection, address: str) -> list[AtsUser]:
    rows = (
        AtsUserEmail.objects.filter(
            address=address, user__connection=connection, user__gone_at=None
        )
        .exclude(verified=False)
        .select_related("user")
    )
    return [row.user for row in rows]
