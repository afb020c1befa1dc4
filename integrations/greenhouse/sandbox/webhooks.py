"""Web hooks: signed deliveries to a loopback address, sent by a thread of their own."""

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

from .world import World

ACTIONS = (
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
"""The events that a sandbox sends."""


@dataclass
class Hook:
    """A registered hook. A ping that is not answered with 2xx leaves it disabled (documented)."""

    url: str
    secret: str
    events: frozenset[str]
    account: str
    twice: bool = False
    enabled: bool = False

    def wants(self, account: str, action: str) -> bool:
        """Say whether this hook is to hear of it. No events named: of everything."""
        return (
            self.enabled and account == self.account and (not self.events or action in self.events)
        )


@dataclass(frozen=True)
class Delivery:
    """One attempt. ``status`` 0: nobody answered."""

    url: str
    action: str
    event_id: str
    body: bytes
    signature: str
    status: int


def body_of(action: str, payload: dict[str, Any]) -> bytes:
    """Spell a delivery: non-ASCII and ``<`` as escapes, so only raw bytes can be verified."""
    text = json.dumps({"action": action, "payload": payload})
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("ascii")


def sign(secret: str, body: bytes) -> str:
    """Give the value of the ``Signature`` header."""
    return f"sha256 {hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Webhooks:
    """The hooks of a sandbox and what was delivered to them."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.deliveries: list[Delivery] = []
        self._queue: queue.Queue[tuple[Hook, str, str, bytes] | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def register(
        self,
        url: str,
        secret: str,
        events: Iterable[str] = (),
        account: str = "acme",
        twice: bool = False,
    ) -> Hook:
        """Register a hook and ping it at once. ``twice``: every delivery is sent two times.

        Raises ValueError for an address that is not on this machine, and for unknown events.
        """
        events = frozenset(events)
        if unknown := sorted(events.difference(ACTIONS)):
            raise ValueError(f"Unknown event: {', '.join(unknown)}. Known: {', '.join(ACTIONS)}.")
        parts = urlsplit(url)
        if parts.scheme != "http" or not is_loopback(parts.hostname):
            raise ValueError("Only http addresses of this machine are allowed.")
        hook = Hook(url, secret, events, account, twice)
        ping = body_of("ping", {"web_hook_id": len(self.hooks) + 1})
        hook.enabled = 200 <= self._deliver(hook, "ping", str(uuid.uuid4()), ping) < 300
        self.hooks.append(hook)
        return hook

    def listen(self, world: World, action: str, payload: Callable[[], dict[str, Any]]) -> None:
        """Hear of what happened in a world and queue what hooks want of it."""
        wanting = [hook for hook in self.hooks if hook.wants(world.account, action)]
        if not wanting:
            return
        body = body_of(action, payload())
        for hook in wanting:
            event_id = str(uuid.uuid4())
            for _ in range(2 if hook.twice else 1):
                self._enqueue(hook, action, event_id, body)

    def redeliver(self, event_id: str) -> bool:
        """Send a former delivery again, under the same id."""
        for old in self.deliveries:
            hook = next((hook for hook in self.hooks if hook.url == old.url), None)
            if old.event_id == event_id and hook:
                self._enqueue(hook, old.action, event_id, old.body)
                return True
        return False

    def wait(self) -> None:
        """Wait until everything queued was sent."""
        self._queue.join()

    def clear(self) -> None:
        """Forget all hooks and deliveries."""
        self.hooks.clear()
        self.deliveries.clear()

    def stop(self) -> None:
        """End the sending thread."""
        if self._thread:
            self._queue.put(None)
            self._thread.join(timeout=10)
            self._thread = None

    def _enqueue(self, hook: Hook, action: str, event_id: str, body: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()
        self._queue.put((hook, action, event_id, body))

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            self._deliver(*task)
            self._queue.task_done()
        self._queue.task_done()

    def _deliver(self, hook: Hook, action: str, event_id: str, body: bytes) -> int:
        signature = sign(hook.secret, body)
        headers = {
            "Content-Type": "application/json",
            "Signature": signature,
            "Greenhouse-Event-ID": event_id,
        }
        status = _post(hook.url, headers, body)
        self.deliveries.append(Delivery(hook.url, action, event_id, body, signature, status))
        return status


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """Post without proxies and without following redirects; 0 when nobody answers."""
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
