"""Credentials: v1 keys, v3 clients, and the well-known ones of the sandbox.

Every value here is made up and opens nothing but a sandbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .permissions import ALL_KEYS, ALL_SCOPES, keys_named, scopes_named

ACCOUNTS = ("acme", "other")
"""The accounts of every sandbox."""

CLIENT_SUFFIX = "-ghv3"
"""What a well-formed client id ends with. The true suffix is not public: an assumption."""

# Sandbox values only. They look like real ones so that forms and redaction meet real shapes.
ACME_V1_KEY = "5a1d0b0cacae7f3b9d2e4c6a8f10e2d4-1"
ACME_V1_KEY_LIMITED = "5a1d0b0cac2e61f7c3b5d9a1e8f4023b-2"
OTHER_V1_KEY = "5a1d0b0c07e4d8c2b6a0f4e3d7c1b5a9-1"
ACME_V3_CLIENT_ID = "sbx7Qm2VtYp4KdWzR8LcNfH3aE" + CLIENT_SUFFIX
ACME_V3_CLIENT_SECRET = "sandbox-only-Zk3vT9wQ1xB7nM5rJ8dF2hL6pS4gY0c"
ACME_V3_LIMITED_CLIENT_ID = "sbx1Bn6XuGs9JeTqC5WkMvP2zD" + CLIENT_SUFFIX
ACME_V3_LIMITED_CLIENT_SECRET = "sandbox-only-Hq8mC4yV2kN6tR9bW3sX7jP1fD5gL0z"
OTHER_V3_CLIENT_ID = "sbx4Ry8HpLk3DfVnA7ZjBwS5tQ" + CLIENT_SUFFIX
OTHER_V3_CLIENT_SECRET = "sandbox-only-Uf2pK7dJ5wL9xG3nB6zT1qV8mR4cY0h"

LIMITED_KEY_LACKS = (
    "applications.reject",
    "users.list",
    "user_permissions.list_job_permissions",
    "rejection_reasons.list",
)
"""What ACME_V1_KEY_LIMITED is not allowed to do."""

LIMITED_CLIENT_LACKS = (
    "harvest:applications:reject",
    "harvest:user_job_permissions:list",
    "harvest:rejection_reasons:list",
)
"""The scopes that the limited client has not."""

AddServiceUser = Callable[[str, bool], int]
"""Makes a service user in an account (site admin or not) and gives its id."""


@dataclass
class Key:
    """A Harvest v1 key with the permissions ticked for it."""

    account: str
    secret: str
    permissions: set[str]

    @property
    def label(self) -> str:
        """Name it without giving it away."""
        return f"v1:{self.account}:…{self.secret[-6:]}"

    def remove(self, names: Iterable[str]) -> None:
        """Take permissions away; the next request feels it."""
        self.permissions -= keys_named(names)

    def grant(self, names: Iterable[str]) -> None:
        """Give permissions; the next request feels it."""
        self.permissions |= keys_named(names)


@dataclass
class Client:
    """A Harvest v3 client: its scopes and the service user that acts when no ``sub`` is given."""

    account: str
    client_id: str
    client_secret: str
    scopes: set[str]
    service_user_id: int = 0
    serial: int = field(default=0, repr=False)

    @property
    def label(self) -> str:
        """Name it without giving it away."""
        return f"v3:{self.account}:{self.client_id[:8]}…"

    def remove(self, names: Iterable[str]) -> None:
        """Take scopes away; documented to bite at once, for living tokens too."""
        self.scopes -= scopes_named(names)

    def grant(self, names: Iterable[str]) -> None:
        """Give scopes."""
        self.scopes |= scopes_named(names)


def _known_account(account: str) -> None:
    if account not in ACCOUNTS:
        raise ValueError(f"Unknown account {account}; known are: {', '.join(ACCOUNTS)}")


class Credentials:
    """All credentials of a sandbox."""

    def __init__(self, add_service_user: AddServiceUser, changed: Callable[[], None]) -> None:
        self._add_service_user = add_service_user
        self._changed = changed
        self.keys: dict[str, Key] = {}
        self.clients: dict[str, Client] = {}

    def add_well_known(self) -> None:
        """Add the six credentials that every sandbox has."""
        for account, secret, lacks in (
            ("acme", ACME_V1_KEY, ()),
            ("acme", ACME_V1_KEY_LIMITED, LIMITED_KEY_LACKS),
            ("other", OTHER_V1_KEY, ()),
        ):
            self.keys[secret] = Key(account, secret, set(ALL_KEYS) - keys_named(lacks))
        for account, number, secret, missing in (
            ("acme", ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET, ()),
            (
                "acme",
                ACME_V3_LIMITED_CLIENT_ID,
                ACME_V3_LIMITED_CLIENT_SECRET,
                LIMITED_CLIENT_LACKS,
            ),
            ("other", OTHER_V3_CLIENT_ID, OTHER_V3_CLIENT_SECRET, ()),
        ):
            scopes = set(ALL_SCOPES) - scopes_named(missing)
            service_user = self._add_service_user(account, True)
            self.clients[number] = Client(account, number, secret, scopes, service_user)

    def create_key(
        self,
        account: str = "acme",
        without: Iterable[str] = (),
        only: Iterable[str] | None = None,
        secret: str = "",
    ) -> Key:
        """Make a v1 key with every permission, ``without`` some, or with ``only`` some.

        Permissions are named by their keys (``jobs.list``) or by v3 scopes. ``secret`` is the key
        itself: what a real one looks like is not documented, so it may look like anything.
        """
        _known_account(account)
        number = len(self.keys) + 1
        digest = hashlib.sha256(f"key {account} {number}".encode()).hexdigest()
        allowed = set(ALL_KEYS) if only is None else keys_named(only)
        secret = secret or f"5a1d0b0c{digest[:24]}-{number}"
        if secret in self.keys:
            raise ValueError("There is such a key already.")
        key = Key(account, secret, allowed - keys_named(without))
        self.keys[key.secret] = key
        self._changed()
        return key

    def create_client(
        self,
        account: str = "acme",
        without: Iterable[str] = (),
        only: Iterable[str] | None = None,
        reader_is_site_admin: bool = True,
    ) -> Client:
        """Make a v3 client with every scope, ``without`` some, or with ``only`` some.

        ``reader_is_site_admin`` says whether its own service user may read lists; what a real
        one is by default is not public.
        """
        _known_account(account)
        number = len(self.clients) + 1
        digest = hashlib.sha256(f"client {account} {number}".encode()).hexdigest()
        allowed = set(ALL_SCOPES) if only is None else scopes_named(only)
        client = Client(
            account,
            f"sbx{digest[:23]}{CLIENT_SUFFIX}",
            f"sandbox-only-{digest[23:55]}",
            allowed - scopes_named(without),
            self._add_service_user(account, reader_is_site_admin),
        )
        self.clients[client.client_id] = client
        self._changed()
        return client

    def find(self, name: str) -> Key | Client | None:
        """Give the credential of this key or client id."""
        return self.keys.get(name) or self.clients.get(name)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
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
        """Take over what :meth:`to_state` gave."""
        for row in state["keys"]:
            self.keys[row["secret"]] = Key(**(row | {"permissions": set(row["permissions"])}))
        for row in state["clients"]:
            self.clients[row["client_id"]] = Client(**(row | {"scopes": set(row["scopes"])}))
