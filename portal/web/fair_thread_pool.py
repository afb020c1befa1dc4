"""A thread pool in which the clients that wait take turns."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

Call = Callable[[], None]
# What tells clients apart, best first: somebody's session, an account's webhooks, an address.
_CLIENT_PATTERNS = (
    re.compile(rb"\r\ncookie:[^\r\n]*[ ;](?:sessionid|__Host-session)=([^;\r\n]+)", re.IGNORECASE),
    re.compile(rb"POST (/webhooks/[^/ ]+)"),
    re.compile(rb"\r\nx-forwarded-for:([^\r\n]+)", re.IGNORECASE),
)


MAX_WAITING = 4  # of one client, as many as a page asks for at once; more is a burst


class FairThreadPool:
    """The next thread goes to the client that occupies the fewest. Nobody gets more than half, and
    neither do all clients with a burst of requests together.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads)
        self._thread_count, self._half = threads, max(1, threads // 2)
        self._lock = threading.Lock()
        self._waiting: dict[bytes, deque[Call]] = {}  # the client that waits longest first
        self._running: Counter[bytes] = Counter()
        self._bursting: set[bytes] = set()  # until nothing of theirs waits or runs

    def submit_for(
        self, client: bytes, call: Callable[[], Any], on_done: Callable[[Future[Any]], None]
    ) -> None:
        def start() -> None:
            future = self._executor.submit(call)
            future.add_done_callback(lambda _: self._finish(client))
            future.add_done_callback(on_done)

        with self._lock:
            calls = self._waiting.setdefault(client, deque())
            calls.append(start)
            if len(calls) > MAX_WAITING:
                self._bursting.add(client)
        self._start_waiting()

    def shutdown(self, *, wait: bool) -> None:
        self._executor.shutdown(wait=wait)

    def _finish(self, client: bytes) -> None:
        with self._lock:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
                if client not in self._waiting:
                    self._bursting.discard(client)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while (start := self._take_next()) is not None:
            start()

    def _take_next(self) -> Call | None:
        with self._lock:
            if self._running.total() >= self._thread_count:
                return None
            clients = self._list_startable()
            if not clients:
                return None
            client = min(clients, key=lambda key: self._running[key])
            calls = self._waiting.pop(client)
            start = calls.popleft()
            if calls:
                self._waiting[client] = calls  # at the end of the line
            self._running[client] += 1
            return start

    def _list_startable(self) -> list[bytes]:
        bursts_running = sum(self._running[client] for client in self._bursting)
        resting = self._bursting if bursts_running >= self._half else set()
        return [
            client
            for client in self._waiting
            if self._running[client] < self._half and client not in resting
        ]


def identify_client(request: bytes, peer: Any) -> bytes:
    """Only for taking turns: anybody can claim to be another client."""
    headers = request.partition(b"\r\n\r\n")[0]
    for pattern in _CLIENT_PATTERNS:
        if match := pattern.search(headers):
            return match[1].strip()
    return str(peer[0] if isinstance(peer, tuple) else "").encode()
