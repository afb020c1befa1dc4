"""Rate windows: one count per credential and window.

Documented: v1 10 s, v3 fixed 30 s, tokens 60 s. That v1's windows are fixed is inferred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .clock import Clock


@dataclass(frozen=True)
class Verdict:
    """What a request found: is it let through, how many are left, when does the window end."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self, *, with_reset: bool) -> dict[str, str]:
        """Give the headers that tell it; ``Retry-After`` only with a refusal."""
        told = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
        }
        if with_reset or not self.allowed:
            told["X-RateLimit-Reset"] = str(self.reset)
        if not self.allowed:
            told["Retry-After"] = str(self.retry_after)
        return told


class Windows:
    """Counts requests per name in fixed windows of so many seconds."""

    def __init__(self, clock: Clock, seconds: int, limit: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self.limit = limit
        self._counts: dict[str, tuple[int, int]] = {}

    def take(self, name: str) -> Verdict:
        """Count one request of this name."""
        now = self._clock().timestamp()
        window = int(now // self._seconds)
        known, count = self._counts.get(name, (window, 0))
        count = count if known == window else 0
        limit = self.limit or 1_000_000
        allowed = count < limit
        self._counts[name] = (window, count + allowed)
        reset = (window + 1) * self._seconds
        left = max(0, limit - count - allowed)
        return Verdict(allowed, limit, left, reset, max(1, math.ceil(reset - now)))

    def forget(self) -> None:
        """Start anew."""
        self._counts.clear()
