"""Which decisions are deleted by age, and that the chain holds afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.decisions.models import Decision
from portal.decisions.retention import delete_expired, subtract_years
from tests.personas import Personas
from tests.portal.applications.action_helpers import reject_application
from tests.portal.applications.batch_helpers import pick_from_one_job
from tests.portal.decisions.record_helpers import verify_record

IN_FOUR_YEARS = timedelta(days=4 * 366)


@pytest.fixture
def decisions(remy: Client, run_tasks) -> None:
    """Three."""
    for application in pick_from_one_job(3):
        reject_application(remy, application)
    run_tasks()
    assert Decision.objects.count() == 3


def test_many_decisions_expire_in_batches(decisions: None) -> None:
    ended_batches: list[int] = []

    def end_batch() -> None:
        ended_batches.append(Decision.objects.count())
        verify_record()

    now = timezone.now() + IN_FOUR_YEARS
    assert delete_expired(now, batch_size=2, after_batch=end_batch) == 3
    assert ended_batches == [1, 0]
    assert Entry.objects.filter(verb="decision_record.expired").count() == 1
    assert delete_expired(now, batch_size=2, after_batch=end_batch) == 0


def test_expiry_leaves_other_organizations(decisions: None, personas: Personas) -> None:
    decision = Decision.objects.get(number=1)
    decision.pk, decision.action_id = None, decision.action_id + 1_000
    decision.organization, decision.membership = personas.zoe.organization, personas.zoe
    Decision.objects.bulk_create([decision])
    now = timezone.now() + IN_FOUR_YEARS
    assert delete_expired(now, batch_size=10, after_batch=lambda: None) == 3
    assert Decision.objects.get().organization == personas.zoe.organization


@pytest.mark.parametrize(("young", "remaining"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3])])
def test_expiry_leaves_no_gap(decisions: None, young: int, remaining: list[int]) -> None:
    """Decisions become certain in another order than they are sealed in."""
    now = timezone.now() + IN_FOUR_YEARS
    Decision.objects.filter(number=young).update(settled_at=now - timedelta(days=1))
    delete_expired(now, batch_size=10, after_batch=lambda: None)
    assert list(Decision.objects.values_list("number", flat=True)) == remaining


def test_decision_is_kept_for_whole_years(decisions: None) -> None:
    Decision.objects.update(settled_at=datetime(2026, 3, 1, tzinfo=UTC))
    due = datetime(2029, 3, 1, tzinfo=UTC)
    assert delete_expired(due, batch_size=10, after_batch=lambda: None) == 0
    due += timedelta(seconds=1)
    assert delete_expired(due, batch_size=10, after_batch=lambda: None) == 3


@pytest.mark.parametrize(
    ("years", "expected"),
    [(1, datetime(2027, 2, 28, tzinfo=UTC)), (4, datetime(2024, 2, 29, tzinfo=UTC))],
)
def test_years_before_leap_day(years: int, expected: datetime) -> None:
    assert subtract_years(datetime(2028, 2, 29, tzinfo=UTC), years) == expected
