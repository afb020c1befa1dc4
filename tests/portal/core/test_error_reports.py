"""Error reports say where the code failed, and nothing that is secret or personal."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from portal.accounts.access import public_view
from portal.core.observability.error_reports import start_error_reports
from portal.core.queue import enqueue_task
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


def _fail_with_name() -> None:
    raise KeyError(NAME)


def _log_to_third_party() -> None:
    logging.getLogger("library").error(f"Couldn't read {NAME}")  # noqa: G004  (as libraries do)


def _log_with_structlog() -> None:
    structlog.get_logger("portal.tests").error("unreadable", candidate=NAME, key=KEY)


def _raise_from_database() -> None:
    try:
        raise ValueError(f"Key (email)=({NAME}) already exists")
    except ValueError as error:
        error.add_note(f"for {NAME}")
        sentry_sdk.add_breadcrumb(message=NAME, data={"url": f"/x/?q={TOKEN}"})
        sentry_sdk.set_tag("candidate", NAME)
        sentry_sdk.set_context("candidate", {"name": NAME})
        sentry_sdk.set_extra("key", KEY)
        sentry_sdk.set_user({"email": NAME})
        sentry_sdk.set_transaction_name(f"/x/{TOKEN}")
        group = ExceptionGroup(NAME, [error, KeyError(KEY)])
        logging.getLogger("portal.tests").error("Failed", exc_info=group, extra={"name_of": NAME})


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (_log_to_third_party, "library: _log_to_third_party"),
        (_log_with_structlog, "unreadable"),
        (_raise_from_database, "Failed"),
    ],
)
def test_report_drops_values_wherever_they_are(
    fail: Callable[[], None], message: str, receiver: Receiver
) -> None:
    with sentry_sdk.isolation_scope():
        fail()
    [event] = _read_events(receiver)
    assert event["logentry"]["message"].startswith(message)
    # Lines of code are sent: those above name what they must not send.
    for exception in event.get("exception", {}).get("values", []):
        exception.pop("stacktrace")
    assert [word for word in PERSONAL if word in json.dumps(event)] == []
    assert NAME.encode() not in b"".join(receiver.bodies)


def test_request_for_another_host_is_refused_and_not_reported(
    client: Client, receiver: Receiver
) -> None:
    response = client.get("/accounts/login/", headers={"host": "other.example"})
    assert response.status_code == 400
    assert "couldn't read that request" in response.content.decode()
    assert _read_events(receiver) == []


@pytest.mark.django_db
def test_failed_task_is_reported_once_with_its_name(
    receiver: Receiver, run_tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = "portal.connections.tasks.record_heartbeat"
    monkeypatch.setattr(task, _fail_with_name)
    enqueue_task(task)
    with pytest.raises(KeyError):
        run_tasks()
    [event] = _read_events(receiver)
    assert event["tags"]["task"] == task
    assert event["exception"]["values"][-1]["type"] == "KeyError"
    assert NAME not in json.dumps(event)


def test_calls_carry_no_trace_header(receiver: Receiver) -> None:
    with run_receiver() as other:
        connection = http.client.HTTPConnection(other.address)
        connection.request("POST", "/", body=b"{}")
        connection.getresponse().read()
        assert not {"sentry-trace", "baggage"} & other.headers[0].keys()


def test_reports_are_off_without_setting() -> None:
    assert settings.SENTRY_DSN == ""
    assert not sentry_sdk.is_initialized()
