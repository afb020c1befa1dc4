"""The authorization code grant: consent page, code exchange, renewal and revocation."""

# Documented (partner guide): codes last a minute, Basic client authentication. Documented (help
# pages): a consent belongs to a service account (Site Admins only) or to the person, in whose name
# everything then happens. Inferred: PKCE (not in the guide; RFC 6749 has servers ignore unknown
# parameters), `sub` in the token as the person's id, and `/revoke` (RFC 7009).

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import urlencode

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    AtsError,
    AtsUnavailable,
    BadCredential,
    Evidence,
    OutcomeUnknown,
    RateLimited,
)
from integrations.ats.oauth import AuthorizationCodeRejected, OAuthApp, OAuthGrant
from integrations.ats.oauth_tokens import TokenPair, TokenStore
from integrations.greenhouse.oauth.client import TokenResponse, decode_token_response
from integrations.greenhouse.oauth.token_refresh import (
    REFRESH_LEASE,
    RESPONSE_TIMEOUT,
    UNKNOWN_APP,
    build_token_pair,
    create_oauth_client,
    map_refresh_error,
    refresh_token_pair,
)
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.http.client import HttpClient, HttpResponse


def _map_code_error(response: HttpResponse, error_body: ErrorBody, evidence: Evidence) -> AtsError:
    if response.status == 401 or "client" in error_body.message:
        return BadCredential(UNKNOWN_APP, evidence=evidence)
    return AuthorizationCodeRejected(
        "Greenhouse doesn't accept the code of this authorization.", evidence=evidence
    )


class GreenhouseOAuthFlow:
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
        """Raises AuthorizationCodeRejected, AtsUnavailable, RateLimited, UnreadableResponse or, if
        the application itself is rejected, BadCredential.
        """
        # The code is sent only once: using it again would revoke the tokens issued for it.
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": partner.redirect_uri,
        } | ({"code_verifier": verifier} if partner.pkce else {})
        until = context.now() + RESPONSE_TIMEOUT
        oauth_client = create_oauth_client(
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
            pair=build_token_pair(body, context.now(), 1),
            subject=claims.subject,
            scopes=_parse_scopes(body) or claims.scopes,
        )

    def refresh_tokens(
        self, context: ClientContext, partner: OAuthApp, token_store: TokenStore, *, number: int
    ) -> TokenPair:
        """Use refresh token `number`, or return what another process got. Raises BadCredential
        (consent ended), AtsUnavailable, RateLimited or UnreadableResponse.
        """
        pair = token_store.load_tokens()
        now = context.now()
        if pair.generation != number or not token_store.acquire_refresh_lease(
            pair.generation, now=now, until=now + REFRESH_LEASE
        ):
            return token_store.load_tokens()
        oauth_client = create_oauth_client(
            context, HttpClient(), partner.client_id, partner.client_secret
        )
        return refresh_token_pair(context, oauth_client, token_store, pair)

    def revoke_token(self, context: ClientContext, partner: OAuthApp, refresh_token: str) -> bool:
        """End a consent; False if it is refused. Raises AtsUnavailable or RateLimited."""
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        oauth_client = create_oauth_client(
            context, HttpClient(), partner.client_id, partner.client_secret
        )
        until = context.now() + RESPONSE_TIMEOUT
        try:
            # consumes_token: an empty 2xx body counts as success.
            oauth_client.post_form(
                "/revoke",
                form,
                until=until,
                map_error=map_refresh_error,
                single_attempt=True,
                consumes_token=True,
            )
        except (AtsUnavailable, RateLimited):
            raise
        except OutcomeUnknown as error:  # revoking twice does no harm
            raise AtsUnavailable(evidence=error.evidence) from error
        except AtsError:
            return False
        return True


def _parse_scopes(body: TokenResponse) -> frozenset[str] | None:
    scopes = body.scope.split() if isinstance(body.scope, str) else body.scope
    return frozenset(scopes) if scopes else None


OAUTH_FLOW = GreenhouseOAuthFlow()
