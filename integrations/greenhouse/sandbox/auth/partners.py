"""Partners: vendors' applications, available to every account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from integrations.greenhouse.sandbox.auth.credentials import CLIENT_ID_SUFFIX
from integrations.greenhouse.sandbox.auth.permissions import to_v3_scopes
from integrations.greenhouse.sandbox.webhooks.delivery import is_loopback

# Made up, like those in ``credentials``.
PARTNER_CLIENT_ID = "sbx9Wd5MjXr2TgKyC6PbQnE8vH" + CLIENT_ID_SUFFIX
PARTNER_CLIENT_SECRET = "sandbox-only-Jv6rN1cX8mP4tW7hB2kQ9yD5zL3gF0s"
PARTNER_NAME = "Inbound Talent"


@dataclass
class Partner:
    """A vendor's application, with its registered scopes and redirect URIs.

    Without ``redirect_uris`` any loopback http URL is accepted, so that demos need no registration;
    Greenhouse registers URLs and compares them exactly.
    """

    client_id: str
    client_secret: str
    name: str
    scopes: set[str]
    redirect_uris: list[str] = field(default_factory=list)
    service_users: dict[str, int] = field(default_factory=dict)  # by account

    def allows_redirect(self, address: str) -> bool:
        if self.redirect_uris:
            return address in self.redirect_uris
        parts = urlsplit(address)
        return parts.scheme == "http" and is_loopback(parts.hostname) and not parts.fragment

    def remove_permissions(self, names: Iterable[str]) -> None:
        self.scopes -= to_v3_scopes(names)

    def grant_permissions(self, names: Iterable[str]) -> None:
        """Register more scopes; existing consents do not gain them."""
        self.scopes |= to_v3_scopes(names)
