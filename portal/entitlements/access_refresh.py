"""Reading a member's access again when they come back and it is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from portal.core.database import read_only
from portal.entitlements.rules import Rights
from portal.sync import freshness
from portal.sync.models import RefreshRequest
from portal.sync.records.refresh_requests import request_refresh
from portal.sync.schedule import PEOPLE_INTERVAL

MARGIN = timedelta(minutes=1)  # for a read that is under way


@dataclass(frozen=True)
class OldAccess:
    read_at: datetime
    is_refreshing: bool


def refresh_old_access(rights: Rights) -> OldAccess | None:
    """Return how old the member's access is, requesting it; None if it was read just now."""
    connection, user = rights.match.connection, rights.match.user
    if connection is None or user is None:
        return None
    read_at = freshness.get_access_read_at(connection, user)
    if read_at is None or timezone.now() - read_at <= PEOPLE_INTERVAL + MARGIN:
        return None
    # Where the hiring team stands in for grants, only a sync of people can read it.
    can_refresh = rights.can_act and not rights.uses_hiring_team and not read_only.is_read_only()
    if can_refresh:
        request_refresh(connection, RefreshRequest.Kind.PERSON, user.remote_id)
    return OldAccess(read_at, can_refresh)
