"""Helpers to plan rejections for a later day, and to let that day come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.forms.reject import LATER
from portal.applications.models import ApplicationAction, Batch
from portal.sync.models import Application, Candidate, EmailTemplate
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    reject_application,
)
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    pick_from_one_job,
)

LIST = reverse("applications:pending_rejections")
HOUR = 3600


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str, settings) -> Client:
    settings.SESSION_COOKIE_AGE = 30 * 24 * HOUR
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def application(remy: Client, sandbox: Sandbox) -> Application:
    picked = find_application()
    accept_email(sandbox, picked)
    return picked


@pytest.fixture
def become_due(run_tasks, advance_clock) -> Callable[..., None]:
    """Let the time of the next pending rejection come, and everything be done."""

    def reach_due_time(late_seconds: float = 1) -> None:
        due = ApplicationAction.objects.filter(status="pending").order_by("due_at")
        due_at = due.values_list("due_at", flat=True)[0]
        advance_clock((due_at - datetime.now(UTC)).total_seconds() + late_seconds)
        outbox.release_due_actions()
        runner.release_due_batches()
        run_tasks()

    return reach_due_time


def get_template() -> EmailTemplate:
    return EmailTemplate.objects.get(name="Thank you, not this time")


def accept_email(sandbox, application: Application, *, zone: str = "") -> None:
    """The candidate accepts email, here and in Greenhouse."""
    Candidate.objects.filter(pk=application.candidate_id).update(can_email=True, time_zone=zone)
    sandbox.dataset().candidates[application.candidate.remote_id].can_email = True


def plan_rejection(client: Client, application: Application, **more: object):
    values = {
        "template": get_template().pk,
        "mail_after": LATER,
        "delay_days": 2,
        "send_time": "09:00",
    }
    return reject_application(client, application, **{**values, **more})


def plan_batch(client: Client, sandbox: Sandbox, *, count: int) -> Batch:
    chosen = pick_from_one_job(count)
    for row in chosen:
        accept_email(sandbox, row)
    confirm_batch(
        client, "reject", chosen, reason=first_reason_pk(), template=get_template().pk,
        mail_after="0", delay_days=2, send_time="09:00",
    )  # fmt: skip
    return Batch.objects.get()


def change_pending(client: Client, action: ApplicationAction, **values: object):
    url = reverse("applications:change_pending", args=[action.pk])
    form = client.get(url).context["form"]
    posted = {
        name: form[name].value() if form[name].value() is not None else "" for name in form.fields
    }
    posted["send_time"] = "09:00"
    return client.post(url, {**posted, **values}, follow=True)


def get_pending() -> ApplicationAction:
    return ApplicationAction.objects.get(status=ApplicationAction.Status.PENDING)


def read_list(client: Client, query: str = "") -> str:
    return client.get(f"{LIST}{query}").content.decode().replace("&#x27;", "'")
