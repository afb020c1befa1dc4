"""Change a credential's permissions in Greenhouse."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection


def given(sandbox: Sandbox, connection: Connection, *permissions: str) -> None:
    """Grant these permissions."""
    _credential(sandbox, connection).grant(set(permissions))
    sandbox.expire_tokens()


def taken_away(sandbox: Sandbox, connection: Connection, *permissions: str) -> None:
    """Revoke these permissions."""
    _credential(sandbox, connection).remove(set(permissions))
    sandbox.expire_tokens()


def _credential(sandbox: Sandbox, connection: Connection) -> Any:
    used = connection.credential
    assert used is not None
    secrets = used.secrets()
    return sandbox.credentials.find(secrets.get("client_id") or secrets["api_key"])
