"""State that all processes share."""

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


def test_state_is_kept_and_forgotten(store: StateStore) -> None:
    assert store.update("kept", _increase, ttl=60) == 1
    assert store.update("kept", _increase, ttl=60) == 2
    assert store.update("kept", lambda _: (None, "gone"), ttl=60) == "gone"
    assert store.update("kept", lambda present: (None, present), ttl=60) is None


def test_many_writers_lose_nothing(store: StateStore) -> None:
    store.update("raced", lambda _: (None, None), ttl=60)
    _at_once(lambda: [store.update("raced", _increase, ttl=60) for _ in range(10)], 4)
    assert store.update("raced", lambda p: (None, int(p or b"0")), ttl=60) == 40


def _at_once(deed: Callable[[], object], number: int) -> None:
    threads = [threading.Thread(target=deed) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db
def test_what_is_kept_encrypted_is_not_readable_in_the_store() -> None:
    store = Encrypted(DatabaseStore())
    store.update("token", lambda _: (b"the-token", None), ttl=60)
    assert b"the-token" not in bytes(SharedState.objects.get(pk="token").value)
    assert store.update("token", lambda present: (present, present), ttl=60) == b"the-token"


def test_looking_at_a_state_does_not_change_when_it_is_forgotten(store: StateStore) -> None:
    """A token is looked at by many, and lives as long as Greenhouse said."""
    for kept in (store, Encrypted(store)):
        kept.update("looked at", lambda _: (b"token", None), ttl=60)
        kept.update("looked at", lambda present: (present, None), ttl=0.001)
        assert kept.update("looked at", lambda present: (present, present), ttl=60) == b"token"
        kept.update("looked at", lambda _: (None, None), ttl=60)


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
def test_the_store_is_the_one_the_deployment_configured() -> None:
    expected = RedisStore if settings.REDIS_URL else DatabaseStore
    assert isinstance(shared_store(), expected)
