"""Email addresses and hiring teams: rows without Greenhouse ids, identified by a content hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec
from django.db import connection as database

from integrations.ats import types as ats
from integrations.ats.emails import normalize_email
from portal.connections.models import Connection
from portal.core.database.prepared_statements import send_values_apart
from portal.sync.engine.upsert import WriteResult
from portal.sync.models import AtsUser, AtsUserEmail, Job, SyncStep, TeamMember

_INSERT_MEMBERS_SQL = {
    vendor: f"""
        INSERT INTO {TeamMember._meta.db_table} (job_id, user_id, role)
        SELECT job.id, person.id, incoming.role FROM ({incoming}) incoming
        JOIN {Job._meta.db_table} job
            ON job.connection_id = %s AND job.remote_id = incoming.job
        JOIN {AtsUser._meta.db_table} person
            ON person.connection_id = %s AND person.remote_id = incoming.person
        WHERE NOT EXISTS (
            SELECT 1 FROM {TeamMember._meta.db_table} existing WHERE existing.job_id = job.id
                AND existing.user_id = person.id AND existing.role = incoming.role
        )
        ON CONFLICT DO NOTHING
        RETURNING id
    """  # noqa: S608  # our own tables
    for vendor, incoming in (
        (
            "postgresql",
            "SELECT * FROM json_to_recordset(%s::json)"
            " AS rows(job bigint, person bigint, role text)",
        ),
        (
            "sqlite",
            "SELECT json_extract(value, '$.job') AS job,"
            " json_extract(value, '$.person') AS person, json_extract(value, '$.role') AS role"
            " FROM json_each(%s)",
        ),
    )
}


def normalize_address(address: str | None) -> str:
    return normalize_email(address or "")[:254]


def hash_key(*parts: object) -> int:
    """Hash the parts to a signed 64-bit integer."""
    encoded = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big", signed=True)


def get_email_key(email: ats.UserEmail) -> int:
    return hash_key(email.user_id, normalize_address(email.address))


def get_member_key(member: ats.TeamMember) -> int:
    return hash_key(member.job_id, member.user_id, member.role[:30])


# -- addresses -----------------------------------------------------------------------------------
def has_email_list(connection: Connection) -> bool:
    """Whether the last sync read the list of addresses; v1 has none, its users carry them."""
    ended = (SyncStep.Status.DONE, SyncStep.Status.REFUSED, SyncStep.Status.SKIPPED)
    steps = SyncStep.objects.filter(run__connection=connection, kind="emails", status__in=ended)
    last = steps.order_by("-run_id").first()
    return last is not None and last.status == SyncStep.Status.DONE and last.read_count > 0


def replace_user_emails(connection: Connection, users: Sequence[ats.User], *, listed: bool) -> None:
    """Replace the addresses of these users, except listed ones while the list is read."""
    pks = _map_user_keys(connection, (u.id for u in users))
    wanted = {
        (pks[u.id], normalize_address(address)): normalize_address(address)
        == normalize_address(u.primary_email)
        for u in users
        for address in (*u.emails, u.primary_email)
        if normalize_address(address)
    }
    existing = {
        (email.user_id, email.address): email
        for email in AtsUserEmail.objects.filter(user_id__in=pks.values())
    }
    stale_pks = {
        email.pk
        for pair, email in existing.items()
        if pair not in wanted and (email.verified is None or not listed)
    }
    if stale_pks:
        AtsUserEmail.objects.filter(pk__in=stale_pks).delete()
    for pair, email in existing.items():
        primary = wanted.get(pair, False)
        if email.primary != primary and email.pk not in stale_pks:
            AtsUserEmail.objects.filter(pk=email.pk).update(primary=primary)
    AtsUserEmail.objects.bulk_create(
        (
            AtsUserEmail(user_id=user, address=address, primary=primary)
            for (user, address), primary in wanted.items()
            if (user, address) not in existing
        ),
        ignore_conflicts=True,
    )


def write_user_emails(connection: Connection, page: Sequence[ats.UserEmail]) -> WriteResult:
    """Add or update listed addresses with their verification state."""
    pks = _map_user_keys(connection, (e.user_id for e in page))
    incoming = {
        (pks[e.user_id], normalize_address(e.address)): e
        for e in page
        if e.user_id in pks and normalize_address(e.address)
    }
    existing = {
        (email.user_id, email.address): email
        for email in AtsUserEmail.objects.filter(user_id__in=pks.values())
    }
    new = [pair for pair in incoming if pair not in existing]
    changed = [
        pair
        for pair in incoming
        if pair in existing and existing[pair].verified != incoming[pair].verified
    ]
    AtsUserEmail.objects.bulk_create(
        (
            AtsUserEmail(user_id=pair[0], address=pair[1], verified=incoming[pair].verified)
            for pair in new
        ),
        ignore_conflicts=True,
    )
    for state in (True, False, None):
        pks_of_state = [existing[pair].pk for pair in changed if incoming[pair].verified is state]
        AtsUserEmail.objects.filter(pk__in=pks_of_state).update(verified=state)
    return WriteResult(
        record_count=len(page),
        created=tuple(get_email_key(incoming[pair]) for pair in new),
        changed=tuple(get_email_key(incoming[pair]) for pair in changed),
    )


def delete_unlisted_emails(
    connection: Connection, listed_keys: object, user_ids: Sequence[int] | None = None
) -> int:
    """After a complete read, or one of some users: delete addresses no longer listed."""
    listed = AtsUserEmail.objects.filter(user__connection=connection, verified__isnull=False)
    if user_ids is not None:
        listed = listed.filter(user__remote_id__in=user_ids)
    rows = listed.values_list("pk", "user__remote_id", "address", "primary")
    missing: list[int] = []
    unlisted: list[int] = []
    for pk, user, address, primary in rows.iterator(2000):
        if hash_key(user, address) not in listed_keys:  # type: ignore[operator]
            (unlisted if primary else missing).append(pk)
    AtsUserEmail.objects.filter(pk__in=unlisted).update(verified=None)
    AtsUserEmail.objects.filter(pk__in=missing).delete()
    return len(missing)


# -- hiring teams --------------------------------------------------------------------------------
def write_team_members(connection: Connection, page: Sequence[ats.TeamMember]) -> WriteResult:
    if not page:
        return WriteResult()
    members = {(m.job_id, m.user_id, m.role[:30]) for m in page}
    document = msgspec.json.encode(
        [{"job": job, "person": person, "role": role} for job, person, role in members]
    ).decode()
    with send_values_apart(), database.cursor() as cursor:
        cursor.execute(
            _INSERT_MEMBERS_SQL[database.vendor], [document, connection.pk, connection.pk]
        )
        created = tuple(pk for (pk,) in cursor.fetchall())
    return WriteResult(record_count=len(page), created=created)


def replace_job_teams(
    connection: Connection, teams: Mapping[int, Sequence[ats.TeamMember]]
) -> None:
    listed_keys = {get_member_key(m) for members in teams.values() for m in members}
    delete_unlisted_members(
        connection, listed_keys, TeamMember.objects.filter(job__remote_id__in=list(teams))
    )
    write_team_members(connection, [m for members in teams.values() for m in members])


def delete_unlisted_members(
    connection: Connection, listed_keys: object, queryset: object = None
) -> int:
    """After a complete read: delete members that Greenhouse no longer lists."""
    members = TeamMember.objects.all() if queryset is None else queryset
    rows = members.filter(job__connection=connection)  # type: ignore[attr-defined]
    stored = rows.values_list("pk", "job__remote_id", "user__remote_id", "role")
    missing = [
        pk
        for pk, job, user, role in stored.iterator(2000)
        if hash_key(job, user, role) not in listed_keys  # type: ignore[operator]
    ]
    for start in range(0, len(missing), 500):
        TeamMember.objects.filter(pk__in=missing[start : start + 500]).delete()
    return len(missing)


def _map_user_keys(connection: Connection, remote_ids: Iterable[int]) -> dict[int, int]:
    rows = AtsUser.objects.filter(connection=connection, remote_id__in={*remote_ids})
    return dict(rows.values_list("remote_id", "pk"))
