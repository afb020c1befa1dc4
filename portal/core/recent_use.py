"""Who used how many seconds of something lately."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_KEPT_TIMES = 3  # so many times the memory: then 5 % of it are left


class RecentUse(Generic[Key]):
    """Forgets exponentially: what was used `memory_seconds` ago counts for 1/e."""

    def __init__(self, memory_seconds: float) -> None:
        self._memory_seconds = memory_seconds
        self._total = 0.0
        self._updated_at = time.monotonic()
        # Seconds, as of when; the longest unchanged first.
        self._used: dict[Key, tuple[float, float]] = {}

    def add(self, key: Key, seconds: float) -> None:
        now = time.monotonic()
        used = self.get(key) + seconds
        self._used.pop(key, None)
        self._used[key] = used, now
        self._total = self._decay(self._total, self._updated_at, now) + seconds
        self._updated_at = now
        self._drop_forgotten(now)

    def get(self, key: Key) -> float:
        used, at = self._used.get(key, (0.0, 0.0))
        return self._decay(used, at, time.monotonic())

    def get_average_of_others(self, key: Key) -> float:
        others = len(self._used) - (key in self._used)
        total = self._decay(self._total, self._updated_at, time.monotonic())
        return max(0.0, total - self.get(key)) / others if others else 0.0

    def _drop_forgotten(self, now: float) -> None:
        kept_seconds = _KEPT_TIMES * self._memory_seconds
        while now - self._used[oldest := next(iter(self._used))][1] > kept_seconds:
            del self._used[oldest]

    def _decay(self, seconds: float, at: float, now: float) -> float:
        return seconds * math.exp((at - now) / self._memory_seconds) if seconds else 0.0
