"""Planning a lookup by key takes longer than running it. Only for those: prepared plans ignore the
values, and a filtered list of 100,000 jobs took six times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import NotSupportedError, connection


@contextmanager
def use_prepared_statements() -> Iterator[None]:
    """Prepare statements inside the second time they run on this connection (PostgreSQL only)."""
    if not settings.PREPARED_STATEMENTS:
        yield
        return
    with _bind_on_server(prepare_threshold=1):
        yield


@contextmanager
def send_values_apart() -> Iterator[None]:
    """Send the values of statements inside beside them, so that a page of records is neither
    escaped nor copied into its statement (PostgreSQL only). Nothing is prepared that would not be
    anyway.
    """
    with _bind_on_server(prepare_threshold=None):
        yield


@contextmanager
def _bind_on_server(*, prepare_threshold: int | None) -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    # Django's setting for parameters on the server would apply everywhere, and PostgreSQL accepts
    # at most 65,535 of them per statement.
    from django.db.backends.postgresql.base import ServerBindingCursor

    connection.ensure_connection()
    raw_connection = connection.connection
    if prepare_threshold is None and raw_connection.cursor_factory is ServerBindingCursor:
        yield
        return
    previous_settings = raw_connection.cursor_factory, raw_connection.prepare_threshold
    raw_connection.cursor_factory = ServerBindingCursor
    raw_connection.prepare_threshold = prepare_threshold
    try:
        yield
    except NotSupportedError:  # a migration changed the result: reconnect
        connection.close()
        raise
    finally:
        raw_connection.cursor_factory, raw_connection.prepare_threshold = previous_settings
