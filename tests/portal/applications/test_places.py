"""Without JavaScript, a click leads back to its row in the same part of the list."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.views import activity, row
from portal.mirror.models import Application
from tests.cast import Cast
from tests.generations import any_generation
from tests.plain import Plain
from tests.portal.applications.clicking import address, an_application, seen
from tests.portal.applications.many import first_reason_pk, pick_from_one_job


@pytest.fixture
def remy(cast: Cast, connect, kind: str) -> Plain:
    connect(kind)
    return Plain(cast.remy)


def _list_url(application: Application) -> str:
    return reverse("applications:of_job", args=[application.job_id])


def _query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def _shows_row(person: Plain, application: Application) -> bool:
    return person.path.endswith(f"#application-{application.pk}") and (
        f'id="application-{application.pk}"' in person.page
    )


@pytest.fixture
def on_page_two(remy: Plain, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application on the second page of the list that the person has open."""
    monkeypatch.setattr(row, "PER_PAGE", 2)
    by_pk = {application.pk: application for application in pick_from_one_job(50)}
    remy.opens(f"{_list_url(next(iter(by_pk.values())))}?status=active&page=2")
    return next(
        application for pk, application in by_pk.items() if f'id="application-{pk}"' in remy.page
    )


@any_generation
def test_rejection_on_page_two_shows_undo(remy: Plain, on_page_two: Application) -> None:
    application = on_page_two
    remy.follows(f"Reject {application.candidate}")
    remy.presses(f"Reject {application.candidate}", reason=str(first_reason_pk()))
    assert "goes to Greenhouse in" in remy.page
    assert _shows_row(remy, application)
    assert _query(remy.path)["page"] == ["2"]
    assert "3 to 4 of" in remy.page, "the list is still on page two"
    remy.presses("Undo")
    assert "Taken back in time" in remy.page
    assert _shows_row(remy, application)
    assert _query(remy.path)["page"] == ["2"]
    remy.follows("Previous")
    assert "1 to 2 of" in remy.page


@any_generation
def test_cancel_returns_to_originating_page(remy: Plain, on_page_two: Application) -> None:
    remy.follows(f"Reject {on_page_two.candidate}")
    remy.follows("Cancel")
    assert _shows_row(remy, on_page_two)
    assert _query(remy.path)["page"] == ["2"]


@any_generation
def test_row_leaving_list_links_back(
    remy: Plain, sandbox: Sandbox, work: Callable[[], int]
) -> None:
    application, other = pick_from_one_job(2)
    for rejected in (application, other):
        sandbox.mutate("reject_application", application_id=rejected.remote_id)
        Application.objects.filter(pk=rejected.pk).update(status="rejected")
    remy.opens(f"{_list_url(application)}?status=rejected")
    remy.presses(f"Unreject {application.candidate}")
    assert _shows_row(remy, application)
    assert f'id="application-{other.pk}"' in remy.page
    work()
    remy.opens(remy.path)
    assert "Active again in Greenhouse" in remy.page
    assert _shows_row(remy, application)
    assert f'id="application-{other.pk}"' not in remy.page
    remy.follows("Back to the list")
    assert _query(remy.path) == {"status": ["rejected"]}
    assert f'id="application-{other.pk}"' in remy.page


@any_generation
def test_undo_returns_to_same_activity_page(
    remy: Plain, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 1)
    application, other = pick_from_one_job(2)
    for target in (application, other):
        remy.opens(f"{_list_url(target)}?application={target.pk}")
        remy.presses(f"Advance {target.candidate}")
    activity_url = reverse("applications:my_activity")
    remy.opens(f"{activity_url}?page=2")
    remy.presses(f"Undo {application.candidate}")
    assert remy.path == f"{activity_url}?page=2"
    assert "Taken back in time" in remy.page


@any_generation
def test_single_row_view_stays_single(remy: Plain) -> None:
    application = an_application()
    remy.opens(f"{_list_url(application)}?application={application.pk}")
    remy.presses(f"Advance {application.candidate}")
    assert _shows_row(remy, application)
    assert remy.page.count('id="application-') == 1
    assert "Show all active ones" in remy.page


@any_generation
def test_list_parameter_cannot_redirect_elsewhere(remy: Plain) -> None:
    application = an_application()
    remy.opens(_list_url(application))
    client = remy.client
    client.handler.enforce_csrf_checks = False
    extra_fields = {"list": "status=&stage=7&page=2&next=//elsewhere.example&at=5&status=hired"}
    response = client.post(address("advance", application.pk), seen(application, **extra_fields))
    assert response.url == (
        f"{_list_url(application)}?status=hired&stage=7&page=2&at={application.pk}#application-{application.pk}"
    )
