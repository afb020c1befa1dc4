"""Something happens between Greenhouse's answer and what the portal makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from integrations.ats.client_context import ApiCallRecord
from portal.connections.call_log import CallLog
from portal.core.database.thread_connections import close_thread_connections


@contextmanager
def run_after_response(
    do: Callable[[], object], *, path: str = "", when: Callable[[ApiCallRecord], bool] | None = None
) -> Iterator[None]:
    """Do it once, after the first answer, or the first of this path, and before anything else;
    `when` tells more closely which answer is meant.
    """
    pending = [do]
    record_call = CallLog.record_call

    def record_and_run(log: CallLog, call: ApiCallRecord) -> None:
        record_call(log, call)
        with close_thread_connections(owner):  # this may be a thread of the provider
            meant = call.path.startswith(path) and (when is None or when(call))
            if pending and meant:
                pending.pop()()

    owner = threading.get_ident()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallLog, "record_call", record_and_run)
        yield
    assert not pending, f"Greenhouse was never asked for {path or 'anything'}"
