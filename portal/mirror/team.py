"""Addresses of users and places on hiring teams: small rows that carry no id of Greenhouse's.

`key` names such a row by what it says, so that a complete read can tell which are no longer there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from integrations.ats import types as ats
from integrations.ats.emails import normalize_email
from portal.connections.models import Connection
from portal.mirror.models import AtsUser, AtsUserEmail, Job, SyncStep, TeamMember
from portal.mirror.upsert import Written


def folded(address: str | None) -> str:
    """An address as it is stored and compared, cut to what the column holds."""
    return normalize_email(address or "")[:254]


def key(*parts: object) -> int:
    """A row by what it says, as a number that databases hold."""
    told = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big", signed=True)


def email_key(email: ats.UserEmail) -> int:
    return key(email.user_id, folded(email.address))


def member_key(member: ats.TeamMember) -> int:
    return key(member.job_id, member.user_id, member.role[:30])


# -- addresses -----------------------------------------------------------------------------------
def are_listed(connection: Connection) -> bool:
    """Whether the list of addresses with their verification is read: not where it was left out or
    refused the last time that a sync came to it, nor where users carry their addresses (v1).
    """
    ended = (SyncStep.Status.DONE, SyncStep.Status.REFUSED, SyncStep.Status.LEFT_OUT)
    steps = SyncStep.objects.filter(run__connection=connection, kind="emails", status__in=ended)
    last = steps.order_by("-run_id").first()
    return last is not None and last.status == SyncStep.Status.DONE and last.seen > 0


def addresses(connection: Connection, users: Sequence[ats.User], *, listed: bool) -> None:
    """Make the addresses that these users carry exactly theirs; verified ones have a list, as long
    as it is read: after that, what a user does not carry opens nothing any more.
    """
    pks = _users(connection, (u.id for u in users))
    wanted = {
        (pks[u.id], folded(address)): folded(address) == folded(u.primary_email)
        for u in users
        for address in (*u.emails, u.primary_email)
        if folded(address)
    }
    here = {
        (one.user_id, one.address): one
        for one in AtsUserEmail.objects.filter(user_id__in=pks.values())
    }
    lost = {
        one.pk
        for at, one in here.items()
        if at not in wanted and (one.verified is None or not listed)
    }
    if lost:
        AtsUserEmail.objects.filter(pk__in=lost).delete()
    for at, one in here.items():
        primary = wanted.get(at, False)
        if one.primary != primary and one.pk not in lost:
            AtsUserEmail.objects.filter(pk=one.pk).update(primary=primary)
    AtsUserEmail.objects.bulk_create(
        (
            AtsUserEmail(user_id=user, address=address, primary=primary)
            for (user, address), primary in wanted.items()
            if (user, address) not in here
        ),
        ignore_conflicts=True,
    )


def verified(connection: Connection, page: Sequence[ats.UserEmail]) -> Written:
    """Addresses told apart by their verification; adds to what the users themselves carry."""
    pks = _users(connection, (e.user_id for e in page))
    told = {
        (pks[e.user_id], folded(e.address)): e
        for e in page
        if e.user_id in pks and folded(e.address)
    }
    here = {
        (one.user_id, one.address): one
        for one in AtsUserEmail.objects.filter(user_id__in=pks.values())
    }
    new = [at for at in told if at not in here]
    changed = [at for at in told if at in here and here[at].verified != told[at].verified]
    AtsUserEmail.objects.bulk_create(
        (AtsUserEmail(user_id=at[0], address=at[1], verified=told[at].verified) for at in new),
        ignore_conflicts=True,
    )
    for state in (True, False, None):
        pks_of_state = [here[at].pk for at in changed if told[at].verified is state]
        AtsUserEmail.objects.filter(pk__in=pks_of_state).update(verified=state)
    return Written(
        told=len(page),
        created=tuple(email_key(told[at]) for at in new),
        changed=tuple(email_key(told[at]) for at in changed),
    )


def forget_addresses(connection: Connection, kept: object) -> int:
    """After a complete read: addresses that Greenhouse no longer lists match nobody any more."""
    listed = AtsUserEmail.objects.filter(user__connection=connection, verified__isnull=False)
    rows = listed.values_list("pk", "user__remote_id", "address", "primary")
    lost: list[int] = []
    unlisted: list[int] = []
    for pk, user, address, primary in rows.iterator(2000):
        if key(user, address) not in kept:  # type: ignore[operator]
            (unlisted if primary else lost).append(pk)
    AtsUserEmail.objects.filter(pk__in=unlisted).update(verified=None)
    AtsUserEmail.objects.filter(pk__in=lost).delete()
    return len(lost)


# -- hiring teams --------------------------------------------------------------------------------
def places(connection: Connection, page: Sequence[ats.TeamMember]) -> Written:
    """Add places on hiring teams."""
    users = _users(connection, (m.user_id for m in page))
    jobs = _jobs(connection, (m.job_id for m in page))
    told = {
        (jobs[m.job_id], users[m.user_id], m.role[:30]): m
        for m in page
        if m.job_id in jobs and m.user_id in users
    }
    here = set(
        TeamMember.objects.filter(job_id__in={job for job, _, _ in told}).values_list(
            "job_id", "user_id", "role"
        )
    )
    new = [at for at in told if at not in here]
    TeamMember.objects.bulk_create(
        (TeamMember(job_id=job, user_id=user, role=role) for job, user, role in new),
        ignore_conflicts=True,
    )
    return Written(told=len(page), created=tuple(member_key(told[at]) for at in new))


def of_jobs(connection: Connection, teams: Mapping[int, Sequence[ats.TeamMember]]) -> None:
    """Make the teams of these jobs exactly these."""
    kept = {member_key(m) for members in teams.values() for m in members}
    forget_places(connection, kept, TeamMember.objects.filter(job__remote_id__in=list(teams)))
    places(connection, [m for members in teams.values() for m in members])


def forget_places(connection: Connection, kept: object, among: object = None) -> int:
    """After a complete read: places that Greenhouse no longer lists."""
    members = TeamMember.objects.all() if among is None else among
    rows = members.filter(job__connection=connection)  # type: ignore[attr-defined]
    told = rows.values_list("pk", "job__remote_id", "user__remote_id", "role")
    lost = [
        pk
        for pk, job, user, role in told.iterator(2000)
        if key(job, user, role) not in kept  # type: ignore[operator]
    ]
    for start in range(0, len(lost), 500):
        TeamMember.objects.filter(pk__in=lost[start : start + 500]).delete()
    return len(lost)


def _users(connection: Connection, remote_ids: Iterable[int]) -> dict[int, int]:
    rows = AtsUser.objects.filter(connection=connection, remote_id__in={*remote_ids})
    return dict(rows.values_list("remote_id", "pk"))


def _jobs(connection: Connection, remote_ids: Iterable[int]) -> dict[int, int]:
    rows = Job.objects.filter(connection=connection, remote_id__in={*remote_ids})
    return dict(rows.values_list("remote_id", "pk"))
