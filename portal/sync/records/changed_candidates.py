"""Read the candidates that changed since the last sync, once for all requests made before it.

Whoever reads them claims it first, so that requests at the same time do not read them as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.utils import timezone

from integrations.ats.errors import LIST_REFUSALS
from integrations.greenhouse.provider import Provider
from portal.connections.client import get_writing_credential_id
from portal.connections.models import Connection
from portal.core.shared_state import get_shared_store
from portal.sync.engine import plan
from portal.sync.engine.upsert import written_as_of
from portal.sync.writers import application_records

MAX_PAGES = 3
_REMEMBERED_SECONDS = 60 * 60
_MAX_READ_TIME = timedelta(minutes=1)  # a task has no more; its claim does not last longer


def refresh_changed_candidates(
    connection: Connection, provider: Provider, requested_at: datetime
) -> None:
    """Read them, unless they were read since `requested_at`. Raises AtsError."""
    since = plan.get_changed_since(connection, "candidates")
    if since is None:
        return
    started_at = timezone.now()
    if not _claim_read(connection, requested_at, started_at):
        return
    try:
        _read_changed(connection, provider, since, started_at)
    except LIST_REFUSALS:
        pass
    except BaseException:
        _save_reads(connection, lambda reads: _Reads(reads.finished, None))
        raise
    _save_reads(connection, lambda _: _Reads(started_at, None))


def _read_changed(
    connection: Connection, provider: Provider, since: datetime, started_at: datetime
) -> None:
    for page in itertools.islice(provider.list_candidates(updated_after=since), MAX_PAGES):
        with written_as_of(started_at):
            application_records.write_candidates(connection, page.records)


@dataclass(frozen=True)
class _Reads:
    """When the last finished read started, and the one that is running."""

    finished: datetime | None
    running: datetime | None

    def covers(self, requested_at: datetime, now: datetime) -> bool:
        if self.finished is not None and self.finished >= requested_at:
            return True
        is_running = self.running is not None and self.running > now - _MAX_READ_TIME
        return is_running and cast(datetime, self.running) >= requested_at


def _claim_read(connection: Connection, requested_at: datetime, now: datetime) -> bool:
    """Return False if what was requested has been read, or is being read."""

    def claim(stored: bytes | None) -> tuple[bytes | None, bool]:
        reads = _parse_reads(stored)
        if reads.covers(requested_at, now):
            return stored, False
        return _format_reads(_Reads(reads.finished, now)), True

    return get_shared_store().update(_build_key(connection), claim, ttl=_REMEMBERED_SECONDS)


def _save_reads(connection: Connection, change: Callable[[_Reads], _Reads]) -> None:
    get_shared_store().update(
        _build_key(connection),
        lambda stored: (_format_reads(change(_parse_reads(stored))), None),
        ttl=_REMEMBERED_SECONDS,
    )


def _parse_reads(stored: bytes | None) -> _Reads:
    finished, _, running = (stored or b"").decode().partition(" ")
    return _Reads(_parse_time(finished), _parse_time(running))


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _format_reads(reads: _Reads) -> bytes:
    return " ".join(at.isoformat() if at else "" for at in (reads.finished, reads.running)).encode()


def _build_key(connection: Connection) -> str:
    return f"changed-candidates:{connection.pk}:{get_writing_credential_id() or 0}"
