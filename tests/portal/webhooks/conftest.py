"""A connected Acme with an address for web hooks, and hands that deliver to it."""

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
from integrations.greenhouse.sandbox.webhooks import body_of, sign
from portal.connections.models import Connection
from portal.webhooks.models import Address
from tests.cast import Cast
from tests.factories import ConnectionFactory

PAGE = "/set-up/web-hooks/"
SECRET = re.compile(r'<code id="secret">([\w-]+)</code>')


def shown_secret(page: HttpResponse) -> str:
    """The secret that a page shows, "" where it shows none."""
    found = SECRET.search(page.content.decode())
    return found[1] if found else ""


@dataclass
class Hook:
    """Acme's address, and Greenhouse's hand."""

    connection: Connection
    secret: str
    _ids = count(1)

    @property
    def address(self) -> Address:
        return Address.objects.get(connection=self.connection)

    @property
    def path(self) -> str:
        return f"/web-hooks/{self.address.token}/"

    def sends(self, body: bytes, **headers: str) -> HttpResponse:
        """Post these bytes as they are; headers may be changed or, with "", left out."""
        told = {
            "Signature": sign(self.secret, body),
            "Greenhouse-Event-ID": f"event-{next(self._ids)}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return Client(enforce_csrf_checks=True).post(
            self.path,
            body,
            content_type="application/json",
            headers={name: value for name, value in told.items() if value},
        )

    def tells(self, action: str, payload: dict[str, Any], **headers: str) -> HttpResponse:
        """Deliver an event, spelled and signed as Greenhouse does."""
        return self.sends(body_of(action, payload), **headers)

    def about(self, application_id: int, action: str = "application_updated", **headers: str):
        """Deliver the least that names an application."""
        return self.tells(action, {"application": {"id": application_id}}, **headers)


@pytest.fixture
def hook(cast: Cast, sign_in, work) -> Hook:
    """Of an Acme whose mirror is empty and whose Greenhouse is nowhere."""
    connection = ConnectionFactory(organization=cast.ada.organization, state=Connection.State.LIVE)
    connection.credentials.create(kind="harvest_key", secret="k", last_four="k", fingerprint="k")
    return Hook(connection, shown_secret(sign_in(cast.ada).post(f"{PAGE}secret/")))


@pytest.fixture
def second_hook(cast: Cast, sign_in) -> Hook:
    """The same of another customer."""
    connection = ConnectionFactory(organization=cast.zoe.organization, state=Connection.State.LIVE)
    connection.credentials.create(kind="harvest_key", secret="k", last_four="k", fingerprint="m")
    return Hook(connection, shown_secret(sign_in(cast.zoe).post(f"{PAGE}secret/")))


@pytest.fixture
def full_hook(connect: Callable[..., Connection], cast: Cast, sign_in) -> Hook:
    """Of an Acme that is connected and synced."""
    connection = connect()
    return Hook(connection, shown_secret(sign_in(cast.ada).post(f"{PAGE}secret/")))


@pytest.fixture
def asked(sandbox: Sandbox) -> Callable[[str], int]:
    """How often Greenhouse was asked for a kind of record since the test began to count."""
    start = len(list(sandbox.requests))

    def count_of(what: str) -> int:
        since = list(sandbox.requests)[start:]
        return sum(f"/{what}" in request.path and request.method == "GET" for request in since)

    return count_of


def kept(text: str) -> bool:
    """Whether a text is anywhere in what is kept of deliveries."""
    from portal.webhooks.models import Delivery, Heartbeat

    rows = [*Delivery.objects.values(), *Heartbeat.objects.values(), *Address.objects.values()]
    return text in json.dumps(rows, default=str)
