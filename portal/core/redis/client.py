"""One Redis client per process, for the cache, the shared state and the queue. Operations end
within half a second, and a circuit breaker fails them at once while Redis does not respond.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 0.5
COOLDOWN_SECONDS = 2.0


class CircuitOpenError(redis.ConnectionError):
    """Redis did not respond a moment ago and was not asked again."""


class CircuitBreaker:
    """Opens at the first failure. After each cooldown one caller probes; success closes it."""

    def __init__(self, cooldown_seconds: float = COOLDOWN_SECONDS) -> None:
        self._cooldown_seconds = cooldown_seconds
        self._lock = threading.Lock()
        self._next_probe_at: float | None = None  # None: closed

    @contextmanager
    def guard(self, *, is_probe: bool = False) -> Iterator[None]:
        """Raise CircuitOpenError instead of entering, unless closed or `is_probe`."""
        if not (is_probe or self._admit_caller()):
            raise CircuitOpenError("Redis did not respond a moment ago")
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError):
            self._next_probe_at = time.monotonic() + self._cooldown_seconds
            raise
        except redis.RedisError:  # a response, too
            self._next_probe_at = None
            raise
        self._next_probe_at = None

    def _admit_caller(self) -> bool:
        if self._next_probe_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._next_probe_at is not None and now < self._next_probe_at:
                return False
            # A probe that never returns only delays the next one.
            self._next_probe_at = now + self._cooldown_seconds
            return True


class GuardedRedis(redis.Redis):
    breaker: CircuitBreaker

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with self.breaker.guard(is_probe=args[0] == "PING"):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@cache
def get_redis_client(url: str) -> GuardedRedis:
    client = GuardedRedis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        # Connections that Redis closed while idle are replaced; a timeout is not waited for twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    guarded_client = cast("GuardedRedis", client)
    guarded_client.breaker = CircuitBreaker()
    return guarded_client
