from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from .api import Api


class Receiver:
    """Somebody who listens for web hooks."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/greenhouse"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def actions(self) -> list[str]:
        return [json.loads(body)["action"] for _, body in self.heard]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_new_hook_is_pinged_and_then_told_signed(api: Api, receiver: Receiver) -> None:
    asked = {"url": receiver.url, "secret": "s3cret", "events": ["reject_candidate"]}
    assert api.http.post("/__webhooks", json=asked).json()["enabled"] is True
    row = api.application()
    api.v1("POST", f"/applications/{row.id}/reject", by="ada", json={})
    api.sandbox.mutate("unreject_application", application_id=row.id)
    api.sandbox.webhooks.wait()
    assert receiver.actions() == ["ping", "reject_candidate"]
    headers, body = receiver.heard[-1]
    digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Signature"] == f"sha256 {digest}"
    assert headers["Greenhouse-Event-ID"]
    application = json.loads(body)["payload"]["application"]
    assert (application["id"], application["status"]) == (row.id, "rejected")


def test_bodies_are_escaped_so_that_only_raw_bytes_verify(api: Api, receiver: Receiver) -> None:
    api.sandbox.webhooks.register(receiver.url, "s", ["update_candidate"])
    api.sandbox.mutate(
        "rename_candidate",
        candidate_id=api.application().candidate_id,
        first_name="Zoë",
        last_name="<b>",
    )
    api.sandbox.webhooks.wait()
    body = receiver.heard[-1][1]
    assert b"Zo\\u00eb" in body
    assert b"\\u003cb\\u003e" in body


def test_a_hook_whose_ping_fails_stays_disabled(api: Api, receiver: Receiver) -> None:
    receiver.status = 500
    hook = api.sandbox.webhooks.register(receiver.url, "s")
    assert not hook.enabled
    api.sandbox.mutate("close_job", job_id=api.application().job_id)
    api.sandbox.webhooks.wait()
    assert receiver.actions() == ["ping"]


def test_deliveries_can_come_twice_and_again_under_one_id(api: Api, receiver: Receiver) -> None:
    api.sandbox.webhooks.register(receiver.url, "s", twice=True)
    api.sandbox.mutate("close_job", job_id=api.application().job_id)
    api.sandbox.webhooks.wait()
    event = api.sandbox.webhooks.deliveries[-1].event_id
    api.http.post("/__webhooks/redeliver", json={"event_id": event})
    api.sandbox.webhooks.wait()
    assert receiver.actions() == ["ping", *["job_updated"] * 3]
    assert {d.event_id for d in api.sandbox.webhooks.deliveries[1:]} == {event}


def test_hooks_hear_only_of_their_own_account(api: Api, receiver: Receiver) -> None:
    api.sandbox.webhooks.register(receiver.url, "s", account="other")
    api.sandbox.mutate("close_job", job_id=api.application().job_id)
    api.sandbox.webhooks.wait()
    assert receiver.actions() == ["ping"]


def test_people_and_grants_have_no_hook(api: Api, receiver: Receiver) -> None:
    api.sandbox.webhooks.register(receiver.url, "s")
    api.sandbox.mutate("set_site_admin", user="basil")
    api.sandbox.mutate("deactivate_user", user="remy")
    api.sandbox.webhooks.wait()
    assert receiver.actions() == ["ping"]


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "https://127.0.0.1/hook", "http://10.0.0.1/", "nonsense"]
)
def test_only_addresses_of_this_machine_are_taken(api: Api, url: str) -> None:
    answer = api.http.post("/__webhooks", json={"url": url, "secret": "s"})
    assert answer.status_code == 422
