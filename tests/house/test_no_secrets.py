"""The net for secrets catches: in pages, log lines and tasks."""

from __future__ import annotations

import logging

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django_q.signals import pre_enqueue

from tests.house.no_secrets import SECRETS, Pages


def test_there_are_secrets_to_look_for() -> None:
    assert len(SECRETS) >= 5
    assert all(len(secret) > 20 for secret in SECRETS)


@pytest.mark.parametrize("secret", SECRETS)
def test_the_net_catches_a_page_a_log_line_and_a_task(caught: list[str], secret: str) -> None:
    Pages(lambda request: HttpResponse(f"x{secret}y"))(RequestFactory().get("/leak/"))
    logging.getLogger("a.room").warning("the key is %s", secret)
    pre_enqueue.send(sender="django_q", task={"func": "a.task", "args": (secret,)})
    told = ["the page /leak/", "a log line of a.room", "the queued task a.task"]
    assert caught == told
    caught.clear()


def test_what_is_no_secret_passes(caught: list[str]) -> None:
    Pages(lambda request: HttpResponse("ends in 91af"))(RequestFactory().get("/fine/"))
    assert caught == []
