"""What a provider is given by its surroundings: addresses, shared state, a log.

The shared state lets all processes that use one connection obey one rate limit and share one
token. The algorithms live beside the client; whoever embeds it brings the place to keep the bytes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from integrations.ats.consent import Chains

T = TypeVar("T")

Change = Callable[[bytes | None], tuple[bytes | None, T]]


class Lane(StrEnum):
    """Who is waiting. People's clicks are never behind a sync."""

    PEOPLE = "people"
    SYNC = "sync"


class StateStore(Protocol):
    """A few bytes per key, shared by all processes, changed atomically."""

    def update(self, key: str, change: Change[T], *, ttl: float) -> T:
        """Hand the present bytes (None = none) to `change`; keep what it gives back.

        `change` returns the new bytes (None = delete) and a result, which is returned. It may be
        called more than once and must have no side effects. `ttl`: seconds until forgotten; what
        it gives back unchanged is forgotten when it was to be before.
        """


class MemoryStore:
    """State for one process: the command line, tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[bytes, float]] = {}

    def update(self, key: str, change: Change[T], *, ttl: float) -> T:
        with self._lock:
            kept = self._kept.get(key)
            present = kept[0] if kept and kept[1] > time.monotonic() else None
            new, result = change(present)
            if new is None:
                self._kept.pop(key, None)
            elif new != present:
                self._kept[key] = (new, time.monotonic() + ttl)
            return result


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the request log keeps it: no body, no secret, no personal data, no real id."""

    method: str
    path: str  # template
    status: int | None  # None = no answer
    seconds: float
    retries: int
    lane: str
    remaining: int | None
    request_id: str | None
    error: str  # class name of the AtsError, "" = none
    at: datetime


def _forget(call: Call) -> None:
    """The log of somebody who keeps none."""


@dataclass(kw_only=True)
class Wiring:
    """Where the vendor is found and what is shared with other processes.

    `key` names the connection in the shared state. `deadline` bounds one operation with all its
    waiting and repeating, in seconds. `chains`: for a credential that is a consent. `now` and
    `sleep` are the clock, so that tests can freeze it.
    """

    api_url: str
    auth_url: str
    key: str = "local"
    lane: Lane = Lane.SYNC
    deadline: float = 60.0
    state: StateStore = field(default_factory=MemoryStore)
    tokens: StateStore = field(default_factory=MemoryStore)
    chains: Chains | None = None
    log: Callable[[Call], None] = _forget
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
