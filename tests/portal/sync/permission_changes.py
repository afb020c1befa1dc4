"""Change a credential's permissions in Greenhouse."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection


def grant_permissions(sandbox: Sandbox, connection: Connection, *permissions: str) -> None:
    """Grant these permissions."""
    _find_credential(sandbox, connection).grant_permissions(set(permissions))
    sandbox.app.tokens.expire_all()


def revoke_permissions(sandbox: Sandbox, connection: Connection, *permissions: str) -> None:
    """Revoke these permissions."""
    _find_credential(sandbox, connection).remove_permissions(set(permissions))
    sandbox.app.tokens.expire_all()


def _find_credential(sandbox: Sandbox, connection: Connection) -> Any:
    used = connection.credential
    assert used is not None
    secrets = used.get_secrets()
    return sandbox.credentials.find_credential(secrets.get("client_id") or secrets["api_key"])
