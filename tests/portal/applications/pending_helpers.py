"""Helpers to plan rejections for a later day, and to let that day come."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.forms.reject import LATER
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Candidate, EmailTemplate
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application, reject_application

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


def get_pending() -> ApplicationAction:
    return ApplicationAction.objects.get(status=ApplicationAction.Status.PENDING)


def read_list(client: Client, query: str = "") -> str:
    return client.get(f"{LIST}{query}").content.decode().replace("&#x27;", "'")
