"""Where résumés are for ten minutes: never on a disk, never readable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from portal.applications.resumes import cache
from portal.core.redis.client import get_redis_client
from tests.redis_server import RedisServer


@pytest.fixture
def memory() -> Iterator[cache.MemoryStore]:
    store = cache.get_memory_store()
    store.clear_values()
    yield store
    store.clear_values()


@pytest.fixture
def server(tmp_path: Path, settings) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path)
    running.start()
    settings.REDIS_URL = running.url
    cache._is_diskless.cache_clear()
    yield running
    running.stop()
    cache._is_diskless.cache_clear()
    get_redis_client.cache_clear()


def _dump(server: RedisServer) -> dict[bytes, bytes]:
    with redis.Redis.from_url(server.url) as client:
        return {key: client.get(key) for key in client.keys("*:resume:*")}


def test_values_leave_memory_on_time(memory, settings, advance_clock) -> None:
    settings.REDIS_URL = ""
    cache.set_value("a", b"secret")
    assert cache.get_value("a") == b"secret"
    advance_clock(cache.LIFETIME_SECONDS + 1)
    memory._remove_on_time()  # what its timer calls
    assert memory.count_values() == 0


def test_memory_is_bounded(memory, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = ""
    monkeypatch.setattr(cache, "MAX_MEMORY_BYTES", 1000)
    for number in range(20):
        cache.set_value(str(number), bytes(150))
        cache.get_value("0")
    assert memory.count_values() < 7
    assert cache.get_value("0") == bytes(150)  # in use
    assert cache.get_value("1") is None
    assert cache.get_value("19") == bytes(150)


def test_large_values_are_not_kept(memory, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = ""
    monkeypatch.setattr(cache, "MAX_VALUE_BYTES", 10)
    cache.set_value("a", bytes(11))
    assert memory.count_values() == 0


def test_changed_key_opens_nothing(memory, settings) -> None:
    settings.REDIS_URL = ""
    cache.set_value("a", b"secret")
    settings.FIELD_ENCRYPTION_KEY = ["c29tZS1vdGhlci1rZXktZm9yLXRlc3RpbmctMTIzNDU="]
    assert cache.get_value("a") is None


def test_value_of_another_key_is_refused(memory, settings) -> None:
    settings.REDIS_URL = ""
    cache.set_value("a", b"secret")
    [(_, sealed)] = memory._values.values()
    assert b"secret" not in sealed
    memory.set_value(cache._hash_name("b"), sealed)
    assert cache.get_value("b") is None


@pytest.mark.redis_server
def test_diskless_redis_is_shared(server: RedisServer, memory) -> None:
    cache.set_value("a", b"secret")
    assert memory.count_values() == 0
    [(name, sealed)] = _dump(server).items()
    assert b"secret" not in sealed
    with redis.Redis.from_url(server.url) as client:
        assert 0 < client.ttl(name) <= cache.LIFETIME_SECONDS
    assert cache.get_value("a") == b"secret"


@pytest.mark.redis_server
@pytest.mark.parametrize("option", [("save", "60 1"), ("appendonly", "yes")])
def test_redis_with_disk_is_not_used(server: RedisServer, memory, option) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set(*option)
    cache.set_value("a", b"secret")
    assert _dump(server) == {}
    assert cache.get_value("a") == b"secret"


@pytest.mark.redis_server
def test_lost_redis_leaves_memory(server: RedisServer, memory) -> None:
    cache.set_value("a", b"first")
    server.stop()
    assert cache.get_value("a") is None
    cache.set_value("a", b"second")
    assert cache.get_value("a") == b"second"
