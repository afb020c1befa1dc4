"""What the portal passes to a provider: addresses, shared state, clock and request log."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from integrations.ats.errors import AtsUnavailable
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


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a circuit breaker stops calls, and for how many seconds."""

    failures: int = 0  # in a row; 0 switches it off
    slow_seconds: float = math.inf  # an answer that takes longer counts as a failure
    cooldown: float = 5.0  # doubles with each failed probe
    max_cooldown: float = 120.0


class CallPause(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of this connection stop until then."""

    class Cause(StrEnum):
        SLOW = "slow"
        RATE_LIMIT = "rate_limit"

    until: datetime
    cause: Cause
    requested_until: datetime | None = None  # if Greenhouse asked for longer than we wait


class CallRefusal(StrEnum):
    """Why a call was refused without asking Greenhouse."""

    BREAKER_OPEN = "breaker_open"
    BULKHEAD_FULL = "bulkhead_full"


class Bulkhead(Protocol):
    def enter(self, account: str, caller: object) -> AbstractContextManager[None]:
        """Raises AtsUnavailable at once if too many others are inside."""


class _UnlimitedBulkhead:
    def enter(self, account: str, caller: object) -> AbstractContextManager[None]:
        return nullcontext()


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


def _discard(_: object) -> None: ...


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
    log_call: Callable[[ApiCallRecord], None] = _discard
    # All waits together (rate limit, backoff, others' leases); beyond it, errors say until when.
    max_wait_seconds: float = math.inf
    ends_at: float = math.inf  # epoch second after which no operation continues
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    bulkhead: Bulkhead = field(default_factory=_UnlimitedBulkhead)
    on_pause: Callable[[CallPause | None], None] = _discard  # None: calls go on
    on_refusal: Callable[[CallRefusal], None] = _discard
    # The clock, replaceable in tests.
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
    _waited_seconds: float = field(default=0.0, init=False)

    @contextmanager
    def enter_bulkhead(self) -> Iterator[None]:
        """Raises AtsUnavailable at once if too many others are inside."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self.bulkhead.enter(self.connection_key, self))
            except AtsUnavailable:
                self.on_refusal(CallRefusal.BULKHEAD_FULL)
                raise
            yield

    def may_wait(self, seconds: float) -> bool:
        return self._waited_seconds + seconds <= self.max_wait_seconds

    def wait(self, seconds: float) -> None:
        self._waited_seconds += seconds
        self.sleep(seconds)

    def get_deadline(self) -> float:
        """Epoch second at which an operation that starts now ends."""
        return min(self.now() + self.deadline_seconds, self.ends_at)

    def to_datetime(self, epoch_seconds: float) -> datetime:
        return datetime.fromtimestamp(epoch_seconds, UTC)
