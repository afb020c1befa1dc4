"""Exchange a consent's refresh token for new tokens."""

# Documented (partner guide): access tokens last an hour, refresh tokens a day and are replaced at
# each use. Observed: `invalid_grant` for used tokens.

from __future__ import annotations

from hashlib import sha256

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    BadCredential,
    Evidence,
    OutcomeUnknown,
    RateLimited,
)
from integrations.ats.oauth_tokens import TokenPair, TokenStore
from integrations.greenhouse.oauth.client import OAuthClient, TokenResponse, decode_token_response
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.http.client import HttpClient, HttpResponse

# In seconds
REFRESH_TOKEN_LIFETIME = 24 * 3600.0  # documented; not in the response
RESPONSE_TIMEOUT = 10.0
REFRESH_LEASE = 90.0  # must exceed _RESPONSE_TIMEOUT
CONSENT_ENDED = (
    "The authorization in Greenhouse has ended: it was revoked there or not renewed in time."
)
UNKNOWN_APP = (
    "Greenhouse doesn't recognize this portal's application. Whoever runs the portal needs to "
    "check its partner settings."
)


class _RefreshTokenRejected(BadCredential):
    pass


def create_oauth_client(
    context: ClientContext, http: HttpClient, client_id: str, client_secret: str
) -> OAuthClient:
    # All connections share one rate limit, because they share the application.
    digest = sha256(client_id.encode()).hexdigest()[:16]
    return OAuthClient(context, http, client_id, client_secret, key=f"partner:{digest}")


def refresh_token_pair(
    context: ClientContext, oauth_client: OAuthClient, token_store: TokenStore, pair: TokenPair
) -> TokenPair:
    """Use the refresh token and save the result. The caller must hold the refresh lease."""
    form = {"grant_type": "refresh_token", "refresh_token": pair.refresh_token}
    until = context.now() + RESPONSE_TIMEOUT
    try:
        response = oauth_client.post_form(
            "/token", form, until=until, map_error=map_refresh_error, consumes_token=True
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
    new = build_token_pair(
        decode_token_response(response), context.now(), pair.generation + 1, previous=pair
    )
    token_store.save_refreshed(new)
    return new


def build_token_pair(
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


def map_refresh_error(
    response: HttpResponse, error_body: ErrorBody, evidence: Evidence
) -> AtsError:
    # Only `invalid_grant` is about the refresh token; other errors must not end the consent.
    if "invalid_grant" in error_body.message:
        return _RefreshTokenRejected(CONSENT_ENDED, evidence=evidence)
    if response.status == 401 or "client" in error_body.message:
        return BadCredential(UNKNOWN_APP, evidence=evidence)
    message = "Greenhouse did not renew the consent and does not say why."
    return BadCredential(message, evidence=evidence)
