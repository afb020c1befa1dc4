"""Read the candidates that changed since the last sync, once for all requests made before it."""

from __future__ import annotations

import itertools
from datetime import datetime

from django.utils import timezone

from integrations.ats.errors import LIST_REFUSALS
from integrations.ats.provider import Provider
from portal.connections.models import Connection
from portal.core.shared_state import get_shared_store
from portal.sync.engine import plan
from portal.sync.engine.upsert import written_as_of
from portal.sync.writers import application_records

MAX_PAGES = 3
_REMEMBERED_SECONDS = 60 * 60


def refresh_changed_candidates(
    connection: Connection, provider: Provider, requested_at: datetime
) -> None:
    """Read them, unless they were read since `requested_at`. Raises AtsError."""
    since = plan.get_changed_since(connection, "candidates")
    if since is None:
        return
    last_read_at = _load_last_read(connection)
    if last_read_at is not None and last_read_at >= requested_at:
        return
    started_at = timezone.now()
    try:
        for page in itertools.islice(provider.list_candidates(updated_after=since), MAX_PAGES):
            with written_as_of(started_at):
                application_records.write_candidates(connection, page.records)
    except LIST_REFUSALS:
        pass
    _save_last_read(connection, started_at)


def _load_last_read(connection: Connection) -> datetime | None:
    value = get_shared_store().update(
        _build_key(connection), lambda stored: (stored, stored), ttl=_REMEMBERED_SECONDS
    )
    return datetime.fromisoformat(value.decode()) if value else None


def _save_last_read(connection: Connection, started_at: datetime) -> None:
    value = started_at.isoformat().encode()
    get_shared_store().update(
        _build_key(connection), lambda _: (value, None), ttl=_REMEMBERED_SECONDS
    )


def _build_key(connection: Connection) -> str:
    credential = connection.credential
    return f"changed-candidates:{connection.pk}:{credential.pk if credential else 0}"
