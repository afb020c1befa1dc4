"""Whose job grants a sync reads, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.sync.models import AtsUser, JobGrant, SyncRun, SyncStep
from portal.sync.records.member_users import list_member_user_ids

# How old others' access may be where each user's is a request of its own: six nights, and the hours
# in which a full sync may start.
OTHERS_INTERVAL = timedelta(days=6, hours=12)


@dataclass(frozen=True)
class UserSelection:
    user_ids: list[int]
    members_only: bool


def select_grant_readers(run: SyncRun, provider: Provider) -> UserSelection:
    """Members first; the others too, unless leaving them out saves requests.

    The first time that grants may be read, everybody's are, and whenever a person asks for a full
    sync. A sync of people leaves others out; a nightly one only where each user takes a request of
    its own, and not for longer than a week, nor those who were never read.
    """
    connection = run.connection
    members, read_times = list_member_user_ids(connection), _load_read_times(connection)
    everybody = UserSelection([*dict.fromkeys([*members, *read_times])], members_only=False)
    if "grants" in connection.unread_lists:
        return everybody
    if run.scope == SyncRun.Scope.PEOPLE:
        is_cheaper = _is_cheaper(connection, provider, members, everybody.user_ids)
        return UserSelection(members, members_only=True) if is_cheaper else everybody
    is_nightly = provider.lists_grants_by_user and run.requested_by_id is None
    if not is_nightly or _is_others_access_due(read_times):
        return everybody
    never_read = [user_id for user_id, read_at in read_times.items() if read_at is None]
    return UserSelection([*dict.fromkeys([*members, *never_read])], members_only=True)


def record_access_read(connection: Connection, step: SyncStep) -> None:
    """Remember when a full sync read these users' access."""
    users = AtsUser.objects.filter(connection=connection, remote_id__in=step.user_ids or ())
    users.update(access_read_at=step.started_at)


def _is_cheaper(
    connection: Connection, provider: Provider, members: list[int], everybody: list[int]
) -> bool:
    grants = JobGrant.objects.filter(connection=connection, gone_at=None).count()
    narrow, whole = (
        provider.count_grant_requests(users=len(users), account_grants=grants, narrow=narrow)
        for users, narrow in ((members, True), (everybody, False))
    )
    return narrow < whole


def _is_others_access_due(read_times: dict[int, datetime | None]) -> bool:
    times = [read_at for read_at in read_times.values() if read_at is not None]
    return not times or min(times) < timezone.now() - OTHERS_INTERVAL


def _load_read_times(connection: Connection) -> dict[int, datetime | None]:
    # Site Admins have no grants, deactivated users see nothing.
    users = AtsUser.objects.filter(
        connection=connection, gone_at=None, site_admin=False, deactivated=False
    )
    return dict(users.order_by("remote_id").values_list("remote_id", "access_read_at"))
