"""Having PostgreSQL plan a statement once instead of each time, where somebody waits for it.

Planning a statement by keys takes longer than answering it. A remembered plan knows no values,
though, so it fits such statements alone: a list of a customer with 100,000 jobs, filtered, took six
times as long by the plan that is best for customers on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import NotSupportedError, connection


@contextmanager
def planned_once() -> Iterator[None]:
    """Statements inside are prepared when they are seen a second time on this connection.

    For the few by key that a click needs. Elsewhere than on PostgreSQL nothing is different.
    """
    if connection.vendor != "postgresql" or not settings.PREPARED_STATEMENTS:
        yield
        return
    # A statement can be remembered only where its values travel apart from it. Django has a cursor
    # for that, but would use it for everything, and PostgreSQL takes no more than 65,535 values so.
    from django.db.backends.postgresql.base import ServerBindingCursor

    connection.ensure_connection()
    opened = connection.connection
    before = opened.cursor_factory, opened.prepare_threshold
    opened.cursor_factory, opened.prepare_threshold = ServerBindingCursor, 1
    try:
        yield
    except NotSupportedError:  # a migration changed what a remembered plan gives: begin anew
        connection.close()
        raise
    finally:
        opened.cursor_factory, opened.prepare_threshold = before
