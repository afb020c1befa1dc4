"""Whatever a mirror holds: the queryset, the words and the slow, obvious answer always agree."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.connections.models import Connection
from portal.entitlements.explain import explain
from portal.entitlements.rules import (
    rights,
    visible_application,
    visible_applications,
    visible_jobs,
)
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.portal.entitlements import world
from tests.portal.entitlements.oracle import Truth

pytestmark = pytest.mark.django_db

ADDRESSES = ("ann@acme.example", "ben@acme.example", "cleo@acme.example")
some_addresses = st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=2)
users = st.fixed_dictionaries(
    {
        "addresses": some_addresses,
        "verified": st.sampled_from([None, True, False]),
        "site_admin": st.booleans(),
        "deactivated": st.integers(0, 4).map(lambda n: n == 0),
        "elsewhere": st.integers(0, 4).map(lambda n: n == 0),
    }
)
jobs = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["open", "open", "closed", "draft", "odd"]),
        "confidential": st.booleans(),
        "gone": st.integers(0, 4).map(lambda n: n == 0),
        "elsewhere": st.integers(0, 4).map(lambda n: n == 0),
    }
)
ties = st.lists(
    st.fixed_dictionaries(
        {
            "user": st.integers(0, 3),
            "job": st.integers(0, 4),
            "kind": st.sampled_from(["grant", "grant", "interviewer", "lost", "team"]),
        }
    ),
    max_size=10,
)
applications = st.lists(
    st.fixed_dictionaries(
        {
            "job": st.integers(0, 4),
            "candidate": st.sampled_from(["public", "public", "private", "gone", "unread"]),
            "stage": st.sampled_from(["Phone", "Phone", "Offer", None]),
            "status": st.sampled_from(["active", "active", "rejected"]),
            "gone": st.integers(0, 4).map(lambda n: n == 0),
        }
    ),
    max_size=6,
)
worlds = st.fixed_dictionaries(
    {
        "users": st.lists(users, min_size=1, max_size=4),
        "jobs": st.lists(jobs, min_size=1, max_size=5),
        "ties": ties,
        "applications": applications,
        "state": st.sampled_from(["live", "live", "live", *Connection.State.values]),
        "missing": st.lists(
            st.sampled_from([world.GRANTS, world.TEAMS, world.APPLICATIONS, world.CANDIDATES]),
            unique=True,
            max_size=2,
        ),
    }
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=worlds)
def test_queryset_words_and_the_obvious_answer_agree(drawn: dict[str, Any]) -> None:
    with transaction.atomic():
        _hold_it_together(drawn)
        transaction.set_rollback(True)


def _hold_it_together(drawn: dict[str, Any]) -> None:
    acme = OrganizationFactory(name="Acme")
    here = ConnectionFactory(organization=acme, state=drawn["state"])
    there = ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    made = make(drawn, here, there)
    world.checked(here, missing=tuple(drawn["missing"]))
    missing = set(drawn["missing"])
    known = {"grants_read": world.GRANTS not in missing, "team_read": world.TEAMS not in missing}
    truth = Truth()
    for address in ADDRESSES:
        member = MembershipFactory(
            user__email=address.upper(), user__password="-", organization=acme
        )
        held = rights(member)
        seen = {job.pk for job in visible_jobs(member, held=held, closed=True)}
        assert seen == truth.jobs_seen(member, here, closed=True, **known)
        assert {job.pk for job in visible_jobs(member)} == truth.jobs_seen(member, here, **known)
        for job in made["jobs"]:
            assert explain(member, job, held=held).seen == (job.pk in seen)
        right = (
            set()
            if world.APPLICATIONS in missing
            else truth.applications_seen(
                member, here, names_read=world.CANDIDATES not in missing, **known
            )
        )
        assert {a.pk for a in visible_applications(member, held=held)} == right
        for application in made["applications"]:
            alone = visible_application(member, application.pk, held=held)
            assert (alone is not None) == (application.pk in right)
        acts = drawn["state"] in {"live", "degraded", "checking", "syncing"}
        assert held.acts == (acts and held.sees)


def make(drawn: dict[str, Any], here: Connection, there: Connection) -> dict[str, list[Any]]:
    def place(thing: dict[str, Any]) -> Connection:
        return there if thing["elsewhere"] else here

    users = [
        world.user(
            place(u),
            *u["addresses"],
            verified=u["verified"],
            site_admin=u["site_admin"],
            deactivated=u["deactivated"],
        )
        for u in drawn["users"]
    ]
    jobs = [
        world.job(place(j), status=j["status"], confidential=j["confidential"], gone=j["gone"])
        for j in drawn["jobs"]
    ]
    for tie in drawn["ties"]:
        user, job = users[tie["user"] % len(users)], jobs[tie["job"] % len(jobs)]
        if user.connection_id != job.connection_id:
            continue
        if tie["kind"] == "team":
            job.team.get_or_create(user=user, role="recruiter")
        else:
            world.grant(
                user, job, job_admin=tie["kind"] != "interviewer", gone=tie["kind"] == "lost"
            )
    applications = []
    for a in drawn["applications"]:
        job = jobs[a["job"] % len(jobs)]
        of = (
            None
            if a["candidate"] == "unread"
            else world.candidate(
                job.connection, private=a["candidate"] == "private", gone=a["candidate"] == "gone"
            )
        )
        applications.append(
            world.application(
                job,
                of,
                gone=a["gone"],
                status=a["status"],
                stage=world.stage(job, a["stage"]) if a["stage"] else None,
            )
        )
    return {"users": users, "jobs": jobs, "applications": applications}
