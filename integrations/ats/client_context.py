"""What the portal passes to a provider: addresses, shared state, clock and request log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from integrations.ats.oauth_tokens import TokenStores

T = TypeVar("T")

StateChange = Callable[[bytes | None], tuple[bytes | None, T]]


class Lane(StrEnum):
    PEOPLE = "people"  # never queues behind a sync
    SYNC = "sync"


class StateStore(Protocol):
    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        """Atomically replace the value (None: absent) with what `change` returns, and return its
        result. `change` may run more than once, so it must have no side effects. An unchanged value
        keeps its expiry (`ttl`, in seconds).
        """


class MemoryStateStore:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[bytes, float]] = {}

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        with self._lock:
            entry = self._entries.get(key)
            present = entry[0] if entry and entry[1] > time.monotonic() else None
            new, result = change(present)
            if new is None:
                self._entries.pop(key, None)
            elif new != present:
                self._entries[key] = (new, time.monotonic() + ttl)
            return result


class ApiCallRecord(msgspec.Struct, frozen=True, kw_only=True):
    # No body, secret, personal data or real id.
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


def _discard_call(call: ApiCallRecord) -> None: ...


@dataclass(kw_only=True)
class ClientContext:
    api_url: str
    auth_url: str
    connection_key: str = "local"  # names the connection in the shared state
    lane: Lane = Lane.SYNC
    deadline_seconds: float = 60.0  # for one operation, including waits and retries
    state_store: StateStore = field(default_factory=MemoryStateStore)
    token_cache: StateStore = field(default_factory=MemoryStateStore)
    token_stores: TokenStores | None = None  # only for credentials granted by OAuth consent
    log_call: Callable[[ApiCallRecord], None] = _discard_call
    # The clock, replaceable in tests.
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
