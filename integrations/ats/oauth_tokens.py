"""OAuth consents and their rotating tokens: every refresh token works once and returns its
successor.

A process takes a shared lease before refreshing; saving the response ends it in the same step. If a
lease expires without a response, the next process tries the same token again: an unused one still
works, a used one is lost either way.
"""

from __future__ import annotations

import threading
from typing import Protocol

import msgspec

from integrations.ats.errors import BadCredential

# `acting_user_id` of a write made as the credential itself, not on behalf of a user.
SERVICE_ACCOUNT_USER_ID = -1


class TokenPair(msgspec.Struct, frozen=True, kw_only=True):
    generation: int  # counts the consent's refresh tokens
    access_token: str
    access_expires_at: float  # epoch seconds
    refresh_token: str
    refresh_expires_at: float

    def __repr__(self) -> str:
        return f"<Pair {self.generation}>"


class TokenStore(Protocol):
    """One consent's tokens. Every method is atomic."""

    def load_tokens(self) -> TokenPair:
        """Raises BadCredential once the consent has ended."""

    def acquire_refresh_lease(self, number: int, *, now: float, until: float) -> bool:
        """Take the lease on refresh token `number`; False if it is used or already leased."""

    def save_refreshed(self, new: TokenPair) -> bool:
        """Store the successor of token `generation - 1`, ending the lease; False if too late."""

    # Only if the refresh token was certainly not used.
    def release_refresh_lease(self, number: int) -> None: ...

    def end_consent(self, number: int, why: str) -> None: ...


class TokenStores(Protocol):
    def get(self, acting_user_id: int | None) -> TokenStore | None:
        """The connection's own store (None) or that of a user at the vendor."""


class MemoryTokenStore:
    def __init__(self, pair: TokenPair) -> None:
        self._lock = threading.Lock()
        self.pair = pair
        self.lease_until = 0.0
        self.ended_reason = ""

    def load_tokens(self) -> TokenPair:
        if self.ended_reason:
            raise BadCredential(self.ended_reason)
        return self.pair

    def acquire_refresh_lease(self, number: int, *, now: float, until: float) -> bool:
        with self._lock:
            if self.ended_reason or number != self.pair.generation or self.lease_until > now:
                return False
            self.lease_until = until
            return True

    def save_refreshed(self, new: TokenPair) -> bool:
        with self._lock:
            if self.ended_reason or new.generation != self.pair.generation + 1:
                return False
            self.pair, self.lease_until = new, 0.0
            return True

    def release_refresh_lease(self, number: int) -> None:
        with self._lock:
            if number == self.pair.generation:
                self.lease_until = 0.0

    def end_consent(self, number: int, why: str) -> None:
        with self._lock:
            if number == self.pair.generation:
                self.ended_reason = why
