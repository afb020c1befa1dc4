"""Matching members to Greenhouse users, by email only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.sync.models import AtsUser, AtsUserEmail
from portal.sync.records.hiring_team import normalize_address


class MatchStatus(StrEnum):
    """Only MATCHED gives access."""

    MATCHED = "matched"
    NO_CONNECTION = "no_connection"
    UNCONFIRMED = "unconfirmed"
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class UserMatch:
    status: MatchStatus
    email: str
    connection: Connection | None = None
    user: AtsUser | None = None  # set for deactivated users too
    is_primary: bool = False
    is_unverified: bool = False  # Greenhouse has the email but never verified it


def match_user(member: Membership) -> UserMatch:
    """Match by the member's confirmed email, ignoring case. All emails of a Greenhouse user count
    except unverified ones; an email of two users never matches, even if it is primary for one.
    """
    address = normalize_address(member.user.email)
    rows = _find_user_emails(member.organization_id, address)
    connection = rows[0].user.connection if rows else _get_connection(member.organization_id)
    if connection is None:
        return UserMatch(MatchStatus.NO_CONNECTION, address)
    if member.user.email_confirmed_at is None:
        return UserMatch(MatchStatus.UNCONFIRMED, address, connection)
    accepted_rows = [row for row in rows if row.verified is not False]
    if not accepted_rows:
        return UserMatch(MatchStatus.UNMATCHED, address, connection, is_unverified=bool(rows))
    if len(accepted_rows) > 1:
        return UserMatch(MatchStatus.AMBIGUOUS, address, connection)
    user = accepted_rows[0].user
    status = MatchStatus.DEACTIVATED if user.deactivated else MatchStatus.MATCHED
    return UserMatch(status, address, connection, user, is_primary=accepted_rows[0].primary)


def _find_user_emails(organization_id: int, address: str) -> list[AtsUserEmail]:
    emails = AtsUserEmail.objects.filter(
        address=address, user__connection__organization_id=organization_id, user__gone_at=None
    )
    return list(emails.select_related("user__connection")) if address else []


def _get_connection(organization_id: int) -> Connection | None:
    return Connection.objects.filter(organization_id=organization_id).first()
