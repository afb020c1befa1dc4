"""Access tokens for Harvest v3 from the client credentials grant, one per acting user."""

# Documented: client credentials with an optional `sub`. Unknown: whether
# another token ends the earlier ones; the client renews those that were ended.

from __future__ import annotations

import threading
from hashlib import sha256

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    SLOW_SENTENCE,
    ActingUserRefused,
    AtsError,
    AtsUnavailable,
    BadCredential,
    Evidence,
    MissingPermission,
)
from integrations.greenhouse.oauth.client import (
    DEFAULT_TOKEN_LIFETIME,
    OAuthClient,
    TokenClaims,
    decode_token_response,
)
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.greenhouse.transport.sender import ErrorMapper
from integrations.http.client import HttpClient, HttpResponse

# In seconds
EXPIRY_MARGIN = 60.0
_FETCH_LEASE = 20.0  # how long other processes wait for the one that fetches a token
_MAX_LEASE_WAIT = 1.0  # after the fetch began
POLL_INTERVAL = 0.1
LEASE_RETRY_SECONDS = 2.0  # when to ask again for a token that another process fetches
_NO_SCOPES_TEXT = "not requesting any scopes"


class NoScopesGranted(MissingPermission):
    """The client credential is valid but has no scopes at all."""

    def __init__(self, *, evidence: Evidence) -> None:
        super().__init__("", "This credential has no scopes in Greenhouse yet.", evidence=evidence)


class _CachedToken(msgspec.Struct, array_like=True):
    token: str = ""
    expires_at: float = 0.0
    fetching_until: float = 0.0


class _FetchInProgress(Exception):
    """Another process holds the lease."""

    def __init__(self, since: float) -> None:
        self.since = since  # epoch second
        super().__init__()


class ClientCredentialTokens:
    """Access tokens of a credential, shared by all processes; a lease lets only one fetch."""

    def __init__(
        self, context: ClientContext, http: HttpClient, client_id: str, client_secret: str
    ) -> None:
        self._context = context
        # Others on the machine may read the cache keys, so they contain only a digest.
        digest = sha256(f"{client_id}:{client_secret}".encode()).hexdigest()[:16]
        self._prefix = f"{context.connection_key}:token:{digest}"
        self._oauth_client = OAuthClient(
            context, http, client_id, client_secret, key=context.connection_key
        )
        self._cached_tokens: dict[str | None, _CachedToken] = {}
        # Threads of this process wait for the lock; other processes are waited for by polling.
        self._fetch_lock = threading.Lock()

    def get_token(self, sub: str | None, *, until: float) -> str:
        """A cached or new token that is valid for at least another minute.

        `sub` is a Greenhouse user id (None: the credential's service user), `until` an epoch
        second. Raises BadCredential, ActingUserRefused (no token for `sub`), NoScopesGranted,
        AtsUnavailable, RateLimited or UnreadableResponse.
        """
        cached = self._cached_tokens.get(sub, _CachedToken())
        if self._is_usable(cached):
            return cached.token
        if not self._fetch_lock.acquire(timeout=max(0.0, until - self._context.now())):
            raise AtsUnavailable
        try:
            fresh = self._wait_for_token(sub, until) or self._fetch_token(sub, until)
        finally:
            self._fetch_lock.release()
        self._cached_tokens[sub] = fresh
        return fresh.token

    def _is_usable(self, cached: _CachedToken) -> bool:
        return bool(cached.token) and cached.expires_at - EXPIRY_MARGIN > self._context.now()

    def discard_token(self, sub: str | None, token: str) -> None:
        """Drop a token that Greenhouse rejected, unless it has been renewed in the meantime."""

        def drop_if_same(raw: bytes | None) -> tuple[bytes | None, None]:
            return (None if _decode_cached_token(raw).token == token else raw), None

        self._cached_tokens.pop(sub, None)
        self._context.token_cache.update(
            self._build_key(sub), drop_if_same, ttl=DEFAULT_TOKEN_LIFETIME
        )

    def get_claims(self, token: str, *, until: float) -> TokenClaims:
        return self._oauth_client.get_claims(token, until=until)

    def _wait_for_token(self, sub: str | None, until: float) -> _CachedToken | None:
        """The token once another process has fetched it; None if this process holds the lease."""
        while True:
            try:
                return self._load_or_claim(sub)
            except _FetchInProgress as lease:
                # A slow response may take longer than anybody should wait for.
                wait_for_lease(self._context, min(until, lease.since + _MAX_LEASE_WAIT))

    def _load_or_claim(self, sub: str | None) -> _CachedToken | None:
        now = self._context.now()

        def claim_if_missing(raw: bytes | None) -> tuple[bytes | None, _CachedToken | None]:
            stored = _decode_cached_token(raw)
            if self._is_usable(stored) or now < stored.fetching_until <= now + _FETCH_LEASE:
                return raw, stored
            return msgspec.msgpack.encode(_CachedToken(fetching_until=now + _FETCH_LEASE)), None

        cached = self._context.token_cache.update(
            self._build_key(sub), claim_if_missing, ttl=_FETCH_LEASE
        )
        if cached is not None and not cached.token:
            raise _FetchInProgress(since=cached.fetching_until - _FETCH_LEASE)
        return cached

    def _fetch_token(self, sub: str | None, until: float) -> _CachedToken:
        try:
            token, lifetime = self._request_token(sub, until)
        except BaseException:
            self._store_token(sub, None, 1.0)
            raise
        cached = _CachedToken(token=token, expires_at=self._context.now() + lifetime)
        self._store_token(sub, msgspec.msgpack.encode(cached), lifetime)
        return cached

    def _request_token(self, sub: str | None, until: float) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"sub": sub} if sub else {})
        response = self._oauth_client.post_form(
            "/token", form, until=until, map_error=_make_error_mapper(sub)
        )
        body = decode_token_response(response)
        return body.access_token, body.get_lifetime(self._context.now())

    def _store_token(self, sub: str | None, raw: bytes | None, ttl: float) -> None:
        self._context.token_cache.update(self._build_key(sub), lambda _: (raw, None), ttl=ttl)

    def _build_key(self, sub: str | None) -> str:
        return f"{self._prefix}:{sub or 'service'}"


def wait_for_lease(context: ClientContext, until: float) -> None:
    """Wait a moment for the process that fetches a token. Raises AtsUnavailable."""
    if context.now() + POLL_INTERVAL > until or not context.may_wait(POLL_INTERVAL):
        raise AtsUnavailable(
            SLOW_SENTENCE, retry_at=context.to_datetime(context.now() + LEASE_RETRY_SECONDS)
        )
    context.wait(POLL_INTERVAL)


def _make_error_mapper(sub: str | None) -> ErrorMapper:
    def map_error(response: HttpResponse, error_body: ErrorBody, evidence: Evidence) -> AtsError:
        if _NO_SCOPES_TEXT in error_body.message:
            return NoScopesGranted(evidence=evidence)
        if sub and "invalid_client" not in error_body.message:
            return ActingUserRefused(
                "Greenhouse gives no access for this Greenhouse user, who may be deactivated or "
                "deleted.",
                evidence=evidence,
            )
        return BadCredential(
            "Greenhouse doesn't accept this client ID and secret.", evidence=evidence
        )

    return map_error


def _decode_cached_token(raw: bytes | None) -> _CachedToken:
    if raw is None:
        return _CachedToken()
    try:
        return msgspec.msgpack.decode(raw, type=_CachedToken)
    except msgspec.MsgspecError:
        return _CachedToken()
