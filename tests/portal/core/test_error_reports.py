"""Error reports say where the code failed, and nothing that is secret or personal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from portal.accounts.access import public_view
from portal.core.observability.error_reports import start_error_reports
from tests.personas import Personas
from tests.receiver import Receiver, run_receiver

NAME, TOKEN, KEY = "Jane Candidate", "token-of-a-link", "harvest-key-1234"
PERSONAL = (NAME, TOKEN, KEY, "Jane", "acme.example", "a-cookie")


@public_view("fails, to be reported")
def fail_with_personal_data(request: HttpRequest, token: str) -> HttpResponse:
    candidate = {"name": NAME, "key": KEY}
    raise ValueError(f"{candidate} of {token}")


urlpatterns = [
    path("fail/<str:token>/", fail_with_personal_data),
    path("", include("portal.urls")),
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as receiver:
        start_error_reports(f"http://key@{receiver.address}/1", "tests")
        yield receiver
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def _read_events(receiver: Receiver) -> list[dict[str, Any]]:
    sentry_sdk.flush(timeout=5)
    items = [json.loads(body.splitlines()[2]) for body in receiver.bodies]
    return [item for item in items if "event_id" in item]


@pytest.mark.urls(__name__)
def test_failed_request_is_reported_without_data(
    personas: Personas, receiver: Receiver, sign_in
) -> None:
    client: Client = sign_in(personas.ada)
    client.raise_request_exception = False
    client.cookies["preference"] = "a-cookie"
    address = f"/fail/{TOKEN}/?q=Jane"
    response = client.post(address, {"name": NAME, "key": KEY}, headers={"Referer": f"/{TOKEN}"})
    assert response.status_code == 500
    [event] = _read_events(receiver)
    [exception] = event["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail_with_personal_data"
    assert event["transaction"] == f"{__name__}.fail_with_personal_data"
    assert event["tags"]["request_id"] == response.headers["X-Request-ID"]
    assert [word for word in PERSONAL if word in json.dumps(event)] == []


def test_logged_error_is_reported_without_values(receiver: Receiver) -> None:
    logging.getLogger("portal.tests").error("Couldn't read %s", NAME)
    [event] = _read_events(receiver)
    assert event["logentry"] == {"message": "Couldn't read %s"}
    assert NAME not in json.dumps(event)


def test_reports_are_off_without_setting() -> None:
    assert settings.SENTRY_DSN == ""
    assert not sentry_sdk.is_initialized()
