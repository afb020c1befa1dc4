"""Access tokens of a connection's consents, shared by all processes."""

from __future__ import annotations

import threading

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import ActingUserRefused, AtsUnavailable, BadCredential, RateLimited
from integrations.ats.oauth_tokens import TokenPair, TokenStore
from integrations.greenhouse.oauth.client import OAuthClient, TokenClaims
from integrations.greenhouse.oauth.client_credentials import wait_for_lease
from integrations.greenhouse.oauth.token_refresh import (
    CONSENT_ENDED,
    REFRESH_LEASE,
    RESPONSE_TIMEOUT,
    refresh_token_pair,
)

_EXPIRY_MARGIN = 150.0  # refresh early enough to retry after a lost response and an expired lease
NO_PERSONAL_CONSENT = "You haven't authorized this portal in Greenhouse to act under your name."
PERSONAL_CONSENT_ENDED = (
    "Your authorization in Greenhouse has ended. Authorize the portal again under Acting in "
    "Greenhouse."
)


class ConsentTokens:
    """Access tokens of a connection's consents; one process refreshes at a time."""

    def __init__(self, context: ClientContext, oauth_client: OAuthClient) -> None:
        self._context = context
        self._oauth_client = oauth_client
        self._cached_pairs: dict[str | None, TokenPair] = {}
        self._rejected_tokens: set[str] = set()
        self._refresh_lock = threading.Lock()

    def get_token(self, sub: str | None, *, until: float) -> str:
        """A token that acts as this Greenhouse user (None: the connection's own consent).

        Raises BadCredential (or ActingUserRefused for a person) if there is no consent, and
        AtsUnavailable, RateLimited or UnreadableResponse if the token cannot be refreshed now.
        """
        cached = self._cached_pairs.get(sub)
        if cached is not None and self._is_usable(cached, _EXPIRY_MARGIN):
            return cached.access_token
        with self._refresh_lock:
            try:
                self._cached_pairs[sub] = self._get_fresh_pair(self._get_token_store(sub), until)
            except BadCredential as error:
                if sub is None:
                    raise
                raise ActingUserRefused(PERSONAL_CONSENT_ENDED, evidence=error.evidence) from error
        return self._cached_pairs[sub].access_token

    def discard_token(self, sub: str | None, token: str) -> None:
        self._rejected_tokens.add(token)
        self._cached_pairs.pop(sub, None)

    def get_claims(self, token: str, *, until: float) -> TokenClaims:
        return self._oauth_client.get_claims(token, until=until)

    def _get_token_store(self, sub: str | None) -> TokenStore:
        token_stores = self._context.token_stores
        token_store = token_stores.get(int(sub) if sub else None) if token_stores else None
        if token_store is None:
            raise (
                BadCredential(CONSENT_ENDED)
                if sub is None
                else ActingUserRefused(NO_PERSONAL_CONSENT)
            )
        return token_store

    def _is_usable(self, pair: TokenPair, margin: float = 0.0) -> bool:
        is_unexpired = pair.access_expires_at - margin > self._context.now()
        return is_unexpired and pair.access_token not in self._rejected_tokens

    def _get_fresh_pair(self, token_store: TokenStore, until: float) -> TokenPair:
        """Load a valid pair, refreshing it here or waiting for the process with the lease."""
        while True:
            pair = token_store.load_tokens()
            if self._is_usable(pair, _EXPIRY_MARGIN):
                return pair
            now = self._context.now()
            # A refresh that is cut off would lose the token: callers in a hurry leave it to others.
            has_time = now + RESPONSE_TIMEOUT <= self._context.ends_at
            if has_time and token_store.acquire_refresh_lease(
                pair.generation, now=now, until=now + REFRESH_LEASE
            ):
                return self._refresh_pair(token_store, pair)
            if self._is_usable(pair):
                return pair
            wait_for_lease(self._context, until)

    def _refresh_pair(self, token_store: TokenStore, pair: TokenPair) -> TokenPair:
        try:
            return refresh_token_pair(self._context, self._oauth_client, token_store, pair)
        except (AtsUnavailable, RateLimited):
            if self._is_usable(pair):
                return pair
            raise
