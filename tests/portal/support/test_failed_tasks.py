"""Operators run failed tasks again, for the same customer."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.monitor import save_task
from django_q.signing import SignedPackage

from portal.audit.models import Entry
from portal.core import queue
from portal.core.models import QueuedTask
from portal.support.access.roles import CSM, OPERATOR
from portal.sync.records.refresh_requests import REFRESH_TASK
from tests.factories import UserFactory
from tests.personas import Personas

Failure = apps.get_model("django_q", "Failure")
PAGE = reverse("admin:django_q_failure_changelist")


@pytest.fixture
def failure(personas: Personas):
    """A customer's task that a worker took and that failed."""
    queue.enqueue_task(REFRESH_TASK, 7, organization_id=personas.ada.organization_id)
    _, payload = get_broker().take_task()
    now = timezone.now()
    task = SignedPackage.loads(payload) | {"started": now, "stopped": now, "success": False}
    save_task(task | {"result": "TaskFailed"}, get_broker())
    QueuedTask.objects.all().delete()
    return Failure.objects.get()


def _sign_in_as(role: str, sign_in) -> Client:
    person = UserFactory(email="staff@portal.example", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    client: Client = sign_in(person)
    return client


def _resubmit(client: Client, failure) -> int:
    data = {"action": "resubmit_tasks", "_selected_action": [failure.pk]}
    status: int = client.post(PAGE, data).status_code
    return status


def test_operator_resubmits_failed_task(failure, personas: Personas, sign_in, run_tasks) -> None:
    operator = _sign_in_as(OPERATOR, sign_in)
    assert REFRESH_TASK in operator.get(PAGE).content.decode()
    assert _resubmit(operator, failure) == 302
    task = QueuedTask.objects.get()
    assert (task.task, task.arguments) == (REFRESH_TASK, "7")
    assert task.organization_id == personas.ada.organization_id
    assert not Failure.objects.exists()
    entry = Entry.objects.get(verb="task.resubmitted")
    assert entry.organization_id == personas.ada.organization_id
    assert entry.after == {"task": REFRESH_TASK, "ids": [7]}
    assert run_tasks() == 1  # in the customer's scope


def test_removed_task_is_not_resubmitted(failure, sign_in) -> None:
    Failure.objects.update(func="portal.removed.tasks.run")
    response = _sign_in_as(OPERATOR, sign_in).post(
        PAGE, {"action": "resubmit_tasks", "_selected_action": [failure.pk]}, follow=True
    )
    assert "no longer exists" in response.content.decode()
    assert Failure.objects.exists()
    assert not QueuedTask.objects.exists()


def test_others_cannot_resubmit(failure, sign_in) -> None:
    assert _resubmit(_sign_in_as(CSM, sign_in), failure) == 403
    assert Failure.objects.exists()
