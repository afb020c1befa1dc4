"""Generated mirrors: list search and filters agree with a naive evaluation."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import pytest
from django.http import QueryDict

from portal.accounts.models import Membership
from portal.entitlements.rules import get_rights
from portal.jobs.job_list import search, stage_counts
from portal.jobs.job_list.filter_options import get_filter_options
from portal.jobs.job_list.filters import JobFilters, filter_jobs, parse_filters
from portal.sync.models import Candidate, StageName
from tests.factories import MembershipFactory
from tests.portal.entitlements import synced_data
from tests.portal.entitlements.generated_worlds import ADDRESSES, World, check_worlds
from tests.portal.entitlements.naive_rules import NaiveRules

pytestmark = pytest.mark.django_db


@pytest.mark.slow("builds and searches 20 generated mirrors")
def test_job_filters_match_naive_evaluation() -> None:
    check_worlds(20, _compare_with_naive_rules)


def _compare_with_naive_rules(world: World) -> None:
    connection, names_read = world.connection, world.names_read
    for each_connection in (connection, world.foreign_connection):
        stage_counts.update_counts(each_connection)
    naive, readable = NaiveRules(), world.readable
    for address in ADDRESSES[:2]:
        member = MembershipFactory(
            user__email=address, user__password="-", organization=world.organization
        )
        jobs = naive.visible_job_pks(member, connection, **readable)
        visible = (
            set()
            if synced_data.APPLICATIONS in world.missing
            else naive.visible_application_pks(
                member, connection, names_read=names_read, **readable
            )
        )
        applications = [
            application for application in naive.applications if application.pk in visible
        ]
        for candidate in Candidate.objects.all():
            expected = {a.job_id for a in applications if a.candidate_id == candidate.pk}
            assert _find_jobs(member, f"q={candidate}") == (expected if names_read else set())
            for limit in ("COMMON_NAME_COUNT", "_MANY_JOBS"):  # as if many were found
                with patch.object(search, limit, -1):
                    found = _find_jobs(member, f"q={candidate}")
                    assert found == (expected if names_read else set())
        active = [
            application
            for application in applications
            if application.status == "active" and application.stage_id
        ]
        counts = Counter((application.job_id, application.stage.name) for application in active)
        for stage in StageName.objects.all():
            for minimum in (1, 2):
                expected = {
                    job
                    for (job, name), n in counts.items()
                    if name == stage.name and n >= minimum and stage.connection_id == connection.pk
                }
                assert (
                    _find_jobs(member, f"stage={stage.pk}&min_active={minimum}") == expected & jobs
                )
        offered_stages = get_filter_options(get_rights(member), JobFilters()).stages
        assert {name for _, name in offered_stages} == {name for _, name in counts}


def _find_jobs(member: Membership, query: str) -> set[int]:
    matches = filter_jobs(parse_filters(QueryDict(query)), get_rights(member))
    return set(matches.values_list("pk", flat=True))
