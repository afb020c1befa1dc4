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
    UNCONFIRMED = "unconfirmed"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Match:
    """`user` is set when exactly one Greenhouse user has the address, deactivated ones too.

    `primary`: whether the address is that user's first one. `unverified`: whether the address
    stands at somebody in Greenhouse, but was never confirmed there.
    """

    standing: Standing
    address: str
    connection: Connection | None = None
    user: AtsUser | None = None
    primary: bool = False
    unverified: bool = False


def match(member: Membership) -> Match:
    """The Greenhouse user with the member's e-mail address, without regard to case.

    The member's own address counts once it is confirmed here (portal.signin.addresses).

    Every address of a Greenhouse user counts, save those that Greenhouse calls unverified. Two
    users with one address: no match, even where it is the primary address of one of them.
    """
    address = folded(member.user.email)
    rows = _with_address(member.organization_id, address)
    connection = rows[0].user.connection if rows else _connection_of(member.organization_id)
    if connection is None:
        return Match(Standing.NO_CONNECTION, address)
    if member.user.email_confirmed_at is None:
        return Match(Standing.UNCONFIRMED, address, connection)
    counting = [row for row in rows if row.verified is not False]
    if not counting:
        return Match(Standing.UNMATCHED, address, connection, unverified=bool(rows))
    if len(counting) > 1:
        return Match(Standing.AMBIGUOUS, address, connection)
    user = counting[0].user
    standing = Standing.DEACTIVATED if user.deactivated else Standing.MATCHED
    return Match(standing, address, connection, user, primary=counting[0].primary)


def _with_address(organization_id: int, address: str) -> list[AtsUserEmail]:
    """With their connection at once: every request asks for both."""
    found = AtsUserEmail.objects.filter(
        address=address, user__connection__organization_id=organization_id, user__gone_at=None
    )
    return list(found.select_related("user__connection")) if address else []


def _connection_of(organization_id: int) -> Connection | None:
    return Connection.objects.filter(organization_id=organization_id).first()
