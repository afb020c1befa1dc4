"""One id from the browser to the task to Greenhouse, in the log and in the answer."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import Client

from portal.connections.models import ApiCall
from portal.core import trace
from portal.core.links import digest, new_token
from portal.core.logs import JsonLines, Traced
from portal.members import invite
from tests.cast import Cast
from tests.conftest import FULL


def test_calls_to_greenhouse_carry_the_id_of_the_click(cast: Cast, sandbox, sign_in, work) -> None:
    answer = sign_in(cast.ada).post("/set-up/credential/", FULL["harvest_key"])
    clicked = answer.headers["X-Request-ID"]
    tried = ApiCall.objects.filter(trace=clicked).count()
    assert tried > 0
    work()
    assert ApiCall.objects.filter(trace=clicked).count() > tried + 10, "its tasks go on under it"
    assert not ApiCall.objects.exclude(trace=clicked).exists()


def test_another_click_has_another_id(client: Client) -> None:
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("told", ["a-fine-id-of-the-proxy", "x", "two\nlines-of-text", "a" * 90])
def test_only_a_proxys_id_is_taken_over_and_only_if_it_looks_like_one(
    client: Client, settings, told: str
) -> None:
    settings.TRUSTED_PROXIES = 0
    assert client.get("/healthz", headers={"X-Request-ID": told}).headers["X-Request-ID"] != told
    settings.TRUSTED_PROXIES = 1
    answer = client.get("/healthz", headers={"X-Request-ID": told}).headers["X-Request-ID"]
    assert (answer == told) == (told == "a-fine-id-of-the-proxy")


def test_a_schedules_task_begins_an_id_of_its_own() -> None:
    trace.take_up("portal.onboarding.tasks.sweep")
    first = trace.current()
    trace.take_up(None)
    assert first
    assert trace.current() not in {"", first, "portal.onboarding.tasks.sweep"}


def test_log_lines_tell_the_route_and_not_what_was_searched_for(
    cast: Cast, sign_in, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal.requests")
    sign_in(cast.remy).get("/requisitions/?q=Jane+Doe")
    [line] = caplog.records
    Traced().filter(line)
    told = json.loads(JsonLines().format(line))
    assert (told["route"], told["status"]) == ("requisitions/", 200)
    assert told["request_id"] == trace.current()
    assert "Jane" not in str(told)


@pytest.fixture
def live(cast: Cast) -> str:
    """The token of an invitation that is open."""
    token = new_token()
    invitation, _ = invite.invite(cast.ada.organization, "n@acme.example", role="admin", by=None)
    type(invitation).objects.update(digest=digest(token))
    return token


@pytest.mark.parametrize(
    ("status", "behind"), [(422, "/"), (403, "/"), (429, "/"), (404, "/)."), (405, "/")]
)
def test_no_line_about_what_was_refused_tells_a_live_link(
    live: str, settings, caplog: pytest.LogCaptureFixture, status: int, behind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    if status == 429:
        settings.GUESSES = {"members:accept": (0, 600)}
    client = Client(enforce_csrf_checks=status == 403)
    ask = client.put if status == 405 else client.post
    answer = ask(f"/invitation/{live}{behind}", {"name": "Nia", "password": "short"})
    assert answer.status_code == status
    told = [line for line in caplog.records if line.name.startswith("django.")]
    assert told, "Django says that it refused"
    assert live not in caplog.text
    route = "/invitation/…" if status == 404 else "/invitation/<str:token>/"
    assert all(line.getMessage().endswith(f": {route}") for line in told)


def test_nor_does_one_tell_where_somebody_came_from(
    live: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    came = {"Referer": f"https://elsewhere.example/invitation/{live}/"}
    assert client.post("/sign-in/", secure=True, headers=came).status_code == 403
    assert live not in caplog.text
    assert "https://elsewhere.example/…" in caplog.text
