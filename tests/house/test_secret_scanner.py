"""The suite-wide secret detector finds secrets in pages, logs, tasks and emails."""

from __future__ import annotations

import logging

import pytest
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django_q.signals import pre_enqueue

from tests.house.secret_scanner import SECRETS, SecretScanMiddleware, inspect_mail


def test_secrets_are_collected() -> None:
    assert len(SECRETS) >= 5
    assert all(len(secret) > 20 for secret in SECRETS)


@pytest.mark.parametrize("secret", SECRETS)
def test_secret_is_found_everywhere(leaks: list[str], secret: str) -> None:
    SecretScanMiddleware(lambda request: HttpResponse(f"x{secret}y"))(
        RequestFactory().get("/leak/")
    )
    logging.getLogger("a.logger").warning("the key is %s", secret)
    pre_enqueue.send(sender="django_q", task={"func": "a.task", "args": (secret,)})
    inspect_mail([EmailMessage(subject="Key", body=f"It is {secret}.")])
    assert leaks == [
        "the page /leak/",
        "a log line of a.logger",
        "the queued task a.task",
        "an email",
    ]
    leaks.clear()


def test_secret_is_found_in_headers_and_cookies(leaks: list[str]) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse(headers={"X-Key": SECRETS[0]})
        response.set_cookie("key", SECRETS[0])
        return response

    SecretScanMiddleware(view)(RequestFactory().get("/leak/"))
    assert leaks == ["the headers of /leak/", "the cookies of /leak/"]
    leaks.clear()


def test_other_text_passes(leaks: list[str]) -> None:
    SecretScanMiddleware(lambda request: HttpResponse("ends in 91af"))(
        RequestFactory().get("/fine/")
    )
    logging.getLogger("a.logger").warning("the key ends in 91af")
    inspect_mail([EmailMessage(subject="Key", body="It ends in 91af.")])
    assert leaks == []
