"""Whose job grants a sync reads, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.sync.models import AtsUser, JobGrant, SyncRun
from portal.sync.records.member_users import list_member_user_ids


@dataclass(frozen=True)
class UserSelection:
    user_ids: list[int]
    members_only: bool


def select_grant_readers(connection: Connection, scope: str, provider: Provider) -> UserSelection:
    """Members first; the others too, unless leaving them out saves a frequent sync requests.

    The first time that grants may be read, everybody's are.
    """
    members, everybody = list_member_user_ids(connection), _list_job_admin_ids(connection)
    if scope == SyncRun.Scope.PEOPLE and "grants" not in connection.unread_lists:
        grants = JobGrant.objects.filter(connection=connection, gone_at=None).count()
        narrow, whole = (
            provider.count_grant_requests(users=len(users), account_grants=grants, narrow=narrow)
            for users, narrow in ((members, True), (everybody, False))
        )
        if narrow < whole:
            return UserSelection(members, members_only=True)
    return UserSelection(list(dict.fromkeys([*members, *everybody])), members_only=False)


def _list_job_admin_ids(connection: Connection) -> list[int]:
    # Site Admins have no grants, deactivated users see nothing.
    users = AtsUser.objects.filter(
        connection=connection, gone_at=None, site_admin=False, deactivated=False
    )
    return list(users.order_by("remote_id").values_list("remote_id", flat=True))
