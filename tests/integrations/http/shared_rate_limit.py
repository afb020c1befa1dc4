"""Worker processes that share one rate budget. Kept light to import: each process does."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from integrations.ats.client_context import ClientContext, Lane, StateChange, T
from integrations.http.rate_limiter import SharedRateLimiter

LIMIT, SHORT_WINDOW = 20, 0.2


class SqliteStore:
    """State store in one SQLite file, shared by processes through immediate transactions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with contextlib.closing(self._open()) as db:
            db.execute("create table if not exists state (key text primary key, value blob)")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30, isolation_level=None)

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        with contextlib.closing(self._open()) as db:
            db.execute("begin immediate")
            row = db.execute("select value from state where key = ?", (key,)).fetchone()
            new, result = change(row[0] if row else None)
            db.execute("insert or replace into state values (?, ?)", (key, new))
            db.execute("commit")
            return result


def open_rate_limiter(path: str) -> SharedRateLimiter:
    context = ClientContext(api_url="", auth_url="", state_store=SqliteStore(Path(path)))
    return SharedRateLimiter(context, "b", SHORT_WINDOW)


def send_many(
    path: str, barrier: Barrier, sent: Queue[tuple[int, float, float]], count: int
) -> None:
    """Send `count` requests as fast as allowed; report when each was sent and answered."""
    shared = open_rate_limiter(path)
    barrier.wait()
    for turn in range(count):
        slot = shared.acquire_slot(Lane.PEOPLE, until=time.time() + 300)
        started = time.time()
        time.sleep(0.002)  # time until the answer arrives
        sent.put((os.getpid(), started, time.time()))
        shared.record_response(slot, 200, {"x-ratelimit-limit": str(LIMIT)} if turn % 2 else {})
