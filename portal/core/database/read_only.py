"""Read-only mode below the application; code with optional writes checks `is_read_only`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection

_read_only: ContextVar[bool] = ContextVar("readonly", default=False)
_READ_STATEMENTS = {"SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "EXPLAIN", "PRAGMA"}


class WriteForbidden(PermissionDenied):
    pass


def is_read_only() -> bool:
    return _read_only.get()


@contextmanager
def forbid_writes() -> Iterator[None]:
    """Refuse every statement inside that is not known to only read."""
    token = _read_only.set(True)
    try:
        with connection.execute_wrapper(_refuse_writes):
            yield
    finally:
        _read_only.reset(token)


def _refuse_writes(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if sql.lstrip(" (\n\t").split(None, 1)[0].upper().rstrip(";") not in _READ_STATEMENTS:
        raise WriteForbidden
    return execute(sql, params, many, context)
