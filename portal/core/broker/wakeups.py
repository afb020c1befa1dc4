"""Wake clusters at once: LISTEN and NOTIFY on PostgreSQL, frequent polling on SQLite."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from django.db import connection

if TYPE_CHECKING:
    import psycopg  # at run time where it is needed, which spares the demo 7 MB per process

logger = logging.getLogger(__name__)

CHANNEL = "portal_queue"
CONNECT_TIMEOUT_SECONDS = 3
RECONNECT_AFTER_SECONDS = 5.0
SQLITE_POLL_SECONDS = 0.1
BROKEN_POLL_SECONDS = 1.0
LISTENING_POLL_SECONDS = 5.0


def notify_cluster(cluster_id: str) -> None:
    """Wake the cluster once the current transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, cluster_id])


class Wakeups(Protocol):
    @property
    def poll_seconds(self) -> float: ...

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; return whether there may be something new."""


def open_wakeups(payloads: Collection[str]) -> Wakeups:
    return NotificationListener(payloads) if connection.vendor == "postgresql" else _Polling()


class _Polling:
    poll_seconds = SQLITE_POLL_SECONDS

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


class NotificationListener:
    """Listens on a connection of its own, and polls each second while that is broken."""

    def __init__(self, payloads: Collection[str]) -> None:
        self._payloads = set(payloads)
        self._connection: psycopg.Connection | None = None
        self._next_attempt_at = 0.0

    @property
    def poll_seconds(self) -> float:
        return LISTENING_POLL_SECONDS if self._connection else BROKEN_POLL_SECONDS

    def wait(self, seconds: float) -> bool:
        if self._connection is None:
            if self._connect():
                return True  # something may have come before
            time.sleep(seconds)
            return False
        import psycopg

        try:
            received = self._connection.notifies(timeout=seconds, stop_after=1)
            return any(notification.payload in self._payloads for notification in received)
        except (psycopg.Error, OSError) as error:
            logger.warning("The queue's notifications broke off: %s", error)
            self.close()
            return False

    def _connect(self) -> bool:
        now = time.monotonic()
        if now < self._next_attempt_at:
            return False
        self._next_attempt_at = now + RECONNECT_AFTER_SECONDS
        parameters = connection.get_connection_params()
        parameters["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
        import psycopg

        try:
            self._connection = psycopg.connect(**parameters, autocommit=True)
            self._connection.execute(f"LISTEN {CHANNEL}")
        except (psycopg.Error, OSError) as error:
            logger.warning("The queue is polled, without notifications: %s", error)
            self.close()
        return self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
