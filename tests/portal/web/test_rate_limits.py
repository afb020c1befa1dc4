"""Rate limits per person and per address."""

from __future__ import annotations

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.models import Job
from portal.web.repeated_refusals import MEMORY_SECONDS
from tests.personas import Personas
from tests.portal import url_crawler

CREDENTIAL = reverse("onboarding:credential")
WRONG = {"kind": "harvest_key", "api_key": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4-1"}


def test_credential_limit_applies_before_greenhouse_call(
    personas: Personas, sandbox: Sandbox, sign_in, settings
) -> None:
    settings.POST_RATE_LIMITS = {"onboarding:credential": (3, 600)}
    ada = sign_in(personas.ada)
    for _ in range(3):
        assert ada.post(CREDENTIAL, WRONG).status_code == 422
    request_count = len(list(sandbox.requests))
    response = ada.post(CREDENTIAL, WRONG)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 600
    assert "Nothing was changed" in response.content.decode()
    assert len(list(sandbox.requests)) == request_count
    assert ada.get(CREDENTIAL).status_code == 200  # GET is not counted
    assert sign_in(personas.zoe).post(CREDENTIAL, WRONG).status_code == 422  # nor is another person


def test_retry_after_is_rest_of_window(
    personas: Personas, sandbox: Sandbox, sign_in, settings, advance_clock
) -> None:
    settings.POST_RATE_LIMITS = {"onboarding:credential": (1, 600)}
    ada = sign_in(personas.ada)
    ada.post(CREDENTIAL, WRONG)
    advance_clock(540)
    response = ada.post(CREDENTIAL, WRONG)
    assert 55 <= int(response["Retry-After"]) <= 60
    assert "in 1 minute" in response.content.decode()


def test_refreshes_of_one_person_are_limited(
    connect, personas: Personas, sign_in, settings
) -> None:
    connect()
    settings.POST_RATE_LIMITS = settings.POST_RATE_LIMITS | {"jobs:refresh_job": (2, 60)}
    sam, remy = sign_in(personas.sam), sign_in(personas.remy)
    job = Job.objects.filter(status="open", confidential=False)[0]
    refresh_url = reverse("jobs:refresh_job", args=[job.pk])
    assert [sam.post(refresh_url).status_code for _ in range(3)] == [302, 302, 429]
    assert remy.post(refresh_url).status_code != 429


def test_repeated_refusal_costs_no_query(
    connect, personas: Personas, sign_in, settings, django_assert_num_queries, advance_clock
) -> None:
    connect()
    settings.POST_RATE_LIMITS = settings.POST_RATE_LIMITS | {"jobs:refresh_job": (1, 60)}
    sam = sign_in(personas.sam)
    first, second = (
        reverse("jobs:refresh_job", args=[job.pk])
        for job in Job.objects.filter(status="open", confidential=False)[:2]
    )
    sam.post(first)
    refused = sam.post(first)
    advance_clock(2)
    with django_assert_num_queries(0):
        repeated = sam.post(second)
    assert repeated.wsgi_request.resolver_match.view_name == "jobs:refresh_job"  # in the log
    assert repeated.status_code == refused.status_code == 429
    for page in (refused, repeated):
        assert "Nothing was changed. Try again in 1 minute." in page.content.decode()
    assert int(repeated["Retry-After"]) == int(refused["Retry-After"]) - 2
    for header in ("Content-Security-Policy", "X-Frame-Options"):
        assert repeated[header] == refused[header]
    assert repeated["Cache-Control"] == "no-store"
    assert sam.get(first).status_code != 429
    assert sam.get(reverse("jobs:list")).status_code == 200
    assert sign_in(personas.remy).post(first).status_code != 429


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The counters started in the cache, with the seconds that each lives."""
    started: dict[str, int] = {}
    add = cache.add

    def record_and_add(key: str, value: object, timeout: int) -> bool:
        if key.startswith("limit:"):
            started[key] = timeout
        return bool(add(key, value, timeout))

    monkeypatch.setattr(cache, "add", record_and_add)
    return started


def test_limit_expires_after_its_period(
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    settings,
    counters: dict[str, int],
    advance_clock,
) -> None:
    settings.POST_RATE_LIMITS = {"onboarding:credential": (1, 600)}
    ada = sign_in(personas.ada)
    ada.post(CREDENTIAL, WRONG)
    assert ada.post(CREDENTIAL, WRONG).status_code == 429
    advance_clock(MEMORY_SECONDS)
    assert [seconds for key, seconds in counters.items() if "post:" in key] == [600]
    cache.delete_many(counters)  # as the cache itself does after ten minutes
    assert ada.post(CREDENTIAL, WRONG).status_code == 422


@pytest.mark.parametrize("name", ["members:accept_invitation", "onboarding:fix"])
def test_link_guessing_limited_per_address(
    personas: Personas, client: Client, settings, name: str
) -> None:
    settings.NOT_FOUND_RATE_LIMITS = {name: (3, 600)}
    for attempt in range(3):
        assert client.get(reverse(name, args=[f"guess-{attempt}"])).status_code == 410
    assert client.get(reverse(name, args=["guess-4"])).status_code == 429
    other_client = {"REMOTE_ADDR": "198.51.100.7"}
    assert client.get(reverse(name, args=["guess-4"]), **other_client).status_code == 410


def test_unlimited_view_is_not_counted(
    personas: Personas, sign_in, settings, counters: dict[str, int]
) -> None:
    settings.POST_RATE_LIMITS, settings.NOT_FOUND_RATE_LIMITS = {}, {}
    ada = sign_in(personas.ada)
    assert ada.post(reverse("members:list"), {"email": ""}).status_code == 422
    assert ada.get(reverse("members:accept_invitation", args=["guess"])).status_code == 410
    assert counters == {}


def test_limits_hold_within_process_without_redis(
    personas: Personas, sandbox: Sandbox, sign_in, settings
) -> None:
    """Nobody is refused because Redis is down, and guessing stays limited."""
    settings.POST_RATE_LIMITS = {"onboarding:credential": (1, 600)}
    settings.CACHES = {
        "default": {
            "BACKEND": "portal.core.redis.cache.FallbackRedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    try:
        ada = sign_in(personas.ada)
        assert ada.post(CREDENTIAL, WRONG).status_code == 422
        assert ada.post(CREDENTIAL, WRONG).status_code == 429
    finally:
        caches["default"].memory_cache.clear()


def test_limited_views_exist(settings) -> None:
    view_names = {name for name, _ in url_crawler.iterate_url_patterns()}
    assert settings.POST_RATE_LIMITS.keys() | settings.NOT_FOUND_RATE_LIMITS.keys() <= view_names
