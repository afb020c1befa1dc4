"""The log of requests to Greenhouse. The thread that opened a provider writes it; the provider's
own threads would need a database connection for each request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished
from django.db import Error
from django.dispatch import receiver

from integrations.ats.client_context import ApiCallRecord
from portal.connections.models import ApiCall
from portal.core.database.paired_writes import insert_rows
from portal.core.database.thread_connections import ThreadOwner
from portal.core.observability import request_ids

logger = logging.getLogger(__name__)

# Of a batched log: what a killed process may lose.
MAX_BATCH_ROWS = 25
MAX_BATCH_SECONDS = 2.0


class _ThreadLogs(threading.local):
    def __init__(self) -> None:
        self.logs: list[CallLog] = []


_thread_logs = _ThreadLogs()


class CallLog:
    """Logs the requests of one provider. What the provider's threads add is written with the next
    request of the owner, or at the end of its task or web request. If `is_deferred`, the owner
    calls `write_rows` itself. If `is_batched`, several answered requests are written together.
    """

    def __init__(
        self,
        connection_id: int,
        on_call: Callable[[ApiCallRecord], None] | None = None,
        *,
        is_deferred: bool = False,
        is_batched: bool = False,
    ) -> None:
        self._connection_id, self._on_call = connection_id, on_call
        self._is_deferred, self._is_batched = is_deferred, is_batched
        self._written_at = time.monotonic()
        self._owner = ThreadOwner()
        # Provider threads do not inherit context variables.
        self._trace_id = request_ids.get_request_id()
        self._rows: deque[ApiCall] = deque()
        if not is_deferred:
            _thread_logs.logs.append(self)

    def record_call(self, call: ApiCallRecord) -> None:
        self._rows.append(build_api_call(self._connection_id, self._trace_id, call))
        if self._is_due(call) and self._owner.belongs_to_this_thread():
            self.write_rows()
        if self._on_call is not None:
            with self._owner.lend_scope():
                self._on_call(call)

    def _is_due(self, call: ApiCallRecord) -> bool:
        if self._is_deferred or not self._is_batched or call.error:
            return not self._is_deferred
        age = time.monotonic() - self._written_at
        return len(self._rows) >= MAX_BATCH_ROWS or age >= MAX_BATCH_SECONDS

    def write_rows(self) -> None:
        self._written_at = time.monotonic()
        rows = []
        while self._rows:
            rows.append(self._rows.popleft())
        with self._owner.lend_scope():  # also after the request
            insert_rows(rows)


@receiver(request_finished)
def write_thread_logs(**_: Any) -> None:
    logs, _thread_logs.logs = _thread_logs.logs, []
    for log in logs:
        try:
            log.write_rows()
        except Error:
            logger.exception("Requests to Greenhouse are missing in the log")


def build_api_call(connection_id: int, trace_id: str, call: ApiCallRecord) -> ApiCall:
    return ApiCall(
        connection_id=connection_id,
        at=call.at,
        method=call.method,
        path=call.path[:120],
        status=call.status,
        milliseconds=round(call.seconds * 1000),
        retries=call.retries,
        lane=call.lane,
        remaining=call.remaining,
        request_id=(call.request_id or "")[:80],
        error=call.error,
        trace=trace_id,
    )
