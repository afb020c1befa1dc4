"""Mark records that Greenhouse no longer has as gone."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync.engine.upsert import get_request_time
from portal.sync.integrity import write_guard
from portal.sync.models import Candidate, SyncedRecord
from portal.sync.records import candidate_erasure


@transaction.atomic
def mark_gone(connection: Connection, model: type[SyncedRecord], remote_ids: Sequence[int]) -> int:
    """Mark records that Greenhouse no longer has as gone, and return how many there were."""
    # Rows of revoked grants stay, so that an older page does not restore the access.
    if not remote_ids or not write_guard.is_write_allowed(connection):
        return 0
    gone_count, now = 0, timezone.now()
    for start in range(0, len(remote_ids), 500):
        chunk = remote_ids[start : start + 500]
        rows = model._default_manager.filter(
            connection=connection, remote_id__in=chunk, gone_at=None
        )
        if model is Candidate:
            gone_count += candidate_erasure.mark_candidates_gone(connection, chunk)
        else:
            gone_count += rows.update(gone_at=now, changed_at=now, requested_at=get_request_time())
    return gone_count
