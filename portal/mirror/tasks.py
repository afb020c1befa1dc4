"""What workers do for the mirror. A task gets an id; the row tells the rest."""

from __future__ import annotations

from portal.mirror import sync
from portal.mirror.models import SyncRun


def run(sync_id: int) -> None:
    sync.run(SyncRun.objects.select_related("connection").get(pk=sync_id))
