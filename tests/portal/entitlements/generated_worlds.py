"""Mirrors that Hypothesis draws: users, requisitions, what ties them, and applications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.sync.models import Application, Job
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.portal.entitlements import synced_data

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


@dataclass
class World:
    organization: Organization
    connection: Connection
    foreign_connection: Connection
    missing: set[str]
    jobs: list[Job]
    applications: list[Application]

    @property
    def readable(self) -> dict[str, bool]:
        return {
            "grants_read": synced_data.GRANTS not in self.missing,
            "team_read": synced_data.TEAMS not in self.missing,
        }

    @property
    def names_read(self) -> bool:
        return synced_data.CANDIDATES not in self.missing


def check_worlds(count: int, check: Callable[[World], None]) -> None:
    """Draw so many worlds; each is rolled back after its check."""

    @settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(drawn=world_strategy)
    def check_world(drawn: dict[str, Any]) -> None:
        with transaction.atomic():
            check(create_world(drawn))
            transaction.set_rollback(True)

    check_world()


def create_world(drawn: dict[str, Any]) -> World:
    organization = OrganizationFactory(name="Acme")
    connection = ConnectionFactory(organization=organization, state=drawn["state"])
    foreign_connection = ConnectionFactory(
        organization=OrganizationFactory(name="Other"), state="live"
    )

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
    synced_data.record_check(connection, missing=tuple(drawn["missing"]))
    return World(
        organization, connection, foreign_connection, set(drawn["missing"]), jobs, applications
    )
