"""What is told of a click on an application that its person no longer sees."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, Candidate, JobGrant
from tests.cast import Cast
from tests.portal.applications.clicking import HTMX, address, an_application, click, newest, shown

Status = ApplicationAction.Status
GONE = "no longer here, or no longer open to you"


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


@pytest.mark.parametrize("place", ["row", "review_card"])
def test_a_click_on_what_was_just_deleted_is_told_where_it_was_made(
    remy: Client, sandbox: Sandbox, work, place: str
) -> None:
    one = an_application()
    click(remy, "advance", one)
    sandbox.mutate("delete_application", application_id=one.remote_id)
    work()
    action = newest()
    assert action.status == Status.REFUSED
    answer = remy.get(address(place, one.pk), **HTMX)
    told = answer.content.decode()
    assert answer.status_code == 200
    assert action.outcome in told
    assert GONE in told
    assert f'id="last-{one.pk}" data-announce' in told
    assert "hx-" not in told, "it asks for itself no more, and has no button"
    for word in (str(one.candidate), one.stage_name, "<button", "<a "):
        assert word not in told, word


def test_a_click_that_is_on_its_way_is_asked_for_until_it_has_ended(
    remy: Client, sandbox: Sandbox, work
) -> None:
    one = an_application()
    click(remy, "advance", one)
    Candidate.objects.filter(pk=one.candidate_id).update(private=True)
    assert f'hx-get="{address("row", one.pk)}"' in shown(remy, one)
    assert "Undo" not in shown(remy, one)
    work()
    assert "hx-get" not in shown(remy, one)
    assert f"Advance: {newest().status_words}." in shown(remy, one)


def test_where_it_stands_now_is_not_told_to_who_no_longer_sees_it(
    remy: Client, sandbox: Sandbox, work
) -> None:
    one = an_application()
    click(remy, "advance", one)
    work()
    one.refresh_from_db()
    assert one.stage_name in newest().outcome
    JobGrant.objects.all().delete()
    told = shown(remy, one)
    assert "Advance: done in Greenhouse." in told
    assert one.stage_name not in told
    assert str(one.candidate) not in told


def test_only_ones_own_clicks_are_told_and_none_that_was_put_away(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    one = an_application()
    click(remy, "advance", one)
    work()
    assert sign_in(cast.uma).get(address("row", one.pk), **HTMX).status_code == 404
    remy.post(address("dismiss", newest().pk), **HTMX)
    Application.objects.filter(pk=one.pk).update(gone_at=timezone.now())
    for place in ("row", "review_card"):
        assert remy.get(address(place, one.pk), **HTMX).status_code == 404
    assert remy.get(reverse("applications:of_job", args=[one.job_id])).status_code == 200
