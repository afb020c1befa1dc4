"""Shared state for providers: one rate budget and one token per connection in all processes."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TypeVar, cast

import redis
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from encrypted_model_fields import fields as encrypted

from integrations.ats.client_context import StateChange, StateStore
from portal.core.database.thread_connections import ThreadOwner
from portal.core.models import SharedState
from portal.core.redis.client import get_redis_client

logger = logging.getLogger(__name__)
T = TypeVar("T")


class DatabaseStore:
    """State in the database: for one machine, or without Redis."""

    def __init__(self) -> None:
        self._owner = ThreadOwner()

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        with self._owner.lend_scope():
            try:
                return self._update_row(key, change, ttl)
            except IntegrityError:  # another process has just created the row
                return self._update_row(key, change, ttl)

    def _update_row(self, key: str, change: StateChange[T], ttl: float) -> T:
        now = timezone.now()
        with transaction.atomic():
            row = SharedState.objects.select_for_update().filter(pk=key).first()
            current = bytes(row.value) if row and row.expires_at > now else None
            new, result = change(current)
            expires_at = now + timedelta(seconds=ttl)
            if new == current:
                return result
            if new is None:
                SharedState.objects.filter(pk=key).delete()
            elif row is None:
                SharedState.objects.create(key=key, value=new, expires_at=expires_at)
            else:
                SharedState.objects.filter(pk=key).update(value=new, expires_at=expires_at)
        return result


# Sets or deletes the value if it is still the one that was read, else returns what it is; "" stands
# for none.
_COMPARE_AND_SWAP_SCRIPT = """
local current = redis.call('GET', KEYS[1]) or ''
if current ~= ARGV[1] then return current end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


class RedisStore:
    """State in Redis, by compare-and-swap: for several machines. In the database while Redis does
    not respond.
    """

    def __init__(self, url: str) -> None:
        self._redis = get_redis_client(url)
        self._swap = self._redis.register_script(_COMPARE_AND_SWAP_SCRIPT)
        self._database_store = DatabaseStore()
        self._latest: dict[str, bytes] = {}  # what this store wrote last

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        try:
            return self._update_in_redis(key, change, ttl)
        except redis.RedisError as error:
            logger.warning("Shared state is kept in the database: %s", error)
            return self._database_store.update(key, change, ttl=ttl)

    def _update_in_redis(self, key: str, change: StateChange[T], ttl: float) -> T:
        name = f"{settings.Q_CLUSTER['name']}:state:{key}"
        ttl_ms = max(1, int(ttl * 1000))
        # Mostly nobody else has written since: then one command does.
        guess = self._latest.pop(name, None)
        is_guess, current = guess is not None, guess or self._read(name)
        while True:
            new, result = change(current)
            if new == current:
                if not is_guess:
                    return result
                is_guess, current = False, self._read(name)
                continue
            actual = self._swap([name], [current or b"", new or b"", ttl_ms])
            if actual == 1:
                if new:
                    self._latest[name] = new
                return result
            is_guess, current = False, cast("bytes", actual) or None

    def _read(self, name: str) -> bytes | None:
        return cast("bytes | None", self._redis.get(name))


class EncryptedStore:
    def __init__(self, inner: StateStore) -> None:
        self._inner = inner

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        def change_encrypted(current: bytes | None) -> tuple[bytes | None, T]:
            decrypted = _decrypt_value(current)
            new, result = change(decrypted)
            if decrypted is not None and new == decrypted:
                return current, result
            return (encrypted.CRYPTER.encrypt(new) if new is not None else None), result

        return self._inner.update(key, change_encrypted, ttl=ttl)


def _decrypt_value(ciphertext: bytes | None) -> bytes | None:
    try:
        return encrypted.CRYPTER.decrypt(ciphertext) if ciphertext else None
    except InvalidToken:  # created anew
        return None


def get_shared_store() -> StateStore:
    """Return a store for the current thread."""
    return RedisStore(settings.REDIS_URL) if settings.REDIS_URL else DatabaseStore()
