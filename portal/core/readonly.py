"""Looking without touching: while it holds, this thread's database takes no write.

The guard sits beneath the application, so that a page which would save something on the way is
refused instead of quietly acting. Whoever only wants to be kind on the way (refresh what is old)
asks `holds` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection

_holds: ContextVar[bool] = ContextVar("readonly", default=False)
_READS = {"SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "EXPLAIN", "PRAGMA"}


class WouldWrite(PermissionDenied):
    """Something tried to change a row while nobody may."""


def holds() -> bool:
    """Whether this request may only look."""
    return _holds.get()


@contextmanager
def looking() -> Iterator[None]:
    """Refuse every statement that is not known to only read."""
    token = _holds.set(True)
    try:
        with connection.execute_wrapper(_refuse_writes):
            yield
    finally:
        _holds.reset(token)


def _refuse_writes(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if sql.lstrip(" (\n\t").split(None, 1)[0].upper().rstrip(";") not in _READS:
        raise WouldWrite
    return execute(sql, params, many, context)
