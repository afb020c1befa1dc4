"""State shared by all processes, in the database or in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from time_machine import TimeMachineFixture

from integrations.ats.client_context import StateStore
from portal.core.models import SharedState
from portal.core.shared_state import DatabaseStore, EncryptedStore, RedisStore, get_shared_store


@pytest.fixture(params=["database", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, transactional_db: None) -> StateStore:
    return DatabaseStore() if request.param == "database" else RedisStore(settings.REDIS_URL)


def _increment_value(present: bytes | None) -> tuple[bytes, int]:
    number = int(present or b"0") + 1
    return str(number).encode(), number


def test_store_updates_and_deletes_value(store: StateStore) -> None:
    assert store.update("counter", _increment_value, ttl=60) == 1
    assert store.update("counter", _increment_value, ttl=60) == 2
    assert store.update("counter", lambda _: (None, "deleted"), ttl=60) == "deleted"
    assert store.update("counter", lambda present: (None, present), ttl=60) is None


def test_store_loses_no_concurrent_update(store: StateStore) -> None:
    store.update("raced", lambda _: (None, None), ttl=60)
    _run_in_threads(lambda: [store.update("raced", _increment_value, ttl=60) for _ in range(10)], 4)
    assert store.update("raced", lambda p: (None, int(p or b"0")), ttl=60) == 40


def _run_in_threads(task: Callable[[], object], thread_count: int) -> None:
    threads = [threading.Thread(target=task) for _ in range(thread_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db
def test_encrypted_value_unreadable_in_store() -> None:
    store = EncryptedStore(DatabaseStore())
    store.update("token", lambda _: (b"the-token", None), ttl=60)
    assert b"the-token" not in bytes(SharedState.objects.get(pk="token").value)
    assert store.update("token", lambda present: (present, present), ttl=60) == b"the-token"


def test_reading_value_keeps_its_expiry(store: StateStore) -> None:
    for each_store in (store, EncryptedStore(store)):
        each_store.update("token", lambda _: (b"token", None), ttl=60)
        each_store.update("token", lambda present: (present, None), ttl=0.001)
        assert each_store.update("token", lambda present: (present, present), ttl=60) == b"token"
        each_store.update("token", lambda _: (None, None), ttl=60)


def _put_value(store: StateStore, key: str, value: bytes | None, *, ttl: float = 60) -> None:
    store.update(key, lambda _: (value, None), ttl=ttl)


def _get_value(store: StateStore, key: str) -> bytes | None:
    return store.update(key, lambda present: (present, present), ttl=60)


@pytest.mark.parametrize(("changed", "other"), [("a", "b"), ("b", "a")])
def test_keys_are_independent(store: StateStore, changed: str, other: str) -> None:
    _put_value(store, changed, b"mine")
    _put_value(store, other, b"theirs")
    assert (_get_value(store, changed), _get_value(store, other)) == (b"mine", b"theirs")
    _put_value(store, changed, b"new")
    assert (_get_value(store, changed), _get_value(store, other)) == (b"new", b"theirs")
    _put_value(store, changed, None)
    assert (_get_value(store, changed), _get_value(store, other)) == (None, b"theirs")


@pytest.mark.django_db
def test_database_state_expires(time_machine: TimeMachineFixture) -> None:
    store, start = DatabaseStore(), timezone.now()
    for begun in (start, start + timedelta(seconds=60)):  # new at first, then over an expired one
        time_machine.move_to(begun, tick=False)
        assert _get_value(store, "token") is None
        _put_value(store, "token", b"value")
        time_machine.move_to(begun + timedelta(seconds=59), tick=False)
        assert _get_value(store, "token") == b"value"
    time_machine.move_to(start + timedelta(seconds=120), tick=False)
    assert _get_value(store, "token") is None


@pytest.mark.django_db
def test_database_state_survives_simultaneous_creation() -> None:
    store, seen = DatabaseStore(), []

    def change(present: bytes | None) -> tuple[bytes, bytes | None]:
        seen.append(present)
        if len(seen) == 1:  # another process is quicker
            expires_at = timezone.now() + timedelta(seconds=60)
            SharedState.objects.create(key="raced", value=b"theirs", expires_at=expires_at)
        return b"ours", present

    store.update("raced", change, ttl=60)
    assert len(seen) == 2
    assert _get_value(store, "raced") == b"ours"


@pytest.mark.redis
def test_redis_state_expires() -> None:
    store = RedisStore(settings.REDIS_URL)
    _put_value(store, "token", b"value", ttl=3600)
    client = redis.Redis.from_url(settings.REDIS_URL)
    left = client.pttl(f"{settings.Q_CLUSTER['name']}:state:token")
    client.close()
    assert 3_599_000 < left <= 3_600_000


@pytest.mark.redis
def test_redis_accepts_shortest_lifetime() -> None:
    """Redis refuses a lifetime of no milliseconds."""
    _put_value(RedisStore(settings.REDIS_URL), "token", b"value", ttl=0.0001)


@pytest.mark.django_db
def test_encrypted_state_is_replaced_and_deleted() -> None:
    store = EncryptedStore(DatabaseStore())
    for value in (b"first", b"second", None):
        _put_value(store, "token", value)
        assert _get_value(store, "token") == value
    assert not SharedState.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("value", [b"new", None])
def test_unreadable_state_is_replaced(value: bytes | None) -> None:
    """No key opens it any more: it counts as absent."""
    expires_at = timezone.now() + timedelta(seconds=60)
    SharedState.objects.create(key="token", value=b"no ciphertext of ours", expires_at=expires_at)
    store = EncryptedStore(DatabaseStore())
    assert store.update("token", lambda present: (value, present), ttl=60) is None
    assert _get_value(store, "token") == value
    assert SharedState.objects.exists() == (value is not None)


@pytest.mark.django_db
def test_shared_store_follows_configuration() -> None:
    expected = RedisStore if settings.REDIS_URL else DatabaseStore
    assert isinstance(get_shared_store(), expected)
