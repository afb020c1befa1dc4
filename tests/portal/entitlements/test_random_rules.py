"""Generated mirrors: queryset, explanation and naive implementation agree."""

from __future__ import annotations

import pytest

from portal.entitlements.access_explanation import explain_access
from portal.entitlements.rules import (
    get_rights,
    visible_application,
    visible_applications,
    visible_jobs,
)
from tests.factories import MembershipFactory
from tests.portal.entitlements import synced_data
from tests.portal.entitlements.generated_worlds import ADDRESSES, World, check_worlds
from tests.portal.entitlements.naive_rules import ACTING_STATES, NaiveRules

pytestmark = pytest.mark.django_db


@pytest.mark.slow("builds and compares 30 generated mirrors")
def test_generated_worlds_match_naive_rules() -> None:
    check_worlds(30, _compare_with_naive_rules)


def _compare_with_naive_rules(world: World) -> None:
    naive, connection, readable = NaiveRules(), world.connection, world.readable
    for address in ADDRESSES:
        member = MembershipFactory(
            user__email=address.upper(), user__password="-", organization=world.organization
        )
        member_rights = get_rights(member)
        visible = {job.pk for job in visible_jobs(member, member_rights=member_rights, closed=True)}
        assert visible == naive.visible_job_pks(member, connection, closed=True, **readable)
        assert {job.pk for job in visible_jobs(member)} == naive.visible_job_pks(
            member, connection, **readable
        )
        for job in world.jobs:
            assert explain_access(member, job, member_rights=member_rights).is_visible == (
                job.pk in visible
            )
        expected = (
            set()
            if synced_data.APPLICATIONS in world.missing
            else naive.visible_application_pks(
                member, connection, names_read=world.names_read, **readable
            )
        )
        assert {a.pk for a in visible_applications(member, member_rights=member_rights)} == expected
        for application in world.applications:
            fetched = visible_application(member, application.pk, member_rights=member_rights)
            assert (fetched is not None) == (application.pk in expected)
        assert member_rights.can_act == (
            connection.state in ACTING_STATES and member_rights.can_view
        )
