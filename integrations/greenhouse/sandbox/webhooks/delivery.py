"""Webhooks: signed deliveries to loopback addresses, sent by a background thread."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from integrations.greenhouse.sandbox.dataset.dataset import Dataset

WEBHOOK_EVENTS = (
    "new_candidate_application",
    "candidate_stage_change",
    "application_updated",
    "reject_candidate",
    "unreject_candidate",
    "hire_candidate",
    "delete_application",
    "update_candidate",
    "delete_candidate",
    "merge_candidate",
    "candidate_anonymized",
    "job_created",
    "job_updated",
    "job_deleted",
    "job_interview_stage_deleted",
)


@dataclass
class Webhook:
    """A registered webhook; a ping without a 2xx leaves it disabled (documented)."""

    url: str
    secret: str
    events: frozenset[str]
    account: str
    send_twice: bool = False
    enabled: bool = False

    def accepts_event(self, account: str, action: str) -> bool:
        return (
            self.enabled and account == self.account and (not self.events or action in self.events)
        )


@dataclass(frozen=True)
class Delivery:
    """A delivery attempt; ``status`` 0 means no response."""

    url: str
    action: str
    event_id: str
    body: bytes
    signature: str
    status: int


def encode_delivery(action: str, payload: dict[str, Any]) -> bytes:
    """Encode with non-ASCII and ``<>&`` escaped, so that only raw bytes verify."""
    text = json.dumps({"action": action, "payload": payload})
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("ascii")


def sign_body(secret: str, body: bytes) -> str:
    return f"sha256 {hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class WebhookSender:
    def __init__(self) -> None:
        self.hooks: list[Webhook] = []
        self.deliveries: list[Delivery] = []
        self.queue: queue.Queue[tuple[Webhook, str, str, bytes] | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def register_webhook(
        self,
        url: str,
        secret: str,
        events: Iterable[str] = (),
        account: str = "acme",
        twice: bool = False,
    ) -> Webhook:
        """Register a webhook and ping it; ``twice`` sends every delivery two times.

        Raises ValueError for a non-loopback URL and for unknown events.
        """
        events = frozenset(events)
        if unknown := sorted(events.difference(WEBHOOK_EVENTS)):
            raise ValueError(
                f"Unknown event: {', '.join(unknown)}. Known: {', '.join(WEBHOOK_EVENTS)}."
            )
        parts = urlsplit(url)
        if parts.scheme != "http" or not is_loopback(parts.hostname):
            raise ValueError("Only http addresses of this machine are allowed.")
        hook = Webhook(url, secret, events, account, twice)
        ping = encode_delivery("ping", {"web_hook_id": len(self.hooks) + 1})
        hook.enabled = 200 <= self._send_delivery(hook, "ping", str(uuid.uuid4()), ping) < 300
        self.hooks.append(hook)
        return hook

    def queue_event(
        self, dataset: Dataset, action: str, payload: Callable[[], dict[str, Any]]
    ) -> None:
        interested_hooks = [
            hook for hook in self.hooks if hook.accepts_event(dataset.account, action)
        ]
        if not interested_hooks:
            return
        body = encode_delivery(action, payload())
        for hook in interested_hooks:
            event_id = str(uuid.uuid4())
            for _ in range(2 if hook.send_twice else 1):
                self._enqueue_delivery(hook, action, event_id, body)

    def redeliver_event(self, event_id: str) -> bool:
        """Resend a delivery with its event ID; False if there is none."""
        for delivery in self.deliveries:
            hook = next((hook for hook in self.hooks if hook.url == delivery.url), None)
            if delivery.event_id == event_id and hook:
                self._enqueue_delivery(hook, delivery.action, event_id, delivery.body)
                return True
        return False

    def clear_webhooks(self) -> None:
        self.hooks.clear()
        self.deliveries.clear()

    def stop_thread(self) -> None:
        if self._thread:
            self.queue.put(None)
            self._thread.join(timeout=10)
            self._thread = None

    def _enqueue_delivery(self, hook: Webhook, action: str, event_id: str, body: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_queued, name="webhooks", daemon=True)
            self._thread.start()
        self.queue.put((hook, action, event_id, body))

    def _send_queued(self) -> None:
        while (task := self.queue.get()) is not None:
            self._send_delivery(*task)
            self.queue.task_done()
        self.queue.task_done()

    def _send_delivery(self, hook: Webhook, action: str, event_id: str, body: bytes) -> int:
        signature = sign_body(hook.secret, body)
        headers = {
            "Content-Type": "application/json",
            "Signature": signature,
            "Greenhouse-Event-ID": event_id,
        }
        status = _post_delivery(hook.url, headers, body)
        self.deliveries.append(Delivery(hook.url, action, event_id, body, signature, status))
        return status


def _post_delivery(url: str, headers: dict[str, str], body: bytes) -> int:
    # http.client uses no proxies and follows no redirects.
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=5)
    path = parts.path or "/"
    try:
        connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
