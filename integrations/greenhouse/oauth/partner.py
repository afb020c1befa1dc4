"""Harvest v3 with the authorization code grant: the connection's consent and personal consents."""

# Documented (partner guide): codes last a minute, access tokens an hour, refresh tokens a day and
# are replaced at each use, Basic client authentication. Documented (help pages): a consent
# belongs to a service account (Site Admins only) or to the person, in whose name everything then
# happens. Observed: `invalid_grant` for used tokens. Inferred: PKCE (not in the guide; RFC 6749
# has servers ignore unknown parameters), `sub` in the token as the person's id, and `/revoke`
# (RFC 7009).

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import urlencode

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    AtsUnavailable,
    BadCredential,
    Evidence,
    OutcomeUnknown,
    RateLimited,
)
from integrations.ats.oauth import (
    SERVICE_ACCOUNT_USER_ID,
    AuthorizationCodeRejected,
    OAuthApp,
    OAuthGrant,
    TokenPair,
    TokenStore,
)
from integrations.greenhouse.client.harvest_v3 import HarvestV3, TokenSource
from integrations.greenhouse.oauth.client import (
    OAuthClient,
    TokenClaims,
    TokenResponse,
    decode_token_response,
)
from integrations.greenhouse.oauth.client_credentials import POLL_INTERVAL
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.http.client import HttpClient, HttpResponse

# In seconds
REFRESH_TOKEN_LIFETIME = 24 * 3600.0  # documented; not in the response
_RESPONSE_TIMEOUT = 10.0
_REFRESH_LEASE = 90.0  # must exceed _RESPONSE_TIMEOUT
_EXPIRY_MARGIN = 150.0  # refresh early enough to retry after a lost response and an expired lease

CONSENT_ENDED = (
    "The consent in Greenhouse has ended: it was taken back there, or not renewed in time."
)
UNKNOWN_APP = (
    "Greenhouse does not know this portal's own application. Whoever runs the portal must look at "
    "the partner settings."
)
NO_PERSONAL_CONSENT = "You have not agreed in Greenhouse that this portal acts in your name."
PERSONAL_CONSENT_ENDED = "Your own consent in Greenhouse has ended. Please give it again."


class _RefreshTokenRejected(BadCredential):
    pass


def _create_oauth_client(
    context: ClientContext, http: HttpClient, client_id: str, client_secret: str
) -> OAuthClient:
    # All connections share one rate limit, because they share the application.
    digest = sha256(client_id.encode()).hexdigest()[:16]
    return OAuthClient(context, http, client_id, client_secret, key=f"partner:{digest}")


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
            if token_store.acquire_refresh_lease(
                pair.generation, now=now, until=now + _REFRESH_LEASE
            ):
                return self._refresh_pair(token_store, pair)
            if self._is_usable(pair):
                return pair
            if self._context.now() + POLL_INTERVAL > until:
                raise AtsUnavailable
            self._context.sleep(POLL_INTERVAL)

    def _refresh_pair(self, token_store: TokenStore, pair: TokenPair) -> TokenPair:
        try:
            return refresh_token_pair(self._context, self._oauth_client, token_store, pair)
        except (AtsUnavailable, RateLimited):
            if self._is_usable(pair):
                return pair
            raise


def refresh_token_pair(
    context: ClientContext, oauth_client: OAuthClient, token_store: TokenStore, pair: TokenPair
) -> TokenPair:
    """Use the refresh token and save the result. The caller must hold the refresh lease."""
    form = {"grant_type": "refresh_token", "refresh_token": pair.refresh_token}
    until = context.now() + _RESPONSE_TIMEOUT
    try:
        response = oauth_client.post_form(
            "/token", form, until=until, map_error=_map_refresh_error, consumes_token=True
        )
    except _RefreshTokenRejected as error:
        token_store.end_consent(pair.generation, CONSENT_ENDED)
        raise BadCredential(CONSENT_ENDED, evidence=error.evidence) from error
    except OutcomeUnknown as error:
        # The lease is left to expire; then the refresh token is tried once more.
        raise AtsUnavailable(evidence=error.evidence) from error
    except BadCredential:
        if pair.refresh_expires_at < context.now():
            token_store.end_consent(pair.generation, CONSENT_ENDED)
        token_store.release_refresh_lease(pair.generation)
        raise
    except (AtsUnavailable, RateLimited):
        token_store.release_refresh_lease(pair.generation)
        raise
    new = _build_token_pair(
        decode_token_response(response), context.now(), pair.generation + 1, previous=pair
    )
    token_store.save_refreshed(new)
    return new


def _build_token_pair(
    body: TokenResponse, now: float, generation: int, previous: TokenPair | None = None
) -> TokenPair:
    # RFC 6749: without a new refresh token in the response the previous one stays valid.
    previous_token = previous.refresh_token if previous else ""
    return TokenPair(
        generation=generation,
        access_token=body.access_token,
        access_expires_at=now + body.get_lifetime(now),
        refresh_token=body.refresh_token or previous_token,
        refresh_expires_at=now + REFRESH_TOKEN_LIFETIME,
    )


