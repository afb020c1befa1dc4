"""Fail every test in which a secret of the sandbox reaches a page, log line, email or task.

Loaded by tests/conftest.py; its middleware is in tests/settings.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django_q.signals import pre_enqueue

from integrations.greenhouse import sandbox

SECRETS = tuple(
    value
    for name, value in vars(sandbox).items()
    if name.endswith(("_V1_KEY", "_V1_KEY_LIMITED", "_CLIENT_SECRET")) and isinstance(value, str)
)
_leaks: list[str] = []


def inspect_text(text: str, where: str) -> None:
    """Record where a secret occurred, without repeating the secret."""
    if any(secret in text for secret in SECRETS):
        _leaks.append(where)


class SecretScanMiddleware:
    """Outermost middleware that inspects every response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.streaming:
            inspect_text(response.content.decode(errors="replace"), f"the page {request.path}")
        inspect_text(str(response.headers), f"the headers of {request.path}")
        inspect_text(str(response.cookies), f"the cookies of {request.path}")
        return response


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
        inspect_text(text, f"a log line of {record.name}")


def _inspect_task(task: dict[str, Any], **_: Any) -> None:
    inspect_text(str(task), f"the queued task {task.get('func')}")


def inspect_mail(messages: Iterable[EmailMessage]) -> None:
    for message in messages:
        inspect_text(f"{message.subject} {message.body}", "an email")


@pytest.fixture(scope="session", autouse=True)
def _scan_for_secrets() -> Iterator[None]:
    handler = _LogHandler(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    pre_enqueue.connect(_inspect_task)
    yield
    pre_enqueue.disconnect(_inspect_task)
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def leaks() -> Iterator[list[str]]:
    """Where secrets occurred in this test; must be empty when it ends."""
    _leaks.clear()
    yield _leaks
    inspect_mail(getattr(mail, "outbox", ()))
    assert _leaks == [], "a secret of the sandbox left the portal"
