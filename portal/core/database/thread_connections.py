from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from portal.core.tenancy.scope import get_scope, resume_scope


class ThreadOwner:
    """The thread that started others; they query what it may query."""

    def __init__(self) -> None:
        self._thread_id, self._scope = threading.get_ident(), get_scope()

    def belongs_to_this_thread(self) -> bool:
        return threading.get_ident() == self._thread_id

    @contextmanager
    def lend_scope(self) -> Iterator[None]:
        """For threads Django does not manage; closes their connections, but not the owner's."""
        try:
            with resume_scope(self._scope):
                yield
        finally:
            if not self.belongs_to_this_thread():
                connections.close_all()
