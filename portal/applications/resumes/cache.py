"""Short-lived values that must never reach a disk: in a Redis that keeps nothing on disk, else in
this process's memory. Encrypted under a key of their own, and gone after ten minutes.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from typing import cast

import redis
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from portal.core.redis.client import GuardedRedis, get_redis_client

logger = logging.getLogger(__name__)

# Memory is swept once a minute, so nothing is there for more than ten.
LIFETIME_SECONDS, SWEEP_SECONDS = 540, 60
MAX_MEMORY_BYTES = 64 * 1024 * 1024
MAX_VALUE_BYTES = 16 * 1024 * 1024
DISK_CHECK_SECONDS = 60.0
_NONCE_BYTES = 12


class MemoryStore:
    """Holds at most `MAX_MEMORY_BYTES`; the values used least recently leave first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._timer: threading.Timer | None = None

    def get_value(self, name: str) -> bytes | None:
        with self._lock:
            self._remove_expired()
            if name not in self._values:
                return None
            self._values.move_to_end(name)
            return self._values[name][1]

    def set_value(self, name: str, value: bytes) -> None:
        with self._lock:
            self._remove_expired()
            self._values.pop(name, None)
            self._values[name] = (time.time() + LIFETIME_SECONDS, value)
            while sum(len(stored) for _, stored in self._values.values()) > MAX_MEMORY_BYTES:
                self._values.popitem(last=False)
            self._start_timer()

    def clear_values(self) -> None:
        with self._lock:
            self._values.clear()

    def count_values(self) -> int:
        with self._lock:
            return len(self._values)

    def _remove_expired(self) -> None:
        now = time.time()
        for name in [n for n, (ends_at, _) in self._values.items() if ends_at <= now]:
            del self._values[name]

    def _start_timer(self) -> None:
        """Values leave on time, even if nobody asks for another one."""
        if self._timer is None and self._values:
            self._timer = threading.Timer(SWEEP_SECONDS, self._remove_on_time)
            self._timer.daemon = True
            self._timer.start()

    def _remove_on_time(self) -> None:
        with self._lock:
            self._timer = None
            self._remove_expired()
            self._start_timer()


@functools.cache
def get_memory_store() -> MemoryStore:
    return MemoryStore()


os.register_at_fork(after_in_child=get_memory_store.cache_clear)


def get_value(key: str) -> bytes | None:
    name = _hash_name(key)
    client = _get_diskless_redis()
    sealed = get_memory_store().get_value(name)
    if sealed is None and client is not None:
        try:
            sealed = cast("bytes | None", client.get(_prefix_name(name)))
        except redis.RedisError as error:
            logger.warning("Résumés are kept in this process only: %s", type(error).__name__)
    return _open_value(name, sealed) if sealed else None


def set_value(key: str, value: bytes) -> None:
    if len(value) > MAX_VALUE_BYTES:
        return
    name = _hash_name(key)
    sealed = _seal_value(name, value)
    client = _get_diskless_redis()
    if client is not None:
        try:
            client.set(_prefix_name(name), sealed, ex=LIFETIME_SECONDS)
        except redis.RedisError as error:
            logger.warning("Résumés are kept in this process only: %s", type(error).__name__)
        else:
            return
    get_memory_store().set_value(name, sealed)


def _get_diskless_redis() -> GuardedRedis | None:
    if not settings.REDIS_URL:
        return None
    period = int(time.monotonic() / DISK_CHECK_SECONDS)
    return (
        get_redis_client(settings.REDIS_URL) if _is_diskless(settings.REDIS_URL, period) else None
    )


@functools.lru_cache(maxsize=4)
def _is_diskless(url: str, _period: int) -> bool:
    """Whether Redis says that it writes neither snapshots nor a log. Asked anew each minute."""
    try:
        client = get_redis_client(url)
        options = {**client.config_get("save"), **client.config_get("appendonly")}
    except redis.RedisError:  # away, or the command is not allowed
        return False
    return options.get("save") == "" and options.get("appendonly") == "no"


def _hash_name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _prefix_name(name: str) -> str:
    return f"{settings.Q_CLUSTER['name']}:resume:{name}"


def _seal_value(name: str, value: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _get_cipher().encrypt(nonce, value, name.encode())


def _open_value(name: str, sealed: bytes) -> bytes | None:
    try:
        return _get_cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError):  # of an earlier key, or damaged
        return None


def _get_cipher() -> AESGCM:
    return AESGCM(_derive_key(settings.FIELD_ENCRYPTION_KEY[0]))


@functools.lru_cache(maxsize=4)
def _derive_key(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"portal resumes").derive(secret.encode())
