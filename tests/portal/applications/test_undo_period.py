"""The seconds in which a rejection or a batch can be undone: chosen per person, and extended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.applications.actions import outbox
from portal.applications.actions.undo_period import MAX_UNDO_PERIOD
from portal.applications.batches import runner
from portal.applications.models import ActionPreferences, ApplicationAction, Batch
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    get_latest_action,
    list_writes,
    reject_application,
)
from tests.portal.applications.batch_helpers import confirm_batch, pick_from_one_job

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect("harvest_oauth")
    return sign_in(personas.remy)


def _extend(client: Client, action: ApplicationAction, seconds: object = 10) -> int:
    url = reverse("applications:extend_undo", args=[action.pk])
    seconds_left: int = client.post(url, {"seconds": seconds}).json()["seconds_left"]
    return seconds_left


def _extend_batch(client: Client, batch: Batch) -> int:
    url = reverse("applications:extend_batch_undo", args=[batch.pk])
    seconds_left: int = client.post(url, {"seconds": 30}).json()["seconds_left"]
    return seconds_left


def test_preference_sets_undo_period(remy: Client, personas: Personas) -> None:
    reject_application(remy, find_application())
    assert get_latest_action().seconds_left == 10
    ApplicationAction.objects.all().delete()
    response = remy.post(reverse("applications:preferences"), {"undo_seconds": "60"})
    assert response.status_code == 302
    reject_application(remy, find_application())
    assert get_latest_action().seconds_left == 60
    confirm_batch(remy, "advance", pick_from_one_job(3))
    assert Batch.objects.get().due_at > timezone.now() + timedelta(seconds=55)


def test_preference_must_be_offered(remy: Client) -> None:
    response = remy.post(reverse("applications:preferences"), {"undo_seconds": "1"})
    assert response.status_code == 422
    assert not ActionPreferences.objects.exists()


def test_extended_rejection_is_not_sent(remy: Client, sandbox, run_tasks, advance_clock) -> None:
    reject_application(remy, find_application())
    advance_clock(8)
    assert _extend(remy, get_latest_action()) == 10
    advance_clock(8)
    outbox.release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.SCHEDULED
    assert not list_writes(sandbox)
    advance_clock(3)
    outbox.release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.DONE


def test_extension_never_shortens(remy: Client) -> None:
    remy.post(reverse("applications:preferences"), {"undo_seconds": "60"})
    reject_application(remy, find_application())
    assert _extend(remy, get_latest_action()) == 60


def test_extension_has_maximum(remy: Client, advance_clock) -> None:
    reject_application(remy, find_application())
    clicked_at = get_latest_action().queued_at
    for _ in range(70):
        advance_clock(9)
        if not _extend(remy, get_latest_action()):
            break
    else:
        pytest.fail("extended forever")
    assert get_latest_action().due_at <= clicked_at + MAX_UNDO_PERIOD


@pytest.mark.parametrize("seconds", ["", "-5", "x", "999", "10000000"])
def test_extension_is_bounded(remy: Client, seconds: str) -> None:
    reject_application(remy, find_application())
    assert 10 <= _extend(remy, get_latest_action(), seconds) <= 60


def test_expired_period_is_not_extended(remy: Client, advance_clock) -> None:
    reject_application(remy, find_application())
    advance_clock(11)
    assert _extend(remy, get_latest_action()) == 0


def test_worker_leaves_extended_rejection(remy: Client, advance_clock) -> None:
    """The worker has read the row as due; the extension is stored before the worker's update."""
    reject_application(remy, find_application())
    advance_clock(11)
    due_action = get_latest_action()
    later = timezone.now() + timedelta(seconds=10)
    ApplicationAction.objects.filter(pk=due_action.pk).update(due_at=later)
    outbox.release_action(due_action)
    assert get_latest_action().status == Status.SCHEDULED


def test_others_cannot_extend(remy: Client, personas: Personas, sign_in) -> None:
    reject_application(remy, find_application())
    url = reverse("applications:extend_undo", args=[get_latest_action().pk])
    assert sign_in(personas.sam).post(url).status_code == 404


def test_batch_is_extended_with_its_actions(remy: Client, run_tasks, advance_clock) -> None:
    confirm_batch(remy, "advance", pick_from_one_job(3))
    advance_clock(8)
    assert _extend_batch(remy, Batch.objects.get()) == 30
    advance_clock(8)
    runner.release_due_batches()
    run_tasks()
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {Status.SCHEDULED}


def test_claimed_batch_is_not_extended(remy: Client, advance_clock) -> None:
    confirm_batch(remy, "advance", pick_from_one_job(3))
    advance_clock(11)
    runner.release_due_batches()
    claimed_until = Batch.objects.get().due_at
    assert _extend_batch(remy, Batch.objects.get()) == 0
    assert Batch.objects.get().due_at == claimed_until
