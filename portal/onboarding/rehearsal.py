"""The rehearsal: who will see how many requisitions, and why, before anybody signs in.

It counts by the rules of `portal.entitlements.rules`, for many people at once; a test holds the two
together. It reads what is mirrored so far, so it fills in while the first sync runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.connections.features import Features, features
from portal.connections.models import Connection
from portal.entitlements.people import Standing
from portal.mirror.models import AtsUser, AtsUserEmail, Job, JobGrant, TeamMember
from portal.mirror.write import folded


@dataclass(frozen=True)
class NearMiss:
    """Somebody in Greenhouse who may be the unmatched member, and what tells so."""

    user: AtsUser
    address: str
    why: str


@dataclass(frozen=True)
class Row:
    """A member of the portal, their Greenhouse user, and what they will see."""

    membership: Membership
    standing: Standing
    user: AtsUser | None
    jobs: int
    why: str
    near: tuple[NearMiss, ...] = ()


@dataclass(frozen=True)
class _Counts:
    """Open requisitions: those not confidential, and per Greenhouse user the granted ones."""

    plain: int
    granted: dict[int, int]
    confidential: dict[int, int]
    on_team: dict[int, int]


def rows(connection: Connection, members: Sequence[Membership]) -> list[Row]:
    """A row for each member, by as many questions to the database however many they are."""
    found = features(connection)
    matched = _matches(connection, [folded(m.user.email) for m in members])
    people = {user.pk: user for users in matched.values() for user in users}
    counts = _count(connection, people, found)
    lost = [m for m in members if not matched[folded(m.user.email)]]
    near = _near(connection, lost)
    return [_row(m, matched[folded(m.user.email)], counts, found, near) for m in members]


def _row(
    member: Membership,
    users: list[AtsUser],
    counts: _Counts,
    found: Features,
    near: dict[int, tuple[NearMiss, ...]],
) -> Row:
    if member.user.email_confirmed_at is None:
        why = "They have not confirmed this address here yet, so they see nothing until they do."
        return Row(member, Standing.UNCONFIRMED, None, 0, why)
    if not users:
        why = (
            "Nobody in Greenhouse has this address, so they see nothing. Add it to their "
            "Greenhouse account, or invite the address that Greenhouse has."
        )
        return Row(member, Standing.UNMATCHED, None, 0, why, near.get(member.pk, ()))
    if len(users) > 1:
        names = " and ".join(str(user) for user in users)
        why = f"{names} share this address in Greenhouse. Leave it on one of them only."
        return Row(member, Standing.AMBIGUOUS, None, 0, why)
    user = users[0]
    if user.deactivated:
        why = "Deactivated in Greenhouse, so they see nothing until reactivated there."
        return Row(member, Standing.DEACTIVATED, user, 0, why)
    jobs, why = _access(user, counts, found)
    return Row(member, Standing.MATCHED, user, jobs, why)


def _access(user: AtsUser, counts: _Counts, found: Features) -> tuple[int, str]:
    by_team = "job_admins" in found.off
    if user.site_admin:
        more = 0 if by_team else counts.confidential.get(user.pk, 0)
        words = "Site Admin: every open requisition that is not confidential"
        extra = f", and {more:,} confidential by a grant" if more else ""
        return counts.plain + more, f"{words}{extra}."
    if by_team:
        jobs = counts.on_team.get(user.pk, 0)
        return jobs, "On these hiring teams. The credential may not read exact access."
    jobs = counts.granted.get(user.pk, 0)
    if jobs:
        return jobs, "Job Admin of these in Greenhouse."
    return 0, "Neither Site Admin nor Job Admin of an open requisition in Greenhouse."


def _matches(connection: Connection, addresses: list[str]) -> dict[str, list[AtsUser]]:
    found: dict[str, list[AtsUser]] = defaultdict(list)
    emails = AtsUserEmail.objects.filter(
        address__in=addresses, user__connection=connection, user__gone_at=None
    ).exclude(verified=False)
    for row in emails.select_related("user"):
        found[row.address].append(row.user)
    return found


def _count(connection: Connection, people: Iterable[int], found: Features) -> _Counts:
    people = list(people)
    opened = Q(job__status=JobStatus.OPEN, job__gone_at=None, job__connection=connection)
    grants = JobGrant.objects.filter(opened, user__in=people, job_admin=True, gone_at=None)
    plain = Job.objects.filter(
        connection=connection, status=JobStatus.OPEN, gone_at=None, confidential=False
    )
    teams = TeamMember.objects.filter(opened, user__in=people, job__confidential=False)
    known = "hiring_team" not in found.off
    return _Counts(
        plain=plain.count(),
        granted=_by_user(grants),
        confidential=_by_user(grants.filter(job__confidential=True)),
        on_team=_by_user(teams) if known else {},
    )


def _by_user(of: QuerySet) -> dict[int, int]:
    pairs = of.order_by().values_list("user").annotate(jobs=Count("job", distinct=True))
    return dict(pairs.values_list("user", "jobs"))


# -- who it may be ------------------------------------------------------------------------------
def _near(connection: Connection, lost: list[Membership]) -> dict[int, tuple[NearMiss, ...]]:
    """Per unmatched member the Greenhouse users they may be, by one question."""
    if not lost:
        return {}
    wanted = Q(pk__in=())
    for member in lost:
        local = _local(member.user.email)
        wanted |= Q(address__startswith=f"{local}@") | Q(address__startswith=f"{local}+")
        if member.user.name:
            wanted |= Q(user__name__iexact=member.user.name)
    emails = AtsUserEmail.objects.filter(
        wanted, user__connection=connection, user__gone_at=None, user__deactivated=False
    )
    candidates = list(emails.select_related("user").order_by("user", "-primary", "id"))
    return {member.pk: _near_of(member, candidates) for member in lost}


def _near_of(member: Membership, candidates: list[AtsUserEmail]) -> tuple[NearMiss, ...]:
    found: dict[int, NearMiss] = {}
    for row in candidates:
        why = _resemblance(member, row)
        if why and row.user_id not in found:
            found[row.user_id] = NearMiss(row.user, row.address, why)
    return tuple(found.values())[:3]


def _resemblance(member: Membership, row: AtsUserEmail) -> str:
    mine = folded(member.user.email)
    if row.verified is False and row.address == mine:
        return "has this address, but never confirmed it in Greenhouse"
    if _local(row.address) == _local(mine):
        same_domain = row.address.partition("@")[2] == mine.partition("@")[2]
        return "an alias of the same address" if same_domain else "same name, other domain"
    if row.user.name and row.user.name.casefold() == member.user.name.casefold():
        return "same name, other address"
    return ""


def _local(address: str) -> str:
    """What stands before the @, without a "+tag"."""
    return folded(address).partition("@")[0].partition("+")[0]


# -- who is not here yet ------------------------------------------------------------------------
def not_here(connection: Connection, words: str = "") -> QuerySet[AtsUser]:
    """Greenhouse users who would see something and have no account here, by name.

    With `words` those in whose name or addresses each of them is found.
    """
    organization = connection.organization_id
    here = Membership.objects.filter(organization=organization)
    known = [folded(email) for email in here.values_list("user__email", flat=True)]
    addresses = AtsUserEmail.objects.filter(user=OuterRef("pk"))
    found = (
        AtsUser.objects.filter(connection=connection, gone_at=None, deactivated=False)
        .filter(Q(site_admin=True) | _has_a_job(features(connection)))
        .exclude(Exists(addresses.filter(address__in=known)))
        .exclude(primary_email="")
    )
    for word in words.split():
        address = Exists(addresses.filter(address__contains=folded(word)))
        found = found.filter(Q(name__icontains=word) | address)
    return found.order_by("name", "pk")


def _has_a_job(known: Features) -> Q:
    """Who is a Job Admin of an open requisition; where that may not be read, who is on its team."""
    opened = {
        "user": OuterRef("pk"),
        "job__status": JobStatus.OPEN,
        "job__gone_at": None,
    }
    if "job_admins" not in known.off:
        return Q(Exists(JobGrant.objects.filter(**opened, job_admin=True, gone_at=None)))
    if "hiring_team" in known.off:
        return Q(pk__in=())
    return Q(Exists(TeamMember.objects.filter(**opened, job__confidential=False)))
