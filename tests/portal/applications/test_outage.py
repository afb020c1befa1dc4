"""While Greenhouse is down, the row, the list and the pages say so, and what becomes of a click."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.applications.tasks import recover_lost_actions
from portal.sync.models import Application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    find_application,
    get_latest_action,
    list_writes,
    submit_action,
)

Status = ApplicationAction.Status
NOTICE = "Greenhouse isn't responding"
OUTAGE = reverse("jobs:outage")


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def broken_greenhouse(sandbox: Sandbox) -> None:
    sandbox.faults.add_fault(regex=r"^/v[13]/", status=503, times=None)


def _list_pages(application: Application) -> list[str]:
    return [
        reverse("jobs:list"),
        reverse("applications:job_detail", args=[application.job_id]),
        build_action_url("applicant", application.pk),
    ]


def _poll(client: Client, shown: str) -> tuple[int, bool]:
    response = client.get(OUTAGE, {"shown": shown}, **HTMX)
    return response.status_code, NOTICE in response.content.decode()


@any_generation
def test_failed_click_is_said_everywhere(
    remy: Client, sandbox: Sandbox, broken_greenhouse: None, run_tasks
) -> None:
    application = find_application()
    assert _poll(remy, "no") == (204, False)
    submit_action(remy, "advance", application)
    run_tasks()
    assert "Greenhouse didn't respond. Checking what happened." in fetch_row(remy, application)
    for page in _list_pages(application):
        assert NOTICE in remy.get(page).content.decode(), page
    assert _poll(remy, "no") == (200, True)
    assert _poll(remy, "yes") == (204, False)


@any_generation
def test_pages_poll_within_five_seconds(remy: Client) -> None:
    for page in _list_pages(find_application()):
        content = remy.get(page).content.decode()
        assert f'hx-get="{OUTAGE}?shown=no" hx-trigger="every 4s"' in content
        assert NOTICE not in content


@any_generation
def test_unsent_click_is_sent_once_greenhouse_answers(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    # No token either, so the click certainly never left.
    sandbox.faults.add_fault(status=503, times=None)
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    assert NOTICE in remy.get(reverse("jobs:list")).content.decode()
    assert "Not advanced yet." in fetch_row(remy, application)
    sandbox.faults.clear_faults()
    advance_clock(60)
    _run_outbox(run_tasks)
    assert ApplicationAction.objects.get(application=application).status == Status.DONE
    assert _poll(remy, "yes") == (200, False)
    for page in _list_pages(application):
        assert NOTICE not in remy.get(page).content.decode()


@any_generation
def test_lost_click_has_to_be_repeated(
    remy: Client, sandbox: Sandbox, broken_greenhouse: None, run_tasks, advance_clock
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    sandbox.faults.clear_faults()
    advance_clock(60)
    _run_outbox(run_tasks)
    assert get_latest_action().status == Status.FAILED
    row = html.unescape(fetch_row(remy, application))
    assert "Not advanced." in row
    assert "Greenhouse didn't respond and nothing changed. Try again." in row
    assert list_writes(sandbox) == []


def _run_outbox(run_tasks) -> None:
    for _ in range(2):
        recover_lost_actions()
        outbox.release_due_actions()
        run_tasks()


@any_generation
def test_poll_is_no_sign_of_use(remy: Client, personas: Personas) -> None:
    Membership.objects.update(last_active_at=None)
    remy.get(OUTAGE, **HTMX)
    assert Membership.objects.get(pk=personas.remy.pk).last_active_at is None
    remy.get(reverse("jobs:list"))
    assert Membership.objects.get(pk=personas.remy.pk).last_active_at is not None
