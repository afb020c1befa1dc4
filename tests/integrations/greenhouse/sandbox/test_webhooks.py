from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.integrations.greenhouse.sandbox.api_client import ApiClient


class Receiver:
    """An HTTP server that records the webhooks it gets."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/greenhouse"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def actions(self) -> list[str]:
        return [json.loads(body)["action"] for _, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_hook_gets_ping_and_signed_events(api: ApiClient, receiver: Receiver) -> None:
    hook = {"url": receiver.url, "secret": "s3cret", "events": ["reject_candidate"]}
    assert api.http.post("/__webhooks", json=hook).json()["enabled"] is True
    row = api.find_application()
    api.v1("POST", f"/applications/{row.id}/reject", by="ada", json={})
    api.sandbox.run_mutation("unreject_application", application_id=row.id)
    api.sandbox.webhooks.queue.join()
    assert receiver.actions() == ["ping", "reject_candidate"]
    headers, body = receiver.received[-1]
    digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Signature"] == f"sha256 {digest}"
    assert headers["Greenhouse-Event-ID"]
    application = json.loads(body)["payload"]["application"]
    assert (application["id"], application["status"]) == (row.id, "rejected")


def test_webhook_bodies_are_escaped(api: ApiClient, receiver: Receiver) -> None:
    api.sandbox.webhooks.register_webhook(receiver.url, "s", ["update_candidate"])
    api.sandbox.run_mutation(
        "rename_candidate",
        candidate_id=api.find_application().candidate_id,
        first_name="Zoë",
        last_name="<b>",
    )
    api.sandbox.webhooks.queue.join()
    body = receiver.received[-1][1]
    assert b"Zo\\u00eb" in body
    assert b"\\u003cb\\u003e" in body


def test_hook_with_failed_ping_stays_disabled(api: ApiClient, receiver: Receiver) -> None:
    receiver.status = 500
    hook = api.sandbox.webhooks.register_webhook(receiver.url, "s")
    assert not hook.enabled
    api.sandbox.run_mutation("close_job", job_id=api.find_application().job_id)
    api.sandbox.webhooks.queue.join()
    assert receiver.actions() == ["ping"]


def test_deliveries_can_be_repeated(api: ApiClient, receiver: Receiver) -> None:
    api.sandbox.webhooks.register_webhook(receiver.url, "s", twice=True)
    api.sandbox.run_mutation("close_job", job_id=api.find_application().job_id)
    api.sandbox.webhooks.queue.join()
    event = api.sandbox.webhooks.deliveries[-1].event_id
    api.http.post("/__webhooks/redeliver", json={"event_id": event})
    api.sandbox.webhooks.queue.join()
    assert receiver.actions() == ["ping", *["job_updated"] * 3]
    assert {d.event_id for d in api.sandbox.webhooks.deliveries[1:]} == {event}


def test_hooks_get_only_own_account(api: ApiClient, receiver: Receiver) -> None:
    api.sandbox.webhooks.register_webhook(receiver.url, "s", account="other")
    api.sandbox.run_mutation("close_job", job_id=api.find_application().job_id)
    api.sandbox.webhooks.queue.join()
    assert receiver.actions() == ["ping"]


def test_user_changes_send_no_webhook(api: ApiClient, receiver: Receiver) -> None:
    api.sandbox.webhooks.register_webhook(receiver.url, "s")
    api.sandbox.run_mutation("set_site_admin", user="basil")
    api.sandbox.run_mutation("deactivate_user", user="remy")
    api.sandbox.webhooks.queue.join()
    assert receiver.actions() == ["ping"]


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "https://127.0.0.1/hook", "http://10.0.0.1/", "nonsense"]
)
def test_hook_url_must_be_local(api: ApiClient, url: str) -> None:
    answer = api.http.post("/__webhooks", json={"url": url, "secret": "s"})
    assert answer.status_code == 422
