"""The whole suite's net for secrets: no page, log line, mail or task may hold one of them.

Loaded by tests/conftest.py; its middleware stands in tests/settings.py. A test in which a secret of
the sandbox leaves the portal fails, whatever else it is about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django_q.signals import pre_enqueue

from integrations.greenhouse import sandbox

SECRETS = tuple(
    value
    for name, value in vars(sandbox).items()
    if name.endswith(("_V1_KEY", "_V1_KEY_LIMITED", "_CLIENT_SECRET")) and isinstance(value, str)
)
_caught: list[str] = []


def look_at(text: str, where: str) -> None:
    """Note it when a secret stands in `text`; the secret itself is not repeated."""
    if any(secret in text for secret in SECRETS):
        _caught.append(where)


class Pages:
    """Middleware around all others: looks at every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.streaming:
            look_at(response.content.decode(errors="replace"), f"the page {request.path}")
        look_at(str(response.headers), f"the headers of {request.path}")
        look_at(str(response.cookies), f"the cookies of {request.path}")
        return response


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage() + str(getattr(record, "facts", ""))
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
        look_at(text, f"a log line of {record.name}")


def _task(task: dict[str, Any], **_: Any) -> None:
    look_at(str(task), f"the queued task {task.get('func')}")


@pytest.fixture(scope="session", autouse=True)
def _the_net() -> Iterator[None]:
    lines = _Lines(logging.DEBUG)
    logging.getLogger().addHandler(lines)
    pre_enqueue.connect(_task)
    yield
    pre_enqueue.disconnect(_task)
    logging.getLogger().removeHandler(lines)


@pytest.fixture(autouse=True)
def caught() -> Iterator[list[str]]:
    """What was caught in this test; it must be nothing when it ends."""
    _caught.clear()
    yield _caught
    for message in getattr(mail, "outbox", ()):
        look_at(f"{message.subject} {message.body}", "a mail")
    assert _caught == [], "a secret of the sandbox left the portal"
