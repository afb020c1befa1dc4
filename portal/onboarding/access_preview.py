"""Access preview: what each member will see, counted from what has been synced so far.

Counts by the rule of `portal.entitlements.access_paths`, for many people at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.connections.permissions.features import Features, load_features
from portal.core.names.search_keys import is_same_name, match_name
from portal.entitlements.access_paths import list_access_paths
from portal.entitlements.user_matching import MatchStatus, select_match_candidates
from portal.sync.models import AtsUser, AtsUserEmail, Job
from portal.sync.records.hiring_team import normalize_address


@dataclass(frozen=True)
class PossibleMatch:
    """A Greenhouse user who may be the unmatched member."""

    user: AtsUser
    address: str
    reason: str


@dataclass(frozen=True)
class PreviewRow:
    membership: Membership
    status: MatchStatus
    user: AtsUser | None
    jobs: int
    reason: str
    possible_matches: tuple[PossibleMatch, ...] = ()


@dataclass(frozen=True)
class _JobCounts:
    """Open requisitions: those that aren't confidential, and those of each Greenhouse user."""

    plain: int
    by_user: dict[int, int]
    confidential: dict[int, int]


def build_preview_rows(connection: Connection, members: Sequence[Membership]) -> list[PreviewRow]:
    """One row per member, by a constant number of queries."""
    feature_set = load_features(connection)
    matched = _match_users(connection, [normalize_address(m.user.email) for m in members])
    user_pks = {user.pk: user for users in matched.values() for user in users}
    counts = _count_jobs(connection, user_pks, feature_set)
    unmatched = [m for m in members if not matched[normalize_address(m.user.email)]]
    possible_matches = _find_possible_matches(connection, unmatched)
    return [
        _build_row(
            m, matched[normalize_address(m.user.email)], counts, feature_set, possible_matches
        )
        for m in members
    ]


def _build_row(
    member: Membership,
    users: list[AtsUser],
    counts: _JobCounts,
    feature_set: Features,
    possible_matches: dict[int, tuple[PossibleMatch, ...]],
) -> PreviewRow:
    if member.user.email_confirmed_at is None:
        why = "This address isn't confirmed yet, so they see nothing. Ask them to confirm it."
        return PreviewRow(member, MatchStatus.UNCONFIRMED, None, 0, why)
    if not users:
        why = (
            "No Greenhouse user has this address, so they see nothing. Add it to their Greenhouse "
            "account, or invite the address that Greenhouse has."
        )
        return PreviewRow(
            member, MatchStatus.UNMATCHED, None, 0, why, possible_matches.get(member.pk, ())
        )
    if len(users) > 1:
        names = " and ".join(str(user) for user in users)
        why = f"{names} share this address in Greenhouse. Keep it on only one of them."
        return PreviewRow(member, MatchStatus.AMBIGUOUS, None, 0, why)
    user = users[0]
    if user.deactivated:
        why = "Deactivated in Greenhouse, so they see nothing. Reactivate them there."
        return PreviewRow(member, MatchStatus.DEACTIVATED, user, 0, why)
    jobs, why = _describe_access(user, counts, feature_set)
    return PreviewRow(member, MatchStatus.MATCHED, user, jobs, why)


def _describe_access(user: AtsUser, counts: _JobCounts, feature_set: Features) -> tuple[int, str]:
    is_team_based = "job_admins" in feature_set.unavailable
    if user.site_admin:
        extra_count = counts.confidential.get(user.pk, 0)
        reason = "Site Admin: all open requisitions that aren't confidential"
        extra = f", and {extra_count:,} confidential ones they were added to" if extra_count else ""
        return counts.plain + extra_count, f"{reason}{extra}."
    jobs = counts.by_user.get(user.pk, 0)
    if is_team_based:
        role = "On their hiring teams" if jobs else "Not on the hiring team of an open requisition"
        return jobs, f"{role}. The credential can't read job permissions."
    if jobs:
        return jobs, "Job Admin in Greenhouse."
    return 0, (
        "Neither a Site Admin nor a Job Admin of an open requisition. Give them access in "
        "Greenhouse."
    )


def _match_users(connection: Connection, addresses: list[str]) -> dict[str, list[AtsUser]]:
    users_by_address: dict[str, list[AtsUser]] = defaultdict(list)
    emails = AtsUserEmail.objects.filter(
        address__in=addresses, user__connection=connection, user__gone_at=None
    ).exclude(verified=False)
    for row in emails.select_related("user"):
        users_by_address[row.address].append(row.user)
    for address, users in users_by_address.items():
        users_by_address[address] = select_match_candidates(users)
    return users_by_address


