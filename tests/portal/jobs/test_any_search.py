"""Whatever a mirror holds: the list finds by people and stages what a slow look at all does."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings

from portal.accounts.models import Membership
from portal.entitlements.rules import rights, visible_jobs
from portal.jobs import tally
from portal.jobs.choices import choices
from portal.jobs.narrowing import Narrowing, asked, narrowed
from portal.jobs.search import named_applications
from portal.mirror.models import Candidate, StageName
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.portal.entitlements import world
from tests.portal.entitlements.oracle import Truth
from tests.portal.entitlements.test_any_world import ADDRESSES, make, worlds

pytestmark = pytest.mark.django_db


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=worlds)
def test_the_list_and_the_obvious_answer_find_the_same(drawn: dict[str, Any]) -> None:
    with transaction.atomic():
        _hold_it_together(drawn)
        transaction.set_rollback(True)


def _hold_it_together(drawn: dict[str, Any]) -> None:
    acme = OrganizationFactory(name="Acme")
    here = ConnectionFactory(organization=acme, state=drawn["state"])
    there = ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    make(drawn, here, there)
    world.checked(here, missing=tuple(drawn["missing"]))
    for connection in (here, there):
        tally.count(connection)
    truth, missing = Truth(), set(drawn["missing"])
    known = {"grants_read": world.GRANTS not in missing, "team_read": world.TEAMS not in missing}
    names_read = world.CANDIDATES not in missing
    for address in ADDRESSES[:2]:
        member = MembershipFactory(user__email=address, user__password="-", organization=acme)
        jobs = truth.jobs_seen(member, here, **known)
        seen = (
            set()
            if world.APPLICATIONS in missing
            else truth.applications_seen(member, here, names_read=names_read, **known)
        )
        applications = [one for one in truth.applications if one.pk in seen]
        for candidate in Candidate.objects.all():
            right = {a.job_id for a in applications if a.candidate_id == candidate.pk}
            assert _found(member, f"q={candidate}") == (right if names_read else set())
        active = [one for one in applications if one.status == "active" and one.stage_id]
        counts = Counter((one.job_id, one.stage.name) for one in active)
        for stage in StageName.objects.all():
            for least in (1, 2):
                right = {
                    job
                    for (job, name), n in counts.items()
                    if name == stage.name and n >= least and stage.connection_id == here.pk
                }
                assert _found(member, f"stage={stage.pk}&least={least}") == right & jobs
        offered = choices(member, rights(member), Narrowing()).stages
        assert {name for _, name in offered} == {name for _, name in counts}


def _found(member: Membership, query: str) -> set[int]:
    held, to = rights(member), asked(QueryDict(query))
    named = partial(named_applications, member, held)
    here = {"here": held.match.connection, "me": held.match.user}
    found = narrowed(visible_jobs(member, held=held), to, named=named, **here)
    return set(found.values_list("pk", flat=True))