def _map_refresh_error(
    response: HttpResponse, error_body: ErrorBody, evidence: Evidence
) -> AtsError:
    # Only `invalid_grant` is about the refresh token; other errors must not end the consent.
    if "invalid_grant" in error_body.message:
        return _RefreshTokenRejected(CONSENT_ENDED, evidence=evidence)
    if response.status == 401 or "client" in error_body.message:
        return BadCredential(UNKNOWN_APP, evidence=evidence)
    message = "Greenhouse did not renew the consent and does not say why."
    return BadCredential(message, evidence=evidence)


def _map_code_error(response: HttpResponse, error_body: ErrorBody, evidence: Evidence) -> AtsError:
    if response.status == 401 or "client" in error_body.message:
        return BadCredential(UNKNOWN_APP, evidence=evidence)
    return AuthorizationCodeRejected(
        "Greenhouse does not accept the code of this consent.", evidence=evidence
    )


class HarvestPartner(HarvestV3):
    """Provider for Harvest v3 with OAuth consents.

    `secrets`: the application's `client_id` and `client_secret`. Reads use the
    connection's consent. Writes use the acting person's; SERVICE_ACCOUNT_USER_ID is the connection.
    """

    kind = "harvest_partner"

    def _create_token_source(self, client_id: str, client_secret: str) -> TokenSource:
        oauth_client = _create_oauth_client(
            self._context, self._http_client, client_id, client_secret
        )
        return ConsentTokens(self._context, oauth_client)

    def _get_subject(self, request: HarvestRequest) -> str | None:
        return (
            None
            if request.acting_user_id == SERVICE_ACCOUNT_USER_ID
            else super()._get_subject(request)
        )


class _GreenhouseOAuthFlow:
    """Implements `OAuthFlow` for Greenhouse."""

    def build_authorization_url(
        self, partner: OAuthApp, auth_url: str, *, scopes: Iterable[str], state: str, verifier: str
    ) -> str:
        params = {
            "response_type": "code",
            "client_id": partner.client_id,
            "redirect_uri": partner.redirect_uri,
            "scope": " ".join(sorted(scopes)),
            "state": state,
        }
        if partner.pkce:
            digest = base64.urlsafe_b64encode(sha256(verifier.encode()).digest())
            challenge = digest.decode().rstrip("=")
            params |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return f"{auth_url.rstrip('/')}/authorize?{urlencode(params)}"

    def exchange_code(
        self, context: ClientContext, partner: OAuthApp, *, code: str, verifier: str
    ) -> OAuthGrant:
        # The code is sent only once: using it again would revoke the tokens issued for it.
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": partner.redirect_uri,
        } | ({"code_verifier": verifier} if partner.pkce else {})
        until = context.now() + _RESPONSE_TIMEOUT
        oauth_client = _create_oauth_client(
            context, HttpClient(), partner.client_id, partner.client_secret
        )
        try:
            response = oauth_client.post_form(
                "/token", form, until=until, map_error=_map_code_error, consumes_token=True
            )
        except OutcomeUnknown as error:
            raise AtsUnavailable(evidence=error.evidence) from error
        body = decode_token_response(response)
        claims = oauth_client.get_claims(body.access_token, until=until)
        return OAuthGrant(
            pair=_build_token_pair(body, context.now(), 1),
            subject=claims.subject,
            scopes=_parse_scopes(body) or claims.scopes,
        )

    def refresh_tokens(
        self, context: ClientContext, partner: OAuthApp, token_store: TokenStore, *, number: int
    ) -> TokenPair:
        pair = token_store.load_tokens()
        now = context.now()
        if pair.generation != number or not token_store.acquire_refresh_lease(
            pair.generation, now=now, until=now + _REFRESH_LEASE
        ):
            return token_store.load_tokens()
        oauth_client = _create_oauth_client(
            context, HttpClient(), partner.client_id, partner.client_secret
        )
        return refresh_token_pair(context, oauth_client, token_store, pair)

    def revoke_tokens(self, context: ClientContext, partner: OAuthApp, pair: TokenPair) -> bool:
        form = {"token": pair.refresh_token, "token_type_hint": "refresh_token"}
        oauth_client = _create_oauth_client(
            context, HttpClient(), partner.client_id, partner.client_secret
        )
        until = context.now() + _RESPONSE_TIMEOUT
        try:
            # consumes_token: an empty 2xx body counts as success.
            oauth_client.post_form(
                "/revoke",
                form,
                until=until,
                map_error=_map_refresh_error,
                single_attempt=True,
                consumes_token=True,
            )
        except AtsError:
            return False
        return True


def _parse_scopes(body: TokenResponse) -> frozenset[str] | None:
    scopes = body.scope.split() if isinstance(body.scope, str) else body.scope
    return frozenset(scopes) if scopes else None


OAUTH_FLOW = _GreenhouseOAuthFlow()
