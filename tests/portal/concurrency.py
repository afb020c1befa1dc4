"""Something happens between Greenhouse's answer and what the portal makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from integrations.ats.client_context import ApiCallRecord
from portal.connections.call_log import CallLog
from portal.core.database.thread_connections import ThreadOwner


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
        with owner.lend_scope():  # this may be a thread of the provider
            meant = call.path.startswith(path) and (when is None or when(call))
            if pending and meant:
                pending.pop()()

    owner = ThreadOwner()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallLog, "record_call", record_and_run)
        yield
    assert not pending, f"Greenhouse was never asked for {path or 'anything'}"
