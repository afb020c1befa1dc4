"""A thread pool in which clients take turns, and those with many requests come last."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from portal.core.cpu_load import has_spare_core
from portal.core.recent_use import RecentUse

# What tells clients apart, best first: somebody's session, an account's webhooks, an address.
_CLIENT_PATTERNS = (
    # The last one counts, as for Django, and over HTTPS only the first name.
    re.compile(rb"\r\ncookie:[^\r\n]*[ ;]__Host-session=([^;\r\n]+)", re.IGNORECASE),
    re.compile(rb"\r\ncookie:[^\r\n]*[ ;]sessionid=([^;\r\n]+)", re.IGNORECASE),
    re.compile(rb"POST (/webhooks/[^/ ]+)"),
    re.compile(rb"\r\nx-forwarded-for:([^\r\n]+)", re.IGNORECASE),
)

MAX_WAITING = 4  # of one client, as many as a page asks for at once; more is a burst
MOST_WAITING = 150  # of one client: further ones are refused, so that others can connect
# A client that used so much CPU time lately is heavy, as after a burst: seconds, and times
# what others use on average: pages take longer on a busy machine.
HEAVY_SECONDS, HEAVY_FACTOR = 0.15, 2.0
_MEMORY_SECONDS = 5.0
# In seconds; whoever waits longer is started beside others, of heavy clients one at a time.
MAX_WAIT = 1.0
MAX_WAIT_FOR_CORE = 0.8  # seconds, of a heavy client
_RETRY_SECONDS = 0.02  # while one waits for a core or its turn

_current = threading.local()


@dataclass(frozen=True)
class _Call:
    client: bytes
    run: Callable[[], Any]
    on_done: Callable[[Future[Any]], None]
    queued_at: float  # monotonic


class FairThreadPool:
    """Starts a client's first request at once, and its other ones while nobody else computes."""

    # Heavy clients sent bursts or used much CPU time lately: theirs start while nobody computes and
    # leave a core of the machine idle. Python computes in one thread, so each request that computes
    # slows all others of its process. No client computes in more than half of the threads, and the
    # last thread is for clients that are not heavy and have no other.

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads)
        self._thread_count, self._half = threads, max(1, threads // 2)
        self._lock = threading.Lock()
        self._waiting: dict[bytes, deque[_Call]] = {}  # the client that waits longest first
        self._running: Counter[bytes] = Counter()
        self._computing: Counter[bytes] = Counter()
        self._bursting: dict[bytes, float] = {}  # until when (monotonic) at least
        self._recent_use = RecentUse[bytes](_MEMORY_SECONDS)
        self._looks_again, self._is_shut_down = threading.Event(), False
        threading.Thread(target=self._retry_waiting, daemon=True, name="looks-again").start()

    def submit_for(
        self, client: bytes, run: Callable[[], Any], on_done: Callable[[Future[Any]], None]
    ) -> bool:
        """False, with nothing done, if too many of the client's requests wait."""
        with self._lock:
            if len(self._waiting.get(client, ())) >= MOST_WAITING:
                return False
            self._forget_old_bursts()
            calls = self._waiting.setdefault(client, deque())
            calls.append(_Call(client, run, on_done, time.monotonic()))
            if len(calls) > MAX_WAITING:
                self._bursting[client] = time.monotonic() + _MEMORY_SECONDS
        self._start_waiting()
        return True

    def shutdown(self, *, wait: bool) -> None:
        self._is_shut_down = True
        self._looks_again.set()
        self._executor.shutdown(wait=wait)

    def count_computing(self, client: bytes, change: int) -> None:
        with self._lock:
            self._computing[client] += change
        self._start_waiting()

    def _start_waiting(self) -> None:
        while (call := self._take_next()) is not None:
            future = self._executor.submit(self._run, call)
            future.add_done_callback(call.on_done)

    def _retry_waiting(self) -> None:
        while self._looks_again.wait() and not self._is_shut_down:
            time.sleep(_RETRY_SECONDS)
            self._looks_again.clear()
            self._start_waiting()

    def _run(self, call: _Call) -> Any:
        began = time.thread_time()
        _current.pool, _current.call = self, call
        try:
            return call.run()
        finally:
            del _current.pool, _current.call
            self._finish(call.client, time.thread_time() - began)

    def _finish(self, client: bytes, cpu_seconds: float) -> None:
        with self._lock:
            self._recent_use.add(client, cpu_seconds)
            self._running[client] -= 1
            self._computing[client] -= 1
            if not self._running[client]:
                del self._running[client], self._computing[client]
        self._start_waiting()

    def _take_next(self) -> _Call | None:
        with self._lock:
            if self._running.total() >= self._thread_count:
                return None
            startable = [client for client in self._waiting if self._may_start(client)]
            if not startable:
                if self._waiting:  # time alone makes some overdue
                    self._looks_again.set()
                return None
            client = min(startable, key=self._rank)
            if self._may_wait_for_core(client) and not has_spare_core():
                self._looks_again.set()
                return None
            calls = self._waiting.pop(client)
            call = calls.popleft()
            if calls:
                self._waiting[client] = calls  # at the end of the line
            self._running[client] += 1
            self._computing[client] += 1
            return call

    def _may_start(self, client: bytes) -> bool:
        mine, all_computing = self._computing[client], self._computing.total()
        is_heavy = self._is_heavy(client)
        is_last_thread = self._running.total() >= max(1, self._thread_count - 1)
        if mine >= self._half or (is_last_thread and (is_heavy or self._running[client])):
            return False
        if not is_heavy:
            return mine in (0, all_computing) or self._is_overdue(client)
        return not all_computing or (self._is_overdue(client) and not self._is_heavy_computing())

    def _rank(self, client: bytes) -> tuple[bool, int]:
        comes_last = self._is_heavy(client) and not self._is_overdue(client)
        return comes_last, self._computing[client]

    def _may_wait_for_core(self, client: bytes) -> bool:
        return self._is_heavy(client) and not self._is_overdue(client, MAX_WAIT_FOR_CORE)

    def _forget_old_bursts(self) -> None:
        now = time.monotonic()
        for client, until in tuple(self._bursting.items()):
            if until < now and client not in self._waiting and client not in self._running:
                del self._bursting[client]

    def _is_heavy(self, client: bytes) -> bool:
        if client in self._bursting:
            return True
        used = self._recent_use.get(client)
        return used > HEAVY_SECONDS and (
            used > HEAVY_FACTOR * self._recent_use.get_average_of_others(client)
        )

    def _is_heavy_computing(self) -> bool:
        return any(self._is_heavy(client) for client, count in self._computing.items() if count)

    def _is_overdue(self, client: bytes, seconds: float = MAX_WAIT) -> bool:
        return self._waiting[client][0].queued_at < time.monotonic() - seconds


@contextmanager
def pause_computing() -> Iterator[None]:
    """For a block that waits for another service: other requests may compute meanwhile."""
    pool: FairThreadPool | None = getattr(_current, "pool", None)
    if pool is None:
        yield
        return
    client = _current.call.client
    pool.count_computing(client, -1)
    try:
        yield
    finally:
        pool.count_computing(client, 1)


def get_seconds_since_arrival() -> float:
    """Of the current thread's request, which may have waited for its turn; 0 outside a pool."""
    call: _Call | None = getattr(_current, "call", None)
    return time.monotonic() - call.queued_at if call else 0.0


def identify_client(request: bytes, peer: Any) -> bytes:
    """Only for taking turns: anybody can claim to be another client."""
    headers = request.partition(b"\r\n\r\n")[0]
    for pattern in _CLIENT_PATTERNS:
        if match := pattern.search(headers):
            return match[1].strip()
    return str(peer[0] if isinstance(peer, tuple) else "").encode()
