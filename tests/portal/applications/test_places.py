"""Where a click leads without scripts: to its row, in the part of the list it was made in."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.views import activity, row
from portal.mirror.models import Application
from tests.cast import Cast
from tests.plain import Plain
from tests.portal.applications.clicking import address, an_application, seen
from tests.portal.applications.many import a_reason, of_one_job


@pytest.fixture
def remy(cast: Cast, connect, kind: str) -> Plain:
    connect(kind)
    return Plain(cast.remy)


def _list(one: Application) -> str:
    return reverse("applications:of_job", args=[one.job_id])


def _asked(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def _is_in_sight(person: Plain, one: Application) -> bool:
    return person.path.endswith(f"#application-{one.pk}") and (
        f'id="application-{one.pk}"' in person.page
    )


@pytest.fixture
def on_page_two(remy: Plain, monkeypatch: pytest.MonkeyPatch) -> Application:
    """The person at the second page of a list; one of those on it."""
    monkeypatch.setattr(row, "PER_PAGE", 2)
    of_job = {one.pk: one for one in of_one_job(50)}
    remy.opens(f"{_list(next(iter(of_job.values())))}?status=active&page=2")
    return next(one for key, one in of_job.items() if f'id="application-{key}"' in remy.page)


def test_a_rejection_on_the_second_page_has_its_undo_in_sight(
    remy: Plain, on_page_two: Application
) -> None:
    one = on_page_two
    remy.follows(f"Reject {one.candidate}")
    remy.presses(f"Reject {one.candidate}", reason=str(a_reason()))
    assert "goes to Greenhouse in" in remy.page
    assert _is_in_sight(remy, one)
    assert _asked(remy.path)["page"] == ["2"]
    assert "3 to 4 of" in remy.page, "the list is where it was"
    remy.presses("Undo")
    assert "Taken back in time" in remy.page
    assert _is_in_sight(remy, one)
    assert _asked(remy.path)["page"] == ["2"]
    remy.follows("Previous")
    assert "1 to 2 of" in remy.page


def test_leaving_a_form_leads_back_to_the_page_it_was_opened_from(
    remy: Plain, on_page_two: Application
) -> None:
    remy.follows(f"Reject {on_page_two.candidate}")
    remy.follows("Cancel")
    assert _is_in_sight(remy, on_page_two)
    assert _asked(remy.path)["page"] == ["2"]


def test_what_leaves_its_list_by_the_click_is_shown_alone_with_the_way_back(
    remy: Plain, sandbox: Sandbox, work: Callable[[], int]
) -> None:
    one, other = of_one_job(2)
    for rejected in (one, other):
        sandbox.mutate("reject_application", application_id=rejected.remote_id)
        Application.objects.filter(pk=rejected.pk).update(status="rejected")
    remy.opens(f"{_list(one)}?status=rejected")
    remy.presses(f"Unreject {one.candidate}")
    assert _is_in_sight(remy, one)
    assert f'id="application-{other.pk}"' in remy.page
    work()
    remy.opens(remy.path)
    assert "Active again in Greenhouse" in remy.page
    assert _is_in_sight(remy, one)
    assert f'id="application-{other.pk}"' not in remy.page
    remy.follows("Back to the list")
    assert _asked(remy.path) == {"status": ["rejected"]}
    assert f'id="application-{other.pk}"' in remy.page


def test_an_undo_on_an_older_page_of_ones_activity_leads_back_to_it(
    remy: Plain, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 1)
    one, other = of_one_job(2)
    for acted in (one, other):
        remy.opens(f"{_list(acted)}?application={acted.pk}")
        remy.presses(f"Advance {acted.candidate}")
    mine = reverse("applications:my_activity")
    remy.opens(f"{mine}?page=2")
    remy.presses(f"Undo {one.candidate}")
    assert remy.path == f"{mine}?page=2"
    assert "Taken back in time" in remy.page


def test_what_was_looked_at_alone_stays_alone(remy: Plain) -> None:
    one = an_application()
    remy.opens(f"{_list(one)}?application={one.pk}")
    remy.presses(f"Advance {one.candidate}")
    assert _is_in_sight(remy, one)
    assert remy.page.count('id="application-') == 1
    assert "Show all active ones" in remy.page


def test_the_browser_names_a_part_of_the_list_and_no_address(remy: Plain) -> None:
    one = an_application()
    remy.opens(_list(one))
    client = remy.client
    client.handler.enforce_csrf_checks = False
    carried = {"list": "status=&stage=7&page=2&next=//elsewhere.example&at=5&status=hired"}
    answer = client.post(address("advance", one.pk), seen(one, **carried))
    assert answer.url == (
        f"{_list(one)}?status=hired&stage=7&page=2&at={one.pk}#application-{one.pk}"
    )
