"""Django's cache in Redis. While Redis does not respond, each process uses its own memory: rate
limits then count per process, and nobody is refused because Redis is down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from portal.core.redis.client import get_redis_client

logger = logging.getLogger(__name__)

MAX_MEMORY_ENTRIES = 10_000
OPERATIONS = (
    "add", "get", "set", "touch", "delete", "incr", "has_key",
    "get_many", "set_many", "delete_many", "clear",
)  # fmt: skip
WRITES = {"add", "set", "incr"}


class _SharedRedisCacheClient(RedisCacheClient):
    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        return get_redis_client(self._servers[0])  # type: ignore[attr-defined]


class _PrefixRedisCache(RedisCache):
    def clear(self) -> None:
        """Delete this portal's keys only: the Redis holds the shared state, and others' data."""
        client = get_redis_client(self._servers[0])  # type: ignore[attr-defined]
        if keys := list(client.scan_iter(f"{self.key_prefix}:[0-9]*:*", count=1_000)):
            client.delete(*keys)


class FallbackRedisCache(_PrefixRedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__([server], params)
        self._class = _SharedRedisCacheClient
        memory_options = {"MAX_ENTRIES": MAX_MEMORY_ENTRIES}
        self.memory_cache = LocMemCache(server, {**params, "OPTIONS": memory_options})
        # Redis may still carry out writes that timed out, once it responds again.
        self._uncertain_keys: set[str] = set()

    def forget_uncertain_writes(self) -> None:
        keys = self._uncertain_keys
        if keys:
            with suppress(redis.RedisError):  # then the next operation tries again
                RedisCache.delete_many(self, keys)
                self._uncertain_keys = self._uncertain_keys - keys

    def note_uncertain_write(self, key: str) -> None:
        if len(self._uncertain_keys) < MAX_MEMORY_ENTRIES:
            self._uncertain_keys.add(key)


def _with_fallback(name: str) -> Callable[..., Any]:
    in_redis = getattr(_PrefixRedisCache, name)

    def operation(self: FallbackRedisCache, *args: Any, **kwargs: Any) -> Any:
        try:
            result = in_redis(self, *args, **kwargs)
        except redis.RedisError as error:
            logger.warning("Cached in this process only: %s", error)
            if name in WRITES:
                self.note_uncertain_write(args[0])
            return getattr(self.memory_cache, name)(*args, **kwargs)
        self.forget_uncertain_writes()
        return result

    operation.__name__ = name
    return operation


for _name in OPERATIONS:
    setattr(FallbackRedisCache, _name, _with_fallback(_name))
