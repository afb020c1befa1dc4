"""Helpers to plan rejections for a later day, and to let that day come."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from portal.applications.forms.reject import LATER
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Candidate, EmailTemplate
from tests.portal.applications.action_helpers import reject_application

LIST = reverse("applications:pending_rejections")


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
