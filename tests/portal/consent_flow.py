"""What the tests of consents share: the deployment's application, and going through the page."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.onboarding import tasks
from tests.consent_page import submit_decision

AUTHORIZE_URL, CALLBACK_URL = "/setup/authorize/", "/setup/authorize/callback/"
CREDENTIAL_URL, PERMISSIONS_URL = "/setup/credential/", "/setup/permissions/"


def enable_oauth_app(settings: Any) -> None:
    """Give this deployment the sandbox's partner application."""
    settings.GREENHOUSE_PARTNER_CLIENT_ID = greenhouse.PARTNER_CLIENT_ID
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = greenhouse.PARTNER_CLIENT_SECRET
    settings.GREENHOUSE_PARTNER_REDIRECT_URI = f"http://127.0.0.1:1{CALLBACK_URL}"


def start_authorization(browser: Client, start: str = AUTHORIZE_URL) -> str:
    """Press the button; the address that the browser is sent to."""
    answer = browser.post(start)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.url)


def complete_authorization(
    browser: Client, sandbox: Sandbox, *, start: str = AUTHORIZE_URL, **decided: Any
) -> Any:
    """Press the button, decide in Greenhouse (Ada's service account, unless told), come back."""
    decided = {"service_account": "who" not in decided} | decided
    answer = submit_decision(sandbox, start_authorization(browser, start), **decided)
    return open_callback(browser, get_callback_path(answer.headers["location"]))


def open_callback(browser: Client, path: str) -> Any:
    """Come back with the browser; where the page leads once a worker has exchanged the code."""
    answer = browser.get(path)
    progress = re.fullmatch(rf"{AUTHORIZE_URL}(\d+)/", answer.headers.get("location", ""))
    if not progress:
        return answer
    tasks.exchange_code(int(progress[1]))
    return browser.get(answer.url)


def get_callback_path(address: str) -> str:
    """The path with which the browser comes back."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"
