"""What the tests of consents share: the deployment's application, and going through the page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from tests.consenting import decide

CONSENT, BACK = "/set-up/consent/", "/set-up/consent/back/"
CREDENTIAL, PERMISSIONS = "/set-up/credential/", "/set-up/permissions/"


def switch_on(settings: Any) -> None:
    """Give this deployment the sandbox's partner application."""
    settings.GREENHOUSE_PARTNER_CLIENT_ID = greenhouse.PARTNER_CLIENT_ID
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = greenhouse.PARTNER_CLIENT_SECRET
    settings.GREENHOUSE_PARTNER_REDIRECT_URI = f"http://127.0.0.1:1{BACK}"


def way_to_greenhouse(browser: Client, start: str = CONSENT) -> str:
    """Press the button; the address that the browser is sent to."""
    answer = browser.post(start)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.url)


def go_through(browser: Client, sandbox: Sandbox, *, start: str = CONSENT, **decided: Any) -> Any:
    """Press the button, decide in Greenhouse (Ada's service account, unless told), come back."""
    decided = {"service_account": "who" not in decided} | decided
    answer = decide(sandbox, way_to_greenhouse(browser, start), **decided)
    return browser.get(way_home(answer.headers["location"]))


def way_home(address: str) -> str:
    """The path with which the browser comes back."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"
