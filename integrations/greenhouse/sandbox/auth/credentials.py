"""Credentials: v1 keys, v3 clients, and the sandbox's well-known ones.

All values are made up and only open a sandbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from integrations.greenhouse.sandbox.auth.permissions import (
    ALL_SCOPES,
    ALL_V1_PERMISSIONS,
    to_v1_permissions,
    to_v3_scopes,
)

# Suffix of well-formed client IDs. The real one is not public: an assumption.
CLIENT_ID_SUFFIX = "-ghv3"

# Made up, but shaped like real ones to exercise forms and redaction.
ACME_V1_KEY = "5a1d0b0cacae7f3b9d2e4c6a8f10e2d4-1"
ACME_V1_KEY_LIMITED = "5a1d0b0cac2e61f7c3b5d9a1e8f4023b-2"
OTHER_V1_KEY = "5a1d0b0c07e4d8c2b6a0f4e3d7c1b5a9-1"
ACME_V3_CLIENT_ID = "sbx7Qm2VtYp4KdWzR8LcNfH3aE" + CLIENT_ID_SUFFIX
ACME_V3_CLIENT_SECRET = "sandbox-only-Zk3vT9wQ1xB7nM5rJ8dF2hL6pS4gY0c"
ACME_V3_LIMITED_CLIENT_ID = "sbx1Bn6XuGs9JeTqC5WkMvP2zD" + CLIENT_ID_SUFFIX
ACME_V3_LIMITED_CLIENT_SECRET = "sandbox-only-Hq8mC4yV2kN6tR9bW3sX7jP1fD5gL0z"
OTHER_V3_CLIENT_ID = "sbx4Ry8HpLk3DfVnA7ZjBwS5tQ" + CLIENT_ID_SUFFIX
OTHER_V3_CLIENT_SECRET = "sandbox-only-Uf2pK7dJ5wL9xG3nB6zT1qV8mR4cY0h"

LIMITED_KEY_MISSING_PERMISSIONS = (
    "applications.reject",
    "users.list",
    "user_permissions.list_job_permissions",
    "rejection_reasons.list",
)

LIMITED_CLIENT_MISSING_SCOPES = (
    "harvest:applications:reject",
    "harvest:user_job_permissions:list",
    "harvest:rejection_reasons:list",
)

# Raises ValueError for an account that does not exist.
CheckAccount = Callable[[str], None]
# Creates a service user in an account, as Site Admin or not, and returns its ID.
AddServiceUser = Callable[[str, bool], int]


@dataclass
class ApiKey:
    account: str
    secret: str
    permissions: set[str]

    @property
    def label(self) -> str:
        return f"v1:{self.account}:…{self.secret[-6:]}"

    def remove_permissions(self, names: Iterable[str]) -> None:
        self.permissions -= to_v1_permissions(names)

    def grant_permissions(self, names: Iterable[str]) -> None:
        self.permissions |= to_v1_permissions(names)


@dataclass
class OAuthClient:
    """A Harvest v3 client; its service user acts when a token request has no ``sub``."""

    account: str
    client_id: str
    client_secret: str
    scopes: set[str]
    service_user_id: int = 0
    serial: int = field(default=0, repr=False)

    @property
    def label(self) -> str:
        return f"v3:{self.account}:{self.client_id[:8]}…"

    def remove_permissions(self, names: Iterable[str]) -> None:
        """Remove scopes, effective at once even for live tokens (documented)."""
        self.scopes -= to_v3_scopes(names)

    def grant_permissions(self, names: Iterable[str]) -> None:
        self.scopes |= to_v3_scopes(names)


class Credentials:
    def __init__(
        self,
        check_account: CheckAccount,
        add_service_user: AddServiceUser,
        on_change: Callable[[], None],
    ) -> None:
        self._check_account = check_account
        self._add_service_user = add_service_user
        self._on_change = on_change
        self.keys: dict[str, ApiKey] = {}
        self.clients: dict[str, OAuthClient] = {}

    def add_well_known(self) -> None:
        for account, secret, missing_permissions in (
            ("acme", ACME_V1_KEY, ()),
            ("acme", ACME_V1_KEY_LIMITED, LIMITED_KEY_MISSING_PERMISSIONS),
            ("other", OTHER_V1_KEY, ()),
        ):
            self.keys[secret] = ApiKey(
                account, secret, set(ALL_V1_PERMISSIONS) - to_v1_permissions(missing_permissions)
            )
        for account, client_id, secret, missing in (
            ("acme", ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET, ()),
            (
                "acme",
                ACME_V3_LIMITED_CLIENT_ID,
                ACME_V3_LIMITED_CLIENT_SECRET,
                LIMITED_CLIENT_MISSING_SCOPES,
            ),
            ("other", OTHER_V3_CLIENT_ID, OTHER_V3_CLIENT_SECRET, ()),
        ):
            scopes = set(ALL_SCOPES) - to_v3_scopes(missing)
            service_user = self._add_service_user(account, True)
            self.clients[client_id] = OAuthClient(account, client_id, secret, scopes, service_user)

    def create_key(
        self,
        account: str = "acme",
        without: Iterable[str] = (),
        only: Iterable[str] | None = None,
        secret: str = "",
    ) -> ApiKey:
        """Create a v1 key with all permissions, all but ``without``, or ``only`` some.

        Permissions are v1 keys (``jobs.list``) or v3 scopes. What real keys look like is not
        documented, so ``secret`` may be any text. Raises ValueError if it is taken.
        """
        self._check_account(account)
        number = len(self.keys) + 1
        digest = hashlib.sha256(f"key {account} {number}".encode()).hexdigest()
        allowed = set(ALL_V1_PERMISSIONS) if only is None else to_v1_permissions(only)
        secret = secret or f"5a1d0b0c{digest[:24]}-{number}"
        if secret in self.keys:
            raise ValueError("There is such a key already.")
        key = ApiKey(account, secret, allowed - to_v1_permissions(without))
        self.keys[key.secret] = key
        self._on_change()
        return key

    def create_client(
        self,
        account: str = "acme",
        without: Iterable[str] = (),
        only: Iterable[str] | None = None,
        reader_is_site_admin: bool = True,
    ) -> OAuthClient:
        """Create a v3 client with all scopes, all but ``without``, or ``only`` some.

        ``reader_is_site_admin`` lets its service user read lists; the real default is not public.
        """
        self._check_account(account)
        number = len(self.clients) + 1
        digest = hashlib.sha256(f"client {account} {number}".encode()).hexdigest()
        allowed = set(ALL_SCOPES) if only is None else to_v3_scopes(only)
        client = OAuthClient(
            account,
            f"sbx{digest[:23]}{CLIENT_ID_SUFFIX}",
            f"sandbox-only-{digest[23:55]}",
            allowed - to_v3_scopes(without),
            self._add_service_user(account, reader_is_site_admin),
        )
        self.clients[client.client_id] = client
        self._on_change()
        return client

    def find_credential(self, name: str) -> ApiKey | OAuthClient | None:
        return self.keys.get(name) or self.clients.get(name)

    def to_state(self) -> dict[str, Any]:
        return {
            "keys": [
                {"account": k.account, "secret": k.secret, "permissions": sorted(k.permissions)}
                for k in self.keys.values()
            ],
            "clients": [
                {
                    "account": c.account,
                    "client_id": c.client_id,
                    "client_secret": c.client_secret,
                    "scopes": sorted(c.scopes),
                    "service_user_id": c.service_user_id,
                    "serial": c.serial,
                }
                for c in self.clients.values()
            ],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for row in state["keys"]:
            self.keys[row["secret"]] = ApiKey(**(row | {"permissions": set(row["permissions"])}))
        for row in state["clients"]:
            self.clients[row["client_id"]] = OAuthClient(**(row | {"scopes": set(row["scopes"])}))
