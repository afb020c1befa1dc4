"""The fence after a restored backup: workers take no tasks until an operator releases them.

What was sent after the backup was taken is not in it: the same clicks and emails would
be sent again. A restored database is recognized by its identity on the server, which differs from
the one stored in it. Where that stays the same (SQLite, a copy of the whole server), the operator
raises the fence.
"""

from __future__ import annotations

import time

from django.db import connection
from django.utils import timezone

from portal.core.hooks import Hook
from portal.core.models import DatabaseIdentity, QueuedTask

CHECK_SECONDS = 5.0

# Settle what was waiting to be sent; each returns a line for the operator.
outbox_released: Hook[[], str] = Hook()
_last_checked_at = float("-inf")
_was_fenced = False


def is_fenced() -> bool:
    stored = DatabaseIdentity.objects.first()
    if stored is None:
        return False
    return stored.fenced_at is not None or stored.identity != _read_identity()


def is_fenced_recently() -> bool:
    """As `is_fenced`, asked every few seconds only."""
    global _last_checked_at, _was_fenced
    now = time.monotonic()
    if _was_fenced or now - _last_checked_at >= CHECK_SECONDS:
        _last_checked_at, _was_fenced = now, is_fenced()
    return _was_fenced


def remember_identity() -> None:
    """Store a new database's identity, once."""
    DatabaseIdentity.objects.get_or_create(pk=1, defaults={"identity": _read_identity()})


def raise_fence() -> None:
    remember_identity()
    DatabaseIdentity.objects.filter(fenced_at=None).update(fenced_at=timezone.now())


def release_fence() -> list[str]:
    """Settle what was waiting, so that nothing is sent twice, and let workers continue. Can be
    repeated after an error.
    """
    count, _ = QueuedTask.objects.all().delete()  # sweeps queue again what the rows still need
    lines = [f"{count} queued tasks were dropped.", *outbox_released.run()]
    DatabaseIdentity.objects.update(identity=_read_identity(), fenced_at=None)
    return lines


def _read_identity() -> str:
    """Return what a dump and restore changes; "" on SQLite."""
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database"
            " WHERE datname = current_database()"
        )
        system, database = cursor.fetchone()
    return f"{system}:{database}"
