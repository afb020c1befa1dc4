"""Getting a consent by OAuth, refreshing its tokens and revoking them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import BadCredential
from integrations.ats.oauth_tokens import TokenPair, TokenStore


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


class OAuthFlow(Protocol):
    def build_authorization_url(
        self, partner: OAuthApp, auth_url: str, *, scopes: Iterable[str], state: str, verifier: str
    ) -> str: ...

    def exchange_code(
        self, context: ClientContext, partner: OAuthApp, *, code: str, verifier: str
    ) -> OAuthGrant:
        """Raises AuthorizationCodeRejected, AtsUnavailable, RateLimited, UnreadableResponse or, if
        the application itself is rejected, BadCredential.
        """

    def refresh_tokens(
        self, context: ClientContext, partner: OAuthApp, token_store: TokenStore, *, number: int
    ) -> TokenPair:
        """Use refresh token `number`, or return what another process got. Raises BadCredential
        (consent ended), AtsUnavailable, RateLimited or UnreadableResponse.
        """

    def revoke_token(self, context: ClientContext, partner: OAuthApp, refresh_token: str) -> bool:
        """End a consent; False if it is refused. Raises AtsUnavailable or RateLimited."""
