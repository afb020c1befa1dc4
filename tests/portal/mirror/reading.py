"""Run code during a sync, between Greenhouse's answer and the write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from portal.connections.models import ApiCall
from portal.mirror.models import SyncRun
from tests.portal.meanwhile import when_greenhouse_has_answered


def when_a_sync_reads(path: str, do: Callable[[], object]) -> AbstractContextManager[None]:
    """Call `do` once, after Greenhouse answered this path and before anything is written."""

    def of_a_sync(call: ApiCall) -> bool:
        syncing = SyncRun.objects.filter(status=SyncRun.Status.RUNNING).exists()
        return syncing and call.path == path

    return when_greenhouse_has_answered(do, path=path, when=of_a_sync)
