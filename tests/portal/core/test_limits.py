"""Who asks too often waits; nobody else does."""

from __future__ import annotations

import pytest
import redis
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from tests.cast import Cast
from tests.portal import walk

CREDENTIAL = reverse("onboarding:credential")
WRONG = {"kind": "harvest_key", "api_key": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4-1"}


def _accept(client: Client, token: str, **asked: str):
    return client.get(reverse("members:accept", args=[token]), **asked)


def test_trying_credentials_one_after_the_other_ends_before_greenhouse_is_asked(
    cast: Cast, sandbox: Sandbox, sign_in, settings
) -> None:
    settings.LIMITS = {"onboarding:credential": (3, 600)}
    ada = sign_in(cast.ada)
    for _ in range(3):
        assert ada.post(CREDENTIAL, WRONG).status_code == 422
    asked = len(list(sandbox.requests))
    answer = ada.post(CREDENTIAL, WRONG)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 600
    assert "Nothing was done this time" in answer.content.decode()
    assert len(list(sandbox.requests)) == asked
    assert ada.get(CREDENTIAL).status_code == 200  # reading is not counted
    assert sign_in(cast.zoe).post(CREDENTIAL, WRONG).status_code == 422  # nor is somebody else


def test_retry_after_is_what_is_left_of_the_window(
    cast: Cast, sandbox: Sandbox, sign_in, settings, later
) -> None:
    settings.LIMITS = {"onboarding:credential": (1, 600)}
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, WRONG)
    later(540)
    answer = ada.post(CREDENTIAL, WRONG)
    assert 55 <= int(answer["Retry-After"]) <= 60
    assert "after 1 minute at" in answer.content.decode()


def test_it_ends_by_the_clock(cast: Cast, sandbox: Sandbox, sign_in, settings) -> None:
    settings.LIMITS = {"onboarding:credential": (1, 600)}
    ada = sign_in(cast.ada)
    ada.post(CREDENTIAL, WRONG)
    assert ada.post(CREDENTIAL, WRONG).status_code == 429
    cache.clear()  # what the cache itself does after ten minutes
    assert ada.post(CREDENTIAL, WRONG).status_code == 422


@pytest.mark.parametrize("name", ["members:accept", "onboarding:fix"])
def test_guessing_links_is_stopped_by_address(
    cast: Cast, client: Client, settings, name: str
) -> None:
    settings.GUESSES = {name: (3, 600)}
    for number in range(3):
        assert client.get(reverse(name, args=[f"guess-{number}"])).status_code == 410
    assert client.get(reverse(name, args=["guess-4"])).status_code == 429
    there = {"REMOTE_ADDR": "198.51.100.7"}
    assert client.get(reverse(name, args=["guess-4"]), **there).status_code == 410


def test_what_has_no_limit_is_never_counted(cast: Cast, sign_in, settings) -> None:
    settings.LIMITS, settings.GUESSES = {}, {}
    for _ in range(3):
        assert sign_in(cast.ada).get(reverse("members:list")).status_code == 200
    assert cache.get("limit:post:members:list") is None


def test_a_cache_that_is_down_stops_nobody(
    cast: Cast, sandbox: Sandbox, sign_in, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise redis.ConnectionError("nobody there")

    for name in ("add", "incr", "get"):
        monkeypatch.setattr(type(cache._connections["default"]), name, down)
    assert sign_in(cast.ada).post(CREDENTIAL, WRONG).status_code == 422


def test_each_limited_view_is_there(settings) -> None:
    known = {name for name, _ in walk.entries()}
    assert settings.LIMITS.keys() | settings.GUESSES.keys() <= known
