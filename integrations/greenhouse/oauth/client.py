"""Client for Greenhouse's OAuth server: token requests, claims and introspection."""

# Documented: form posts, Basic client authentication, a token lifetime of about an hour. Inferred
# and parsed defensively: token claims and the introspection fields.

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlencode

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import AtsError, BadCredential, Evidence, UnreadableResponse
from integrations.greenhouse.payloads.decoding import parse_timestamp
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.greenhouse.transport.sender import ErrorMapper, OutgoingRequest, RequestSender
from integrations.http.client import HttpClient, HttpResponse

_RATE_WINDOW = 60.0  # seconds; documented: token requests have their own rate limit
MAX_TOKEN_LIFETIME = 24 * 3600.0
_TOKEN_PATTERN = re.compile(r"[!-~]{1,16384}")  # as a header can carry it
DEFAULT_TOKEN_LIFETIME = 900.0  # seconds, if the response does not say; about an hour documented


def build_basic_auth(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TokenClaims(msgspec.Struct, frozen=True):
    """The claims of an access token; None where the token does not say."""

    scopes: frozenset[str] | None = None
    site_admin: bool | None = None
    subject: int | None = None  # Greenhouse user id the token acts as


class OAuthClient:
    """Requests to the OAuth server by one client. Clients with the same `key` share a limit."""

    def __init__(
        self,
        context: ClientContext,
        http: HttpClient,
        client_id: str,
        client_secret: str,
        *,
        key: str,
    ) -> None:
        self._context = context
        self._authorization = build_basic_auth(client_id, client_secret)
        self._sender = RequestSender(
            context,
            http,
            key=f"{key}:token-budget",
            window=_RATE_WINDOW,
            secrets=(client_id, client_secret, self._authorization),
        )
        self._claims_cache: dict[str, TokenClaims] = {}

    def post_form(
        self,
        path: str,
        form: dict[str, str],
        *,
        until: float,
        map_error: ErrorMapper,
        single_attempt: bool = False,
        consumes_token: bool = False,
    ) -> HttpResponse:
        """Post a form; if it `consumes_token`, a lost response raises OutcomeUnknown."""
        request = OutgoingRequest(
            method="POST",
            url=self._context.auth_url.rstrip("/") + path,
            template=path,
            headers={
                "Authorization": self._authorization,
                "Content-Type": "application/x-www-form-urlencoded",
            },
            content=urlencode(form).encode(),
            is_write=consumes_token,
        )

        def send(retries: int) -> HttpResponse:
            return self._sender.send_once(
                request, until=until, retries=retries, map_error=map_error
            )

        return send(0) if single_attempt else self._sender.retry_request(send, until=until)

    def get_claims(self, token: str, *, until: float) -> TokenClaims:
        """The token's own claims or, if they list no scopes, those from introspection (cached)."""
        own_claims = decode_jwt_claims(token)
        if own_claims.scopes is not None:
            return own_claims
        if token not in self._claims_cache:
            self._claims_cache = {token: self._introspect_token(token, until)}
        introspected = self._claims_cache[token]
        return msgspec.structs.replace(
            introspected, subject=introspected.subject or own_claims.subject
        )

    def _introspect_token(self, token: str, until: float) -> TokenClaims:
        try:
            form = {"token": token}
            response = self.post_form(
                "/introspect",
                form,
                until=until,
                map_error=_map_introspection_error,
                single_attempt=True,
            )
            body = msgspec.json.decode(response.body)
        except (AtsError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return TokenClaims()
        is_active = isinstance(body, dict) and body.get("active") is not False
        return _build_claims(body) if is_active else TokenClaims()


def _map_introspection_error(
    response: HttpResponse, error_body: ErrorBody, evidence: Evidence
) -> AtsError:
    return BadCredential(evidence=evidence)


def decode_token_response(response: HttpResponse) -> TokenResponse:
    """Decode the token endpoint's response. Raises UnreadableResponse."""
    try:
        body = msgspec.json.decode(response.body, type=TokenResponse)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableResponse("Couldn't read Greenhouse's token.") from error
    if not _TOKEN_PATTERN.fullmatch(body.access_token):
        raise UnreadableResponse("Couldn't read Greenhouse's token.")
    return body


class TokenResponse(msgspec.Struct):
    # All three names for the expiry have been observed.

    access_token: str
    refresh_token: str = ""
    scope: str | list[str] | None = None
    expires_at: str | int | float | None = None
    expires_in: str | int | float | None = None
    expires: str | int | float | None = None

    def __repr__(self) -> str:
        return "<TokenResponse>"

    def get_lifetime(self, now: float) -> float:
        """The token's lifetime in seconds, counted from `now`."""
        for value in (self.expires_at, self.expires_in, self.expires):
            seconds = _parse_lifetime(value, now)
            if seconds is not None and seconds > 0:
                return min(seconds, MAX_TOKEN_LIFETIME)
        return DEFAULT_TOKEN_LIFETIME


def decode_jwt_claims(token: str) -> TokenClaims:
    """Claims of a JWT. Its signature is not verified: use them only to explain errors."""
    try:
        payload = token.split(".")[1]
        body = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        return TokenClaims()
    return _build_claims(body) if isinstance(body, dict) else TokenClaims()


def _build_claims(body: dict[str, object]) -> TokenClaims:
    site_admin = body.get("site_admin")
    raw_scopes = next((body[name] for name in ("scope", "scopes", "scp") if body.get(name)), None)
    if isinstance(raw_scopes, str):
        raw_scopes = raw_scopes.replace(",", " ").split()
    scopes = frozenset(str(scope) for scope in raw_scopes) if isinstance(raw_scopes, list) else None
    subject = str(body.get("sub", ""))
    return TokenClaims(
        scopes,
        site_admin if isinstance(site_admin, bool) else None,
        int(subject) if subject.isdecimal() and len(subject) < 19 else None,
    )


def _parse_lifetime(value: str | int | float | None, now: float) -> float | None:
    if isinstance(value, str):
        expires_at = parse_timestamp(value)
        if expires_at is not None:
            return expires_at.timestamp() - now
        try:
            value = float(value)
        except ValueError:
            return None
    if value is None:
        return None
    is_epoch = value > 10_000_000
    return value - now if is_epoch else float(value)
