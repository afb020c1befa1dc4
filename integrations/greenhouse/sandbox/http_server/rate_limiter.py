"""Fixed-window rate limiter with one counter per credential.

Documented: v1 10 s, v3 fixed 30 s, tokens 60 s. That v1's windows are fixed is inferred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from integrations.greenhouse.sandbox.clock import Clock


@dataclass(frozen=True)
class RateLimitResult:
    """Result for one request; ``reset`` is a Unix time, ``retry_after`` in seconds."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def build_headers(self, *, with_reset: bool) -> dict[str, str]:
        result = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
        }
        if with_reset or not self.allowed:
            result["X-RateLimit-Reset"] = str(self.reset)
        if not self.allowed:
            result["Retry-After"] = str(self.retry_after)
        return result


class FixedWindowRateLimiter:
    """Counts requests per name in windows of ``seconds``; a limit of 0 is unlimited."""

    def __init__(self, clock: Clock, seconds: int, limit: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self.limit = limit
        self._counts: dict[str, tuple[int, int]] = {}

    def count_request(self, name: str) -> RateLimitResult:
        now = self._clock().timestamp()
        window = int(now // self._seconds)
        counted_window, count = self._counts.get(name, (window, 0))
        count = count if counted_window == window else 0
        limit = self.limit or 1_000_000
        allowed = count < limit
        self._counts[name] = (window, count + allowed)
        reset = (window + 1) * self._seconds
        remaining = max(0, limit - count - allowed)
        return RateLimitResult(allowed, limit, remaining, reset, max(1, math.ceil(reset - now)))
