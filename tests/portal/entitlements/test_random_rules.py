"""Generated mirrors: queryset, explanation and naive implementation agree."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.connections.models import Connection
from portal.entitlements.access_explanation import explain_access
from portal.entitlements.rules import (
    get_rights,
    visible_application,
    visible_applications,
    visible_jobs,
)
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.portal.entitlements import synced_data
from tests.portal.entitlements.naive_rules import ACTING_STATES, NaiveRules

pytestmark = pytest.mark.django_db

ADDRESSES = ("ann@acme.example", "ben@acme.example", "cleo@acme.example")
address_strategy = st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=2)
user_strategy = st.fixed_dictionaries(
    {
        "addresses": address_strategy,
        "verified": st.sampled_from([None, True, False]),
        "site_admin": st.booleans(),
        "deactivated": st.integers(0, 4).map(lambda n: n == 0),
        "elsewhere": st.integers(0, 4).map(lambda n: n == 0),
    }
)
job_strategy = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["open", "open", "closed", "draft", "odd"]),
        "confidential": st.booleans(),
        "gone": st.integers(0, 4).map(lambda n: n == 0),
        "elsewhere": st.integers(0, 4).map(lambda n: n == 0),
    }
)
tie_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "user": st.integers(0, 3),
            "job": st.integers(0, 4),
            "kind": st.sampled_from(["grant", "grant", "interviewer", "lost", "team"]),
        }
    ),
    max_size=10,
)
application_strategy = st.lists(
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
world_strategy = st.fixed_dictionaries(
    {
        "users": st.lists(user_strategy, min_size=1, max_size=4),
        "jobs": st.lists(job_strategy, min_size=1, max_size=5),
        "ties": tie_strategy,
        "applications": application_strategy,
        # Mostly live: in some states nobody sees anything. test_all_combinations covers each state.
        "state": st.sampled_from(["live"] * 20 + Connection.State.values),
        "missing": st.lists(
            st.sampled_from(
                [
                    synced_data.GRANTS,
                    synced_data.TEAMS,
                    synced_data.APPLICATIONS,
                    synced_data.CANDIDATES,
                ]
            ),
            unique=True,
            max_size=2,
        ),
    }
)


@pytest.mark.slow("builds and compares 30 generated mirrors")
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=world_strategy)
def test_generated_worlds_match_naive_rules(drawn: dict[str, Any]) -> None:
    with transaction.atomic():
        _compare_with_naive_rules(drawn)
        transaction.set_rollback(True)


def _compare_with_naive_rules(drawn: dict[str, Any]) -> None:
    acme = OrganizationFactory(name="Acme")
    connection = ConnectionFactory(organization=acme, state=drawn["state"])
    foreign_connection = ConnectionFactory(
        organization=OrganizationFactory(name="Other"), state="live"
    )
    rows = create_world(drawn, connection, foreign_connection)
    synced_data.record_check(connection, missing=tuple(drawn["missing"]))
    missing = set(drawn["missing"])
    readable = {
        "grants_read": synced_data.GRANTS not in missing,
        "team_read": synced_data.TEAMS not in missing,
    }
    naive = NaiveRules()
    for address in ADDRESSES:
        member = MembershipFactory(
            user__email=address.upper(), user__password="-", organization=acme
        )
        member_rights = get_rights(member)
        visible = {job.pk for job in visible_jobs(member, member_rights=member_rights, closed=True)}
        assert visible == naive.visible_job_pks(member, connection, closed=True, **readable)
        assert {job.pk for job in visible_jobs(member)} == naive.visible_job_pks(
            member, connection, **readable
        )
        for job in rows["jobs"]:
            assert explain_access(member, job, member_rights=member_rights).is_visible == (
                job.pk in visible
            )
        expected = (
            set()
            if synced_data.APPLICATIONS in missing
            else naive.visible_application_pks(
                member, connection, names_read=synced_data.CANDIDATES not in missing, **readable
            )
        )
        assert {a.pk for a in visible_applications(member, member_rights=member_rights)} == expected
        for application in rows["applications"]:
            fetched = visible_application(member, application.pk, member_rights=member_rights)
            assert (fetched is not None) == (application.pk in expected)
        assert member_rights.can_act == (drawn["state"] in ACTING_STATES and member_rights.can_view)


def create_world(
    drawn: dict[str, Any], connection: Connection, foreign_connection: Connection
) -> dict[str, list[Any]]:
    def choose_connection(drawn_row: dict[str, Any]) -> Connection:
        return foreign_connection if drawn_row["elsewhere"] else connection

    users = [
        synced_data.create_user(
            choose_connection(u),
            *u["addresses"],
            verified=u["verified"],
            site_admin=u["site_admin"],
            deactivated=u["deactivated"],
        )
        for u in drawn["users"]
    ]
    jobs = [
        synced_data.create_job(
            choose_connection(j), status=j["status"], confidential=j["confidential"], gone=j["gone"]
        )
        for j in drawn["jobs"]
    ]
    for tie in drawn["ties"]:
        user, job = users[tie["user"] % len(users)], jobs[tie["job"] % len(jobs)]
        if user.connection_id != job.connection_id:
            continue
        if tie["kind"] == "team":
            job.team.get_or_create(user=user, role="recruiter")
        else:
            synced_data.create_grant(
                user, job, job_admin=tie["kind"] != "interviewer", gone=tie["kind"] == "lost"
            )
    applications = []
    for a in drawn["applications"]:
        job = jobs[a["job"] % len(jobs)]
        candidate = (
            None
            if a["candidate"] == "unread"
            else synced_data.create_candidate(
                job.connection, private=a["candidate"] == "private", gone=a["candidate"] == "gone"
            )
        )
        applications.append(
            synced_data.create_application(
                job,
                candidate,
                gone=a["gone"],
                status=a["status"],
                stage=synced_data.create_stage(job, a["stage"]) if a["stage"] else None,
            )
        )
    return {"users": users, "jobs": jobs, "applications": applications}
