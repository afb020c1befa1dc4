"""Shared state for providers: one rate budget and one token for all processes of a connection."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TypeVar, cast

import redis
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from encrypted_model_fields import fields as encrypted

from integrations.ats.wiring import Change, StateStore
from portal.core.models import SharedState
from portal.core.threads import tidied

T = TypeVar("T")


class DatabaseStore:
    """Keeps state in the database: right for one machine, and where there is no Redis."""

    def __init__(self) -> None:
        self._owner = threading.get_ident()

    def update(self, key: str, change: Change[T], *, ttl: float) -> T:
        with tidied(self._owner):
            try:
                return self._update(key, change, ttl)
            except IntegrityError:  # two processes made the row at once; it exists now
                return self._update(key, change, ttl)

    def _update(self, key: str, change: Change[T], ttl: float) -> T:
        now = timezone.now()
        with transaction.atomic():
            row = SharedState.objects.select_for_update().filter(pk=key).first()
            present = bytes(row.value) if row and row.expires_at > now else None
            new, result = change(present)
            expires_at = now + timedelta(seconds=ttl)
            if new == present:
                return result
            if new is None:
                SharedState.objects.filter(pk=key).delete()
            elif row is None:
                SharedState.objects.create(key=key, value=new, expires_at=expires_at)
            else:
                SharedState.objects.filter(pk=key).update(value=new, expires_at=expires_at)
        return result


# Keeps the new value, or deletes it, where the present one is still what was read. Nothing is "".
_SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


class RedisStore:
    """Keeps state in Redis, by compare-and-swap: right for many machines."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._swap = self._redis.register_script(_SWAP)

    def update(self, key: str, change: Change[T], *, ttl: float) -> T:
        name = f"{settings.Q_CLUSTER['name']}:state:{key}"
        lasts = max(1, int(ttl * 1000))
        while True:
            present = cast("bytes | None", self._redis.get(name))
            new, result = change(present)
            if new == present or self._swap([name], [present or b"", new or b"", lasts]):
                return result


class Encrypted:
    """Wraps a store so that what it keeps (tokens) is encrypted there."""

    def __init__(self, inner: StateStore) -> None:
        self._inner = inner

    def update(self, key: str, change: Change[T], *, ttl: float) -> T:
        def sealed(present: bytes | None) -> tuple[bytes | None, T]:
            opened = _opened(present)
            new, result = change(opened)
            if opened is not None and new == opened:
                return present, result
            return (encrypted.CRYPTER.encrypt(new) if new is not None else None), result

        return self._inner.update(key, sealed, ttl=ttl)


def _opened(present: bytes | None) -> bytes | None:
    """What is kept, or None where no present key opens it (then it is simply made anew)."""
    try:
        return encrypted.CRYPTER.decrypt(present) if present else None
    except InvalidToken:
        return None


_redis_store: RedisStore | None = None


def shared_store() -> StateStore:
    """The store of this deployment: Redis where configured, else the database."""
    global _redis_store
    if not settings.REDIS_URL:
        return DatabaseStore()
    if _redis_store is None:
        _redis_store = RedisStore(settings.REDIS_URL)
    return _redis_store
