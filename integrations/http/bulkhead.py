"""Bulkhead: how many callers of this process may be inside calls at the same time.

A caller is one provider; its own parallel calls share a place.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

from integrations.ats.errors import CallsPaused

RETRY_AFTER = timedelta(seconds=1)


class ProcessBulkhead:
    def __init__(
        self,
        *,
        per_account: int,
        total: int,
        on_change: Callable[[int], None] = lambda _: None,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`on_change` gets the number of callers inside; `around` is entered by each of them."""
        self._per_account, self._total, self._on_change = per_account, total, on_change
        self._around = around
        self._lock = threading.Lock()
        self._accounts: Counter[str] = Counter()
        self._calls: Counter[int] = Counter()  # by caller

    @contextmanager
    def enter(self, account: str, caller: object) -> Iterator[None]:
        """Never waits: raises AtsUnavailable if the account or the process has no place left."""
        self._take_place(account, id(caller))
        try:
            with self._around():
                yield
        finally:
            self._leave_place(account, id(caller))

    def _take_place(self, account: str, caller: int) -> None:
        with self._lock:
            if caller not in self._calls:
                is_full = self._accounts[account] >= self._per_account
                if is_full or len(self._calls) >= self._total:
                    retry_at = datetime.now(UTC) + RETRY_AFTER
                    raise CallsPaused(retry_at=retry_at)
                self._accounts[account] += 1
            self._calls[caller] += 1
            self._on_change(len(self._calls))

    def _leave_place(self, account: str, caller: int) -> None:
        with self._lock:
            self._calls[caller] -= 1
            if not self._calls[caller]:
                del self._calls[caller]
                self._accounts[account] -= 1
                if not self._accounts[account]:
                    del self._accounts[account]
            self._on_change(len(self._calls))
