"""Sessions in the database that say when they end."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements


class SessionStore(db.SessionStore):
    _ends_at: datetime | None = None

    @property
    def seconds_left(self) -> int:
        """How long the session lasts, counting from its last change."""
        if self.modified or self._ends_at is None:
            return int(self.get_expiry_age())
        return max(0, int((self._ends_at - timezone.now()).total_seconds()))

    def _get_session_from_db(self) -> Session | None:
        session = next(iter(_find_session(self.session_key or "", timezone.now())), None)
        if session is None:
            self._session_key = None
        self._ends_at = session.expire_date if session else None
        return session


@use_prepared_statements()
@compile_once
def _find_session(key: str, now: datetime) -> QuerySet[Session]:
    return Session.objects.filter(session_key=key, expire_date__gt=now)
