"""The rate limit of a connection, as Greenhouse's responses said it."""

from __future__ import annotations

from integrations.greenhouse.provider import PROVIDER_CLASSES
from integrations.http.rate_limiter import read_limit
from portal.connections.models import Credential
from portal.core.shared_state import get_shared_store

_SECONDS_PER_HOUR = 3600


def get_hourly_limit(credential: Credential) -> int | None:
    """Return the requests per hour that the limit of each window adds up to; None if unknown."""
    window = PROVIDER_CLASSES[credential.kind].window
    key = f"connection:{credential.connection_id}:{credential.fingerprint}:budget:{credential.kind}"
    limit = read_limit(get_shared_store(), key)
    return round(limit * _SECONDS_PER_HOUR / window) if limit else None
