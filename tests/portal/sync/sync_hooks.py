"""Run code during a sync, between Greenhouse's answer and the write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from integrations.ats.client_context import ApiCallRecord
from portal.sync.models import SyncRun
from tests.portal.concurrency import run_after_response


def run_during_sync(path: str, do: Callable[[], object]) -> AbstractContextManager[None]:
    """Call `do` once, after Greenhouse answered this path and before anything is written."""

    def is_sync_call(call: ApiCallRecord) -> bool:
        syncing = SyncRun.objects.filter(status=SyncRun.Status.RUNNING).exists()
        return syncing and call.path == path

    return run_after_response(do, path=path, when=is_sync_call)