def _count_jobs(
    connection: Connection, user_pks: Iterable[int], feature_set: Features
) -> _JobCounts:
    open_job = Q(job__status=JobStatus.OPEN, job__gone_at=None, job__connection=connection)
    plain = Job.objects.filter(
        connection=connection, status=JobStatus.OPEN, gone_at=None, confidential=False
    )
    by_user: dict[int, int] = {}
    confidential: dict[int, int] = {}
    user_pks = list(user_pks)
    for path in list_access_paths(feature_set.unavailable):
        rows = path.list_records(open_job, user__in=user_pks).order_by().values_list("user")
        totals = rows.annotate(
            total=Count("job", distinct=True),
            hidden=Count("job", distinct=True, filter=Q(job__confidential=True)),
        )
        for user, total, hidden in totals:
            by_user[user], confidential[user] = total, hidden
    return _JobCounts(plain.count(), by_user, confidential)


# -- possible matches ------------------------------------------------------------------------------
def _find_possible_matches(
    connection: Connection, unmatched: list[Membership]
) -> dict[int, tuple[PossibleMatch, ...]]:
    if not unmatched:
        return {}
    match_filter = Q(pk__in=())
    for member in unmatched:
        local_part = _get_local_part(member.user.email)
        match_filter |= Q(address__startswith=f"{local_part}@") | Q(
            address__startswith=f"{local_part}+"
        )
        if member.user.name:
            match_filter |= match_name("user__search_name", member.user.name)
    emails = AtsUserEmail.objects.filter(
        match_filter, user__connection=connection, user__gone_at=None, user__deactivated=False
    )
    candidates = list(emails.select_related("user").order_by("user", "-primary", "id"))
    return {member.pk: _select_possible_matches(member, candidates) for member in unmatched}


def _select_possible_matches(
    member: Membership, candidates: list[AtsUserEmail]
) -> tuple[PossibleMatch, ...]:
    matches: dict[int, PossibleMatch] = {}
    for row in candidates:
        why = _describe_resemblance(member, row)
        if why and row.user_id not in matches:
            matches[row.user_id] = PossibleMatch(row.user, row.address, why)
    return tuple(matches.values())[:3]


def _describe_resemblance(member: Membership, row: AtsUserEmail) -> str:
    email = normalize_address(member.user.email)
    if row.verified is False and row.address == email:
        return "has this address but hasn't confirmed it in Greenhouse"
    if _get_local_part(row.address) == _get_local_part(email):
        same_domain = row.address.partition("@")[2] == email.partition("@")[2]
        return "an alias of the same address" if same_domain else "same name, different domain"
    if is_same_name(row.user.name, member.user.name):
        return "same name, different address"
    return ""


def _get_local_part(address: str) -> str:
    return normalize_address(address).partition("@")[0].partition("+")[0]


# -- uninvited users ---------------------------------------------------------------------------
def list_uninvited_users(connection: Connection, search: str = "") -> QuerySet[AtsUser]:
    """Greenhouse users with access and no account here, matching every word of `search`."""
    users = _list_users_without_account(connection).filter(_build_access_filter(connection))
    for word in search.split():
        addresses = AtsUserEmail.objects.filter(user=OuterRef("pk"))
        address = Exists(addresses.filter(address__contains=normalize_address(word)))
        users = users.filter(match_name("search_name", word) | address)
    return users


def list_users_without_access(connection: Connection) -> QuerySet[AtsUser]:
    """Greenhouse users without an account here, who would see no requisition."""
    return _list_users_without_account(connection).exclude(_build_access_filter(connection))


def count_requisitions(connection: Connection, users: Iterable[AtsUser]) -> dict[int, int]:
    """The number of requisitions that each user would see, by primary key."""
    users, feature_set = list(users), load_features(connection)
    counts = _count_jobs(connection, [user.pk for user in users], feature_set)
    return {user.pk: _describe_access(user, counts, feature_set)[0] for user in users}


def _list_users_without_account(connection: Connection) -> QuerySet[AtsUser]:
    organization = connection.organization_id
    members = Membership.objects.filter(organization=organization)
    member_emails = [
        normalize_address(email) for email in members.values_list("user__email", flat=True)
    ]
    addresses = AtsUserEmail.objects.filter(user=OuterRef("pk"))
    return (
        AtsUser.objects.filter(connection=connection, gone_at=None, deactivated=False)
        .exclude(Exists(addresses.filter(address__in=member_emails)))
        .exclude(primary_email="")
        .order_by("name", "pk")
    )


def _build_access_filter(connection: Connection) -> Q:
    users = Q(pk__in=())
    for path in list_access_paths(load_features(connection).unavailable):
        users |= path.build_user_filter(job__status=JobStatus.OPEN, job__gone_at=None)
    return users
