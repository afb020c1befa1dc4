"""Helpers to pick an application and act on it as a person would."""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction, ReviewSession
from portal.sync.models import Application, CustomField, RejectionReason

HTMX = {"HTTP_HX_REQUEST": "true"}


def list_applications(name: str = "remy", *, stage: int = 0) -> list[Application]:
    """Has candidates in this stage of the jobs the person may see; Sam sees all jobs."""
    matches = Application.objects.filter(
        status="active",
        prospect=False,
        stage__order=stage,
        job__status="open",
        job__confidential=False,
        candidate__private=False,
    ).order_by("remote_id")
    if name != "sam":
        matches = matches.filter(job__grants__user__primary_email=f"{name}@acme.example")
    return list(matches.select_related("job", "stage", "candidate"))


def find_application(name: str = "remy", *, stage: int = 0) -> Application:
    return list_applications(name, stage=stage)[0]


def build_form_values(application: Application, **more: object) -> dict[str, Any]:
    """The values of the form on screen."""
    return {
        "key": uuid.uuid4(),
        "stage": application.stage_remote_id or "",
        "entry": application.stage_entry_id or "",
        "stage_name": application.stage_name,
        **more,
    }


def build_action_url(kind: str, pk: int) -> str:
    return reverse(f"applications:{kind}", args=[pk])


def submit_action(client: Client, kind: str, application: Application, **more: object):
    return client.post(
        build_action_url(kind, application.pk), build_form_values(application, **more), **HTMX
    )


def reject_application(client: Client, application: Application, **more: object):
    reason = RejectionReason.objects.order_by("remote_id").first()
    return submit_action(
        client, "reject", application, **{"reason": reason.pk if reason else "", **more}
    )


def fetch_row(client: Client, application: Application) -> str:
    """The HTML of the row as the person sees it now."""
    page: str = client.get(build_action_url("row", application.pk), **HTMX).content.decode()
    return page.replace("&#x27;", "'")


def get_review_origin() -> str:
    """What forms of the newest review carry."""
    return f"review-{ReviewSession.objects.latest('started_at').pk}"


def get_card_url(application_pk: int) -> str:
    return f"{build_action_url('review_card', application_pk)}?origin={get_review_origin()}"


def get_decisions_url() -> str:
    return reverse(
        "applications:review_decisions", args=[ReviewSession.objects.latest("started_at").pk]
    )


def get_latest_action() -> ApplicationAction:
    return ApplicationAction.objects.first()


def get_sandbox_application(sandbox: Sandbox, application: Application):
    """The application as it is in Greenhouse."""
    return sandbox.dataset().applications[application.remote_id]


def list_writes(sandbox: Sandbox) -> list[Any]:
    """Writes that Greenhouse accepted."""
    return [r for r in sandbox.requests if r.method in {"POST", "PATCH"} and _is_write(r)]


def _is_write(request: Any) -> bool:
    return "/applications/" in request.path and bool(request.status) and request.status < 300


def build_custom_field_name(key: str) -> str:
    """The form field's name of a custom field."""
    return f"custom-{CustomField.objects.get(key=key).pk}"
