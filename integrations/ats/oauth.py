"""What an OAuth authorization takes and gives."""

from __future__ import annotations

import msgspec

from integrations.ats.errors import BadCredential
from integrations.ats.oauth_tokens import TokenPair


class OAuthApp(msgspec.Struct, frozen=True, kw_only=True):
    client_id: str
    client_secret: str
    redirect_uri: str
    pkce: bool = True

    def __repr__(self) -> str:
        return "<Partner>"


class OAuthGrant(msgspec.Struct, frozen=True, kw_only=True):
    pair: TokenPair
    subject: int | None  # the consenting user's id at the vendor, if known
    scopes: frozenset[str] | None  # None: the vendor doesn't say


class AuthorizationCodeRejected(BadCredential):
    pass
