"""Redis is stopped, or frozen by SIGSTOP: pages, sign-in, rate limits and clicks go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.test import Client, override_settings
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.core.models import SharedState
from portal.core.redis import client as redis_client
from portal.core.redis.client import get_redis_client
from tests.conftest import V1
from tests.factories import PASSWORD
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application, list_writes, submit_action
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis_server

each_fault = pytest.mark.parametrize("fault", ["stopped", "frozen"])


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    get_redis_client(server.url).close()
    server.stop()


@pytest.fixture
def portal_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The portal is configured as in production, with this Redis."""
    location = {
        "BACKEND": "portal.core.redis.cache.FallbackRedisCache",
        "LOCATION": redis_server.url,
    }
    with override_settings(REDIS_URL=redis_server.url, CACHES={"default": location}):
        yield redis_server
        caches["default"].memory_cache.clear()


@pytest.fixture
def commands_sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were really sent to Redis, or tried to be."""
    sent: list[str] = []
    execute_command = redis.Redis.execute_command

    def record_command(self: redis.Redis, *args, **options):
        sent.append(args[0])
        return execute_command(self, *args, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", record_command)
    return sent


def _post_sign_in(client: Client, password: str = PASSWORD):
    return client.post(
        reverse("account_login"), {"login": "remy@acme.example", "password": password}
    )


@each_fault
def test_sign_in_and_pages_go_on(
    personas: Personas, portal_redis: RedisServer, client: Client, fault: str
) -> None:
    assert client.get(reverse("account_login")).status_code == 200
    portal_redis.take_away(fault)
    response = _post_sign_in(client)
    assert response.status_code == 302
    assert client.get(response.url, follow=True).status_code == 200
    assert client.get("/healthz").status_code == 200


@each_fault
def test_sign_in_limits_count_in_process(
    personas: Personas, portal_redis: RedisServer, client: Client, fault: str
) -> None:
    """Passwords cannot be guessed without limit while Redis is down."""
    portal_redis.take_away(fault)
    statuses = [_post_sign_in(client, "not it").status_code for _ in range(12)]
    assert statuses[0] == 200
    assert "Too many" in _post_sign_in(client).content.decode()


@each_fault
def test_requests_do_not_wait_in_turn(
    personas: Personas,
    portal_redis: RedisServer,
    client: Client,
    commands_sent: list[str],
    fault: str,
) -> None:
    _post_sign_in(client, "not it")
    assert commands_sent
    portal_redis.take_away(fault)
    commands_sent.clear()
    started_at = time.monotonic()
    for _ in range(10):
        assert _post_sign_in(Client(), "not it").status_code < 500
    elapsed = time.monotonic() - started_at
    assert 1 <= len(commands_sent) <= 1 + elapsed / redis_client.COOLDOWN_SECONDS


@each_fault
def test_operation_ends_within_deadline(redis_server: RedisServer, fault: str) -> None:
    client = get_redis_client(redis_server.url)
    client.set("key", "value")
    redis_server.take_away(fault)
    started_at = time.monotonic()
    with pytest.raises(redis.RedisError):
        client.get("key")
    assert time.monotonic() - started_at < 3 * redis_client.TIMEOUT_SECONDS
    with pytest.raises(redis_client.CircuitOpenError):
        client.get("key")


def _freeze_during_write(portal_redis: RedisServer, key: str) -> None:
    """Redis is frozen when it is asked to write, and carries the write out once it goes on."""
    cache = caches["default"]
    cache.set(key, "before")
    portal_redis.take_away("frozen")
    cache.set(key, "late")
    assert cache.get(key) == "late"  # in this process
    portal_redis.start()
    with redis.Redis.from_url(portal_redis.url) as client:
        assert b"late" in client.get(cache.make_key(key))
    get_redis_client(portal_redis.url).breaker._next_probe_at = time.monotonic()


def test_late_cache_write_is_deleted(portal_redis: RedisServer) -> None:
    """Nobody reads a value that came after its writer had given up on it."""
    _freeze_during_write(portal_redis, "key")
    cache = caches["default"]
    cache.set("other", 1)  # the first operation that Redis answers
    assert cache.get("key") is None
    cache.set("key", "new")
    cache.set("other", 2)
    assert cache.get("key") == "new"  # forgotten once, not for ever


def test_late_cache_write_is_deleted_at_second_try(
    portal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _freeze_during_write(portal_redis, "key")
    cache = caches["default"]

    def fail(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(RedisCache, "delete_many", fail)
        cache.set("other", 1)
    cache.set("other", 2)
    assert cache.get("key") is None


@each_fault
def test_breaker_closes_when_redis_is_back(redis_server: RedisServer, fault: str) -> None:
    client = get_redis_client(redis_server.url)
    client.set("key", "value")
    redis_server.take_away(fault)
    with pytest.raises(redis.RedisError):
        client.get("key")
    redis_server.start()
    client.breaker._next_probe_at = time.monotonic()  # the cooldown is over
    client.set("key", "new")
    assert client.get("key") == b"new"


def test_connections_closed_by_restart_are_replaced(redis_server: RedisServer) -> None:
    client = get_redis_client(redis_server.url)
    client.set("key", "value")
    redis_server.stop()
    redis_server.start()
    assert client.get("key") is None


@pytest.mark.slow("connects and sends a click")
@each_fault
def test_click_is_carried_out_without_redis(
    connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    portal_redis: RedisServer,
    run_tasks,
    fault: str,
) -> None:
    connect(V1["kind"])
    application, remy = find_application(), sign_in(personas.remy)
    portal_redis.take_away(fault)
    assert submit_action(remy, "advance", application).status_code == 200
    assert run_tasks() >= 1
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert len(list_writes(sandbox)) == 1
    assert SharedState.objects.exists()  # the rate limiter counts in the database


@each_fault
def test_readyz_tells_and_asks_anew(
    personas: Personas, portal_redis: RedisServer, client: Client, fault: str
) -> None:
    assert b"redis: ok" in client.get("/readyz").content
    portal_redis.take_away(fault)
    assert b"redis: does not answer" in client.get("/readyz").content
    portal_redis.start()
    assert b"redis: ok" in client.get("/readyz").content  # without waiting for a cooldown
