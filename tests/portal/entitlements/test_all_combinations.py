"""Every combination of what decides about seeing, against the slow and obvious answer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.entitlements.explain import explain
from portal.entitlements.rules import rights, visible_jobs
from portal.mirror.models import AtsUser, Job, JobGrant, TeamMember
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.portal.entitlements import world
from tests.portal.entitlements.oracle import Truth

pytestmark = pytest.mark.django_db

MATCHES = (
    "primary",
    "second",
    "second_verified",
    "second_unverified",
    "primary_unverified",
    "nobody",
    "two",
    "two_one_unverified",
    "deactivated",
    "gone",
)
READABLE = {"grants": (), "team": (world.GRANTS,), "neither": (world.GRANTS, world.TEAMS)}


@dataclass
class World:
    connection: Connection
    members: dict[tuple[str, bool], Membership]
    jobs: list[Job]


def _user(connection: Connection, match: str, address: str, admin: bool) -> AtsUser:
    """The Greenhouse user who is the member, or nearly."""
    other = f"other.{address}"
    if match == "nobody":
        return world.user(connection, other, site_admin=admin)
    if match.startswith("two"):
        world.user(connection, other, address, verified=False if "un" in match else None)
    if match.startswith("second"):
        verified = {"second_verified": True, "second_unverified": False}.get(match)
        return world.user(connection, other, address, verified=verified, site_admin=admin)
    return world.user(
        connection,
        address,
        verified=False if match == "primary_unverified" else None,
        site_admin=admin,
        deactivated=match == "deactivated",
        gone_at="2026-01-01T00:00:00Z" if match == "gone" else None,
    )


@pytest.fixture
def made() -> World:
    acme = OrganizationFactory(name="Acme")
    connection = ConnectionFactory(organization=acme)
    members, users = {}, []
    for match, admin in product(MATCHES, (False, True)):
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
        world.unsaved_job(connection, confidential=confidential, status=status, gone=gone)
        for confidential, status, gone, _, _ in shapes
    )
    # The same people, and an open job, in another organization: nobody here sees it.
    elsewhere = ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    world.user(elsewhere, "primary.true@acme.example", site_admin=True)
    jobs.append(world.job(elsewhere))
    of_shapes = list(zip(jobs, shapes, strict=False))
    JobGrant.objects.bulk_create(
        world.unsaved_grant(user, job, job_admin=bool(kind), gone=granted == "lost")
        for job, (_, _, _, granted, _) in of_shapes
        for kind in (granted if granted != "lost" else (True,))
        for user in users
    )
    TeamMember.objects.bulk_create(
        TeamMember(user=user, job=job, role="recruiter")
        for job, (*_, on_team) in of_shapes
        if on_team
        for user in users
    )
    return World(connection, members, jobs)


def test_the_queryset_gives_what_is_right_in_every_combination(made: World) -> None:
    truth = Truth()
    shown = 0
    for readable, missing in READABLE.items():
        world.checked(made.connection, missing=missing)
        known = {"grants_read": not missing, "team_read": world.TEAMS not in missing}
        for state in Connection.State.values:
            Connection.objects.filter(pk=made.connection.pk).update(state=state)
            made.connection.state = state
            for who, member in made.members.items():
                held = rights(member)
                for closed in (False, True):
                    seen = set(
                        visible_jobs(member, held=held, closed=closed).values_list("pk", flat=True)
                    )
                    right = truth.jobs_seen(member, made.connection, closed=closed, **known)
                    assert seen == right, (readable, state, who, closed)
                    shown += len(seen)
    assert shown > 1000  # the table is not empty by accident


@pytest.mark.parametrize("readable", READABLE)
def test_the_words_agree_with_the_queryset_in_every_combination(made: World, readable: str) -> None:
    Connection.objects.filter(pk=made.connection.pk).update(state="live")
    world.checked(made.connection, missing=READABLE[readable])
    for who in (("second", False), ("two_one_unverified", True), ("two", True), ("gone", False)):
        member = made.members[who]
        held = rights(member)
        seen = set(visible_jobs(member, held=held, closed=True).values_list("pk", flat=True))
        for job in made.jobs:
            decision = explain(member, job, held=held)
            assert decision.seen == (job.pk in seen), (who, job.pk, decision)
            assert (decision.way is None) == decision.seen
