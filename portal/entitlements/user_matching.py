"""Matching members to Greenhouse users, by email only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import QuerySet

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.core.database.compiled_queries import compile_once
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
    except unverified ones; an email of two active users never matches, even if it is primary for
    one.
    """
    address = normalize_address(member.user.email)
    rows = _find_user_emails(member.organization_id, address) if address else []
    connection = rows[0].user.connection if rows else _get_connection(member.organization_id)
    if connection is None:
        return UserMatch(MatchStatus.NO_CONNECTION, address)
    if member.user.email_confirmed_at is None:
        return UserMatch(MatchStatus.UNCONFIRMED, address, connection)
    accepted_rows = [row for row in rows if row.verified is not False]
    if not accepted_rows:
        return UserMatch(MatchStatus.UNMATCHED, address, connection, is_unverified=bool(rows))
    candidates = select_match_candidates([row.user for row in accepted_rows])
    if len(candidates) > 1:
        return UserMatch(MatchStatus.AMBIGUOUS, address, connection)
    [user] = candidates
    [is_primary] = [row.primary for row in accepted_rows if row.user_id == user.pk]
    status = MatchStatus.DEACTIVATED if user.deactivated else MatchStatus.MATCHED
    return UserMatch(status, address, connection, user, is_primary=is_primary)


def select_match_candidates(users: Sequence[AtsUser]) -> list[AtsUser]:
    """Of the users with one address, return those it may stand for: more than one is no match.

    The active ones; people who return or are rehired often get a second account. If all are
    deactivated, the latest of them.
    """
    active_users = [user for user in users if not user.deactivated]
    return active_users or sorted(users, key=lambda user: user.remote_id)[-1:]


@compile_once
def _find_user_emails(organization_id: int, address: str) -> QuerySet[AtsUserEmail]:
    emails = AtsUserEmail.objects.filter(
        address=address, user__connection__organization_id=organization_id, user__gone_at=None
    )
    return emails.select_related("user__connection")


def _get_connection(organization_id: int) -> Connection | None:
    return Connection.objects.filter(organization_id=organization_id).first()
