"""A connected Acme with an address for webhooks, and hands that deliver to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.webhooks.delivery import encode_delivery, sign_body
from portal.connections.models import Connection
from portal.webhooks.models import Endpoint
from tests.factories import ConnectionFactory
from tests.personas import Personas

PAGE = "/setup/webhooks/"
SECRET = re.compile(r'<code id="secret">([\w-]+)</code>')


def find_secret(page: HttpResponse) -> str:
    """The secret that a page shows, "" where it shows none."""
    match = SECRET.search(page.content.decode())
    return match[1] if match else ""


@dataclass
class WebhookSender:
    """Acme's address, and Greenhouse's hand."""

    connection: Connection
    secret: str
    _ids = count(1)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.objects.get(connection=self.connection)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.endpoint.token}/"

    def post_body(self, body: bytes, **headers: str) -> HttpResponse:
        """Post these bytes as they are; headers may be changed or, with "", left out."""
        all_headers = {
            "Signature": sign_body(self.secret, body),
            "Greenhouse-Event-ID": f"event-{next(self._ids)}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return Client(enforce_csrf_checks=True).post(
            self.path,
            body,
            content_type="application/json",
            headers={name: value for name, value in all_headers.items() if value},
        )

    def deliver_event(self, action: str, payload: dict[str, Any], **headers: str) -> HttpResponse:
        """Deliver an event, spelled and signed as Greenhouse does."""
        return self.post_body(encode_delivery(action, payload), **headers)

    def deliver_application(
        self, application_id: int, action: str = "application_updated", **headers: str
    ):
        """Deliver the least that names an application."""
        return self.deliver_event(action, {"application": {"id": application_id}}, **headers)


@pytest.fixture
def webhook(personas: Personas, sign_in, run_tasks) -> WebhookSender:
    """Of an Acme whose mirror is empty and whose Greenhouse is nowhere."""
    connection = ConnectionFactory(
        organization=personas.ada.organization, state=Connection.State.LIVE
    )
    connection.credentials.create(kind="harvest_key", secret="k", last_four="k", fingerprint="k")
    return WebhookSender(connection, find_secret(sign_in(personas.ada).post(f"{PAGE}secret/")))


@pytest.fixture
def second_webhook(personas: Personas, sign_in) -> WebhookSender:
    """The same of another customer."""
    connection = ConnectionFactory(
        organization=personas.zoe.organization, state=Connection.State.LIVE
    )
    connection.credentials.create(kind="harvest_key", secret="k", last_four="k", fingerprint="m")
    return WebhookSender(connection, find_secret(sign_in(personas.zoe).post(f"{PAGE}secret/")))


@pytest.fixture
def synced_webhook(
    connect: Callable[..., Connection], personas: Personas, sign_in
) -> WebhookSender:
    """Of an Acme that is connected and synced."""
    connection = connect()
    return WebhookSender(connection, find_secret(sign_in(personas.ada).post(f"{PAGE}secret/")))


@pytest.fixture
def count_requests(sandbox: Sandbox) -> Callable[[str], int]:
    """How often Greenhouse was asked for a kind of record since the test began to count."""
    start = len(list(sandbox.requests))

    def count_kind(what: str) -> int:
        since = list(sandbox.requests)[start:]
        return sum(f"/{what}" in request.path and request.method == "GET" for request in since)

    return count_kind


def is_stored(text: str) -> bool:
    """Whether a text is anywhere in what is kept of deliveries."""
    from portal.webhooks.models import Delivery, Heartbeat

    rows = [*Delivery.objects.values(), *Heartbeat.objects.values(), *Endpoint.objects.values()]
    return text in json.dumps(rows, default=str)
