"""One request ID from the browser through tasks to Greenhouse and the logs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.test import Client

from portal.connections.models import ApiCall
from portal.core.observability import request_ids
from portal.core.observability.log_formatting import build_formatter
from portal.core.queue import enqueue_task
from portal.core.secrets.link_tokens import generate_token, hash_token
from portal.members import invitations
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas


def test_api_calls_carry_request_id(personas: Personas, sandbox, sign_in, run_tasks) -> None:
    response = sign_in(personas.ada).post("/setup/credential/", FULL_CREDENTIALS["harvest_key"])
    request_id = response.headers["X-Request-ID"]
    call_count = ApiCall.objects.filter(trace=request_id).count()
    assert call_count > 0
    run_tasks()
    assert ApiCall.objects.filter(trace=request_id).count() > call_count + 10, (
        "its tasks keep the request ID"
    )
    assert not ApiCall.objects.exclude(trace=request_id).exists()


def test_requests_have_distinct_ids(client: Client) -> None:
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    "request_id",
    ["a-fine-id-of-the-proxy", "x", "two\nlines-of-text", "a" * 90],
    ids=["well_formed", "short", "two_lines", "long"],
)
def test_request_id_accepted_only_from_proxy(client: Client, settings, request_id: str) -> None:
    settings.TRUSTED_PROXIES = 0
    assert (
        client.get("/healthz", headers={"X-Request-ID": request_id}).headers["X-Request-ID"]
        != request_id
    )
    settings.TRUSTED_PROXIES = 1
    returned_id = client.get("/healthz", headers={"X-Request-ID": request_id}).headers[
        "X-Request-ID"
    ]
    assert (returned_id == request_id) == (request_id == "a-fine-id-of-the-proxy")


@pytest.mark.django_db
def test_ended_task_is_logged_and_forgotten(caplog: pytest.LogCaptureFixture, run_tasks) -> None:
    caplog.set_level(logging.INFO, "portal.tasks")
    request_ids.adopt_task_group("request:of-the-click")
    enqueue_task("portal.connections.tasks.record_heartbeat")
    run_tasks()
    lines: list[Any] = [r.msg for r in caplog.records if r.name == "portal.tasks"]
    [line] = lines
    assert line["task"] == "portal.connections.tasks.record_heartbeat"
    assert (line["outcome"], line["request_id"]) == ("done", "of-the-click")
    assert request_ids.get_request_id() == ""


def test_scheduled_task_gets_own_request_id() -> None:
    request_ids.adopt_task_group("portal.onboarding.tasks.recover_lost_deletions")
    first = request_ids.get_request_id()
    request_ids.adopt_task_group(None)
    assert first
    assert request_ids.get_request_id() not in {
        "",
        first,
        "portal.onboarding.tasks.recover_lost_deletions",
    }


def test_log_line_has_route_without_query(
    personas: Personas, sign_in, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal.requests")
    sign_in(personas.remy).get("/requisitions/?q=Jane+Doe")
    [log_record] = caplog.records
    fields = json.loads(build_formatter("json").format(log_record))
    assert (fields["route"], fields["status"]) == ("requisitions/", 200)
    assert fields["request_id"] == request_ids.get_request_id()
    assert "Jane" not in str(fields)


@pytest.fixture
def open_token(personas: Personas) -> str:
    """The token of an open invitation."""
    token = generate_token()
    invitation, _ = invitations.create_invitation(
        personas.ada.organization, "n@acme.example", role="admin", by=None
    )
    type(invitation).objects.update(digest=hash_token(token))
    return token


@pytest.mark.parametrize(
    ("status", "suffix"), [(422, "/"), (403, "/"), (429, "/"), (404, "/)."), (405, "/")]
)
def test_refused_request_log_hides_link_token(
    open_token: str, settings, caplog: pytest.LogCaptureFixture, status: int, suffix: str
) -> None:
    caplog.set_level(logging.DEBUG)
    if status == 429:
        settings.NOT_FOUND_RATE_LIMITS = {"members:accept_invitation": (0, 600)}
    client = Client(enforce_csrf_checks=status == 403)
    send = client.put if status == 405 else client.post
    response = send(f"/invitation/{open_token}{suffix}", {"name": "Nia", "password": "short"})
    assert response.status_code == status
    log_records = [
        log_record for log_record in caplog.records if log_record.name.startswith("django.")
    ]
    assert log_records, "Django logged the refusal"
    assert open_token not in caplog.text
    route = "/invitation/…" if status == 404 else "/invitation/<str:token>/"
    assert all(log_record.getMessage().endswith(f": {route}") for log_record in log_records)


def test_csrf_log_hides_referring_path(open_token: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    headers = {"Referer": f"https://elsewhere.example/invitation/{open_token}/"}
    assert client.post("/sign-in/", secure=True, headers=headers).status_code == 403
    assert open_token not in caplog.text
    assert "https://elsewhere.example/…" in caplog.text
