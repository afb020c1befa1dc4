"""Without JavaScript, a click leads back to its row in the same part of the list."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.views import activity, job_page_context
from portal.sync.models import Application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    build_form_values,
    find_application,
)
from tests.portal.applications.batch_helpers import first_reason_pk, pick_from_one_job
from tests.scriptless_browser import ScriptlessBrowser


@pytest.fixture
def remy(personas: Personas, connect, kind: str) -> ScriptlessBrowser:
    connect(kind)
    return ScriptlessBrowser(personas.remy)


def _list_url(application: Application) -> str:
    return reverse("applications:job_detail", args=[application.job_id])


def _query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def _shows_row(person: ScriptlessBrowser, application: Application) -> bool:
    return person.path.endswith(f"#application-{application.pk}") and (
        f'id="application-{application.pk}"' in person.page
    )


@pytest.fixture
def on_page_two(remy: ScriptlessBrowser, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application on the second page of the list that the person has open."""
    monkeypatch.setattr(job_page_context, "PER_PAGE", 2)
    by_pk = {application.pk: application for application in pick_from_one_job(50)}
    remy.open_path(f"{_list_url(next(iter(by_pk.values())))}?status=active&page=2")
    return next(
        application for pk, application in by_pk.items() if f'id="application-{pk}"' in remy.page
    )


@any_generation
def test_rejection_on_page_two_shows_undo(
    remy: ScriptlessBrowser, on_page_two: Application
) -> None:
    application = on_page_two
    remy.press_button(f"Reject {application.candidate}")
    remy.press_button(f"Reject {application.candidate}", reason=str(first_reason_pk()))
    assert "Rejecting in" in remy.page
    assert _shows_row(remy, application)
    assert _query(remy.path)["page"] == ["2"]
    assert "3 to 4 of" in remy.page, "the list is still on page two"
    remy.press_button(f"Undo rejection of {application.candidate}")
    assert "canceled. Nothing was sent." in remy.page
    assert _shows_row(remy, application)
    assert _query(remy.path)["page"] == ["2"]
    remy.follow_link("Previous")
    assert "1 to 2 of" in remy.page


@any_generation
def test_cancel_returns_to_originating_page(
    remy: ScriptlessBrowser, on_page_two: Application
) -> None:
    remy.press_button(f"Reject {on_page_two.candidate}")
    remy.follow_link("Cancel")
    assert _shows_row(remy, on_page_two)
    assert _query(remy.path)["page"] == ["2"]


@any_generation
def test_row_leaving_list_links_back(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks: Callable[[], int]
) -> None:
    application, other = pick_from_one_job(2)
    for rejected in (application, other):
        sandbox.run_mutation("reject_application", application_id=rejected.remote_id)
        Application.objects.filter(pk=rejected.pk).update(status="rejected")
    remy.open_path(f"{_list_url(application)}?status=rejected")
    remy.press_button(f"Unreject {application.candidate}")
    assert _shows_row(remy, application)
    assert f'id="application-{other.pk}"' in remy.page
    run_tasks()
    remy.open_path(f"{_list_url(application)}?status=rejected&return_to={application.pk}")
    assert "Unrejected" in remy.page
    assert f'id="application-{application.pk}"' in remy.page
    assert f'id="application-{other.pk}"' not in remy.page
    remy.follow_link("Back to the list")
    assert _query(remy.path) == {"status": ["rejected"]}
    assert f'id="application-{other.pk}"' in remy.page


@any_generation
def test_handled_row_stays_in_its_place(
    remy: ScriptlessBrowser, run_tasks: Callable[[], int]
) -> None:
    application = pick_from_one_job(3)[-1]
    remy.open_path(_list_url(application))
    before = _list_rows(remy)
    remy.press_button(f"Advance {application.candidate}")
    run_tasks()
    remy.open_path(remy.path)
    assert "Advanced to" in remy.page
    assert _list_rows(remy) == before


def _list_rows(person: ScriptlessBrowser) -> list[str]:
    return re.findall(r'<tr id="application-(\d+)"', person.page)


@any_generation
def test_undo_returns_to_same_activity_page(
    remy: ScriptlessBrowser, personas: Personas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 1)
    application, other = pick_from_one_job(2)
    for target in (application, other):
        remy.open_path(f"{_list_url(target)}?application={target.pk}")
        remy.press_button(f"Advance {target.candidate}")
    activity_url = reverse("applications:my_activity")
    remy.open_path(f"{activity_url}?page=2")
    remy.press_button(f"Undo advance of {application.candidate}")
    assert remy.path.startswith(f"{activity_url}?page=2&visit=")
    assert "canceled. Nothing was sent." in remy.page


@any_generation
def test_single_row_view_stays_single(remy: ScriptlessBrowser) -> None:
    application = find_application()
    remy.open_path(f"{_list_url(application)}?application={application.pk}")
    remy.press_button(f"Advance {application.candidate}")
    assert _shows_row(remy, application)
    assert remy.page.count('id="application-') == 1
    assert "Show all active" in remy.page


@any_generation
def test_list_parameter_cannot_redirect_elsewhere(remy: ScriptlessBrowser) -> None:
    application = find_application()
    remy.open_path(_list_url(application))
    client = remy.client
    client.handler.enforce_csrf_checks = False
    extra_fields = {
        "list_query": "status=&stage=7&page=2&next=//elsewhere.example&return_to=5&status=hired"
    }
    response = client.post(
        build_action_url("advance", application.pk), build_form_values(application, **extra_fields)
    )
    assert response.url == (
        f"{_list_url(application)}?status=hired&stage=7&page=2&return_to={application.pk}#application-{application.pk}"
    )
