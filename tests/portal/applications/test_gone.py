"""The outcome of an action on an application that its actor can no longer see."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, Candidate, JobGrant
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.clicking import HTMX, address, an_application, click, newest, shown

Status = ApplicationAction.Status
UNAVAILABLE = "no longer here, or no longer open to you"


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


@pytest.mark.parametrize("view", ["row", "review_card"])
def test_deleted_application_reports_outcome_in_place(
    remy: Client, sandbox: Sandbox, work, view: str
) -> None:
    application = an_application()
    click(remy, "advance", application)
    sandbox.mutate("delete_application", application_id=application.remote_id)
    work()
    action = newest()
    assert action.status == Status.REFUSED
    response = remy.get(address(view, application.pk), **HTMX)
    page = response.content.decode()
    assert response.status_code == 200
    assert action.outcome in page
    assert UNAVAILABLE in page
    assert f'id="last-{application.pk}" data-announce' in page
    assert "hx-" not in page, "it neither polls nor has a button"
    for text in (str(application.candidate), application.stage_name, "<button", "<a "):
        assert text not in page, text


@any_generation
def test_hidden_application_polls_until_settled(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    click(remy, "advance", application)
    Candidate.objects.filter(pk=application.candidate_id).update(private=True)
    assert f'hx-get="{address("row", application.pk)}"' in shown(remy, application)
    assert "Undo" not in shown(remy, application)
    work()
    assert "hx-get" not in shown(remy, application)
    assert f"Advance: {newest().status_words}." in shown(remy, application)


@any_generation
def test_outcome_hides_stage_after_access_lost(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    application.refresh_from_db()
    assert application.stage_name in newest().outcome
    JobGrant.objects.all().delete()
    row = shown(remy, application)
    assert "Advance: done in Greenhouse." in row
    assert application.stage_name not in row
    assert str(application.candidate) not in row


@any_generation
def test_outcome_shown_only_to_actor_until_dismissed(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    assert sign_in(cast.uma).get(address("row", application.pk), **HTMX).status_code == 404
    remy.post(address("dismiss", newest().pk), **HTMX)
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())
    for view in ("row", "review_card"):
        assert remy.get(address(view, application.pk), **HTMX).status_code == 404
    assert remy.get(reverse("applications:of_job", args=[application.job_id])).status_code == 200
