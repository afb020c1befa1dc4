"""State shared by all processes, in the database or in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import redis
from django.conf import settings

from integrations.ats.wiring import StateStore
from portal.core.models import SharedState
from portal.core.state import DatabaseStore, Encrypted, RedisStore, shared_store


@pytest.fixture(params=["database", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, transactional_db: None) -> StateStore:
    return DatabaseStore() if request.param == "database" else RedisStore(settings.REDIS_URL)


def _increase(present: bytes | None) -> tuple[bytes, int]:
    number = int(present or b"0") + 1
    return str(number).encode(), number


def test_store_updates_and_deletes_value(store: StateStore) -> None:
    assert store.update("counter", _increase, ttl=60) == 1
    assert store.update("counter", _increase, ttl=60) == 2
    assert store.update("counter", lambda _: (None, "deleted"), ttl=60) == "deleted"
    assert store.update("counter", lambda present: (None, present), ttl=60) is None


def test_store_loses_no_concurrent_update(store: StateStore) -> None:
    store.update("raced", lambda _: (None, None), ttl=60)
    _run_in_threads(lambda: [store.update("raced", _increase, ttl=60) for _ in range(10)], 4)
    assert store.update("raced", lambda p: (None, int(p or b"0")), ttl=60) == 40


def _run_in_threads(task: Callable[[], object], thread_count: int) -> None:
    threads = [threading.Thread(target=task) for _ in range(thread_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db
def test_encrypted_value_unreadable_in_store() -> None:
    store = Encrypted(DatabaseStore())
    store.update("token", lambda _: (b"the-token", None), ttl=60)
    assert b"the-token" not in bytes(SharedState.objects.get(pk="token").value)
    assert store.update("token", lambda present: (present, present), ttl=60) == b"the-token"


def test_reading_value_keeps_its_expiry(store: StateStore) -> None:
    for each_store in (store, Encrypted(store)):
        each_store.update("token", lambda _: (b"token", None), ttl=60)
        each_store.update("token", lambda present: (present, None), ttl=0.001)
        assert each_store.update("token", lambda present: (present, present), ttl=60) == b"token"
        each_store.update("token", lambda _: (None, None), ttl=60)


@pytest.mark.django_db
def test_database_state_expires(later: Callable[[float], None]) -> None:
    store = DatabaseStore()
    store.update("token", lambda _: (b"old", None), ttl=60)
    later(59)
    assert store.update("token", lambda present: (present, present), ttl=60) == b"old"
    later(2)
    assert store.update("token", lambda present: (b"new", present), ttl=60) is None
    later(59)
    assert store.update("token", lambda present: (present, present), ttl=60) == b"new"


@pytest.mark.redis
def test_redis_state_expires() -> None:
    RedisStore(settings.REDIS_URL).update("token", lambda _: (b"value", None), ttl=60)
    client = redis.Redis.from_url(settings.REDIS_URL)
    left = client.pttl(f"{settings.Q_CLUSTER['name']}:state:token")
    client.close()
    assert 59_000 < left <= 60_000


@pytest.mark.django_db
def test_shared_store_follows_configuration() -> None:
    expected = RedisStore if settings.REDIS_URL else DatabaseStore
    assert isinstance(shared_store(), expected)
