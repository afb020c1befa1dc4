"""Write pages of Greenhouse's users and user roles."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.core.names.search_keys import build_search_key
from portal.core.names.text import clean_person_name, clean_title
from portal.sync.engine.upsert import UpsertTable, WriteResult
from portal.sync.models import AtsRole, AtsUser
from portal.sync.records import hiring_team
from portal.sync.records.hiring_team import normalize_address

ROLE_TABLE = UpsertTable(AtsRole, ("name", "type"))
USER_TABLE = UpsertTable(
    AtsUser, ("name", "search_name", "primary_email", "site_admin", "deactivated")
)


def write_roles(connection: Connection, page: Sequence[ats.UserRole]) -> WriteResult:
    return ROLE_TABLE.write(
        connection,
        (
            {"remote_id": r.id, "name": clean_title(r.name, r.id)[:200], "type": r.type[:40]}
            for r in page
        ),
    )


def write_users(connection: Connection, page: Sequence[ats.User]) -> WriteResult:
    written = USER_TABLE.write(
        connection,
        (
            {
                "remote_id": u.id,
                "name": clean_person_name(u.name)[:200],
                "search_name": build_search_key(u.name),
                "primary_email": normalize_address(u.primary_email),
                "site_admin": u.site_admin,
                "deactivated": u.deactivated,
                "emails": u.emails,
            }
            for u in page
        ),
    )
    listed, written_ids = hiring_team.has_email_list(connection), {*written.written_ids}
    to_update = [u for u in page if u.id in written_ids or not listed]
    hiring_team.replace_user_emails(connection, to_update, listed=listed)
    return written
