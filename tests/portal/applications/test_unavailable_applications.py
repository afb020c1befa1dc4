"""The outcome of an action on an application that its actor can no longer see."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Candidate, JobGrant
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    find_application,
    get_latest_action,
    submit_action,
)

Status = ApplicationAction.Status
UNAVAILABLE = "no longer available to you"


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.mark.parametrize("view", ["row", "review_card"])
def test_deleted_application_reports_outcome_in_place(
    remy: Client, sandbox: Sandbox, run_tasks, view: str
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    sandbox.run_mutation("delete_application", application_id=application.remote_id)
    run_tasks()
    action = get_latest_action()
    assert action.status == Status.REFUSED
    response = remy.get(build_action_url(view, application.pk), **HTMX)
    page = response.content.decode()
    assert response.status_code == 200
    assert action.outcome in html.unescape(page)
    assert UNAVAILABLE in page
    assert f'id="last-{application.pk}" data-announce' in page
    assert "hx-" not in page, "it neither polls nor has a button"
    for text in (str(application.candidate), application.stage_name, "<button", "<a "):
        assert text not in page, text


@any_generation
def test_hidden_application_polls_until_settled(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    Candidate.objects.filter(pk=application.candidate_id).update(private=True)
    assert f'hx-get="{build_action_url("row", application.pk)}"' in fetch_row(remy, application)
    assert "Undo" not in fetch_row(remy, application)
    run_tasks()
    assert "hx-get" not in fetch_row(remy, application)
    assert "Advanced." in fetch_row(remy, application)


@any_generation
def test_outcome_hides_stage_after_access_lost(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    application.refresh_from_db()
    assert application.stage_name in get_latest_action().outcome
    JobGrant.objects.all().delete()
    row = fetch_row(remy, application)
    assert "Advanced." in row
    assert application.stage_name not in row
    assert str(application.candidate) not in row


@any_generation
def test_outcome_shown_only_to_actor_until_dismissed(
    remy: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    assert (
        sign_in(personas.uma).get(build_action_url("row", application.pk), **HTMX).status_code
        == 404
    )
    remy.post(build_action_url("dismiss_action", get_latest_action().pk), **HTMX)
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())
    for view in ("row", "review_card"):
        assert remy.get(build_action_url(view, application.pk), **HTMX).status_code == 404
    assert (
        remy.get(reverse("applications:job_detail", args=[application.job_id])).status_code == 200
    )
