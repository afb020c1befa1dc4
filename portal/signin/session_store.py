"""Sessions in the database that say when they end."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone


class SessionStore(db.SessionStore):
    _ends_at: datetime | None = None

    @property
    def seconds_left(self) -> int:
        """How long the session lasts, counting from its last change."""
        if self.modified or self._ends_at is None:
            return int(self.get_expiry_age())
        return max(0, int((self._ends_at - timezone.now()).total_seconds()))

    def _get_session_from_db(self) -> Session | None:
        session: Session | None = super()._get_session_from_db()  # type: ignore[misc]
        self._ends_at = session.expire_date if session else None
        return session
