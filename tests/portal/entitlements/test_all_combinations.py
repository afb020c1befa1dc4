"""Every combination of visibility factors, compared with a naive implementation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.access_explanation import explain_access
from portal.entitlements.access_paths import list_access_paths
from portal.entitlements.rules import VisibilityRule, get_rights, visible_jobs
from portal.sync.models import AtsUser, Job, JobGrant, TeamMember
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.portal.entitlements import synced_data
from tests.portal.entitlements.naive_rules import ACTING_STATES, NaiveRules

pytestmark = pytest.mark.django_db

MATCH_KINDS = (
    "primary",
    "second",
    "second_verified",
    "second_unverified",
    "primary_unverified",
    "nobody",
    "two",
    "two_one_unverified",
    "two_one_deactivated",
    "two_all_deactivated",
    "deactivated",
    "gone",
)
READABLE = {
    "grants": (),
    "team": (synced_data.GRANTS,),
    "neither": (synced_data.GRANTS, synced_data.TEAMS),
}


@dataclass
class World:
    connection: Connection
    members: dict[tuple[str, bool], Membership]
    jobs: list[Job]


def _user(connection: Connection, match: str, address: str, admin: bool) -> AtsUser:
    """A Greenhouse user that matches the member in the given way."""
    other_address = f"other.{address}"
    if match == "nobody":
        return synced_data.create_user(connection, other_address, site_admin=admin)
    if match.startswith("two"):
        synced_data.create_user(
            connection,
            other_address,
            address,
            verified=False if "un" in match else None,
            deactivated=match.endswith("deactivated"),
        )
    if match.startswith("second"):
        verified = {"second_verified": True, "second_unverified": False}.get(match)
        return synced_data.create_user(
            connection, other_address, address, verified=verified, site_admin=admin
        )
    return synced_data.create_user(
        connection,
        address,
        verified=False if match == "primary_unverified" else None,
        site_admin=admin,
        deactivated=match in ("deactivated", "two_all_deactivated"),
        gone_at="2026-01-01T00:00:00Z" if match == "gone" else None,
    )


@pytest.fixture
def world_rows() -> World:
    acme = OrganizationFactory(name="Acme")
    connection = ConnectionFactory(organization=acme)
    members, users = {}, []
    for match, admin in product(MATCH_KINDS, (False, True)):
        address = f"{match}.{admin}@acme.example".lower()
        members[match, admin] = MembershipFactory(
            user__email=address.title(), user__password="-", organization=acme
        )
        users.append(_user(connection, match, address, admin))
    shapes = list(
        product(
            (False, True),
            ("open", "closed", "draft", "on_hold"),
            (False, True),
            ((), (False,), (True,), (True, False), "lost"),
            (False, True),
        )
    )
    jobs = Job.objects.bulk_create(
        synced_data.build_job(connection, confidential=confidential, status=status, gone=gone)
        for confidential, status, gone, _, _ in shapes
    )
    # The same people and an open job in another organization, visible to nobody here.
    foreign_connection = ConnectionFactory(
        organization=OrganizationFactory(name="Other"), state="live"
    )
    synced_data.create_user(foreign_connection, "primary.true@acme.example", site_admin=True)
    jobs.append(synced_data.create_job(foreign_connection))
    jobs_with_shapes = list(zip(jobs, shapes, strict=False))
    JobGrant.objects.bulk_create(
        synced_data.build_grant(user, job, job_admin=bool(job_admin), gone=grants == "lost")
        for job, (_, _, _, grants, _) in jobs_with_shapes
        for job_admin in (grants if grants != "lost" else (True,))
        for user in users
    )
    TeamMember.objects.bulk_create(
        TeamMember(user=user, job=job, role="recruiter")
        for job, (*_, on_team) in jobs_with_shapes
        if on_team
        for user in users
    )
    return World(connection, members, jobs)


@pytest.mark.slow("lists jobs for every combination of member, permissions and connection state")
def test_visible_jobs_match_naive_rules(world_rows: World) -> None:
    naive = NaiveRules()
    visible_count = 0
    for readable, missing in READABLE.items():
        synced_data.record_check(world_rows.connection, missing=missing)
        permissions = {"grants_read": not missing, "team_read": synced_data.TEAMS not in missing}
        for state in Connection.State.values:
            Connection.objects.filter(pk=world_rows.connection.pk).update(state=state)
            world_rows.connection.state = state
            for case, member in world_rows.members.items():
                member_rights = get_rights(member)
                assert member_rights.can_act == (state in ACTING_STATES and member_rights.can_view)
                for closed in (False, True):
                    visible = set(
                        visible_jobs(
                            member, member_rights=member_rights, closed=closed
                        ).values_list("pk", flat=True)
                    )
                    expected = naive.visible_job_pks(
                        member, world_rows.connection, closed=closed, **permissions
                    )
                    assert visible == expected, (readable, state, case, closed)
                    visible_count += len(visible)
    assert visible_count > 1000  # guards against an empty comparison


@pytest.mark.slow("explains 161 jobs to four members under three sets of permissions")
def test_explanation_agrees_with_visible_jobs(world_rows: World) -> None:
    Connection.objects.filter(pk=world_rows.connection.pk).update(state="live")
    for readable, missing in READABLE.items():
        synced_data.record_check(world_rows.connection, missing=missing)
        for case in (
            ("second", False),
            ("two_one_unverified", True),
            ("two", True),
            ("gone", False),
        ):
            member = world_rows.members[case]
            member_rights = get_rights(member)
            visible = set(
                visible_jobs(member, member_rights=member_rights, closed=True).values_list(
                    "pk", flat=True
                )
            )
            for job in world_rows.jobs:
                decision = explain_access(member, job, member_rights=member_rights)
                assert decision.is_visible == (job.pk in visible), (
                    readable,
                    case,
                    job.pk,
                    decision,
                )
                assert (decision.fix is None) == decision.is_visible


@pytest.mark.parametrize("unavailable", [(), ("job_admins",), ("job_admins", "hiring_team")])
def test_rule_depends_on_user_as_its_paths_do(unavailable: tuple[str, ...]) -> None:
    rule = VisibilityRule(is_site_admin=True, unavailable=frozenset(unavailable))
    paths = list_access_paths(rule.unavailable)
    assert rule.depends_on_user == any(path.records is not None for path in paths)
