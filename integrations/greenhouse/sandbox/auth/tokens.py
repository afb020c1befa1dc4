"""OAuth: access tokens, introspection and revocation.

Errors of the token endpoint are as measured. How introspection looks is not public, so RFC 7662
is assumed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from integrations.greenhouse.sandbox.auth.consents import Consent, ConsentStore, InvalidGrant
from integrations.greenhouse.sandbox.auth.credentials import (
    CLIENT_ID_SUFFIX,
    Credentials,
    OAuthClient,
)
from integrations.greenhouse.sandbox.auth.partners import Partner
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    encode_json,
    json_response,
)
from integrations.greenhouse.sandbox.settings import Settings

GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)


@dataclass(frozen=True)
class AccessToken:
    client: OAuthClient | Consent
    user_id: int


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parse_basic_auth(request: Request) -> tuple[str, str] | None:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, password


class TokenIssuer:
    """Issues and verifies tokens; a setting decides whether a new one ends the one before."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        credentials: Credentials,
        consents: ConsentStore,
        secret: bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._credentials = credentials
        self._consents = consents
        self._secret = secret
        self.serial = 0
        self.expired_up_to = 0
        self._newest_serials: dict[str, int] = {}

    def expire_all(self) -> None:
        self.expired_up_to = self.serial

    def issue_token(self, client: OAuthClient | Consent, user_id: int) -> tuple[str, int]:
        """Return a new token and its expiry as a Unix time in seconds."""
        self.serial += 1
        self._newest_serials[client.client_id] = self.serial
        now = int(self._clock().timestamp())
        expires_at = now + self._settings.token_lifetime
        claims: dict[str, Any] = {
            "iss": "greenhouse-sandbox",
            "sub": str(user_id),
            "iat": now,
            "exp": expires_at,
            "jti": str(self.serial),
            "client_id": client.client_id,
        }
        if isinstance(client, Consent):
            claims |= {"client_id": client.partner.client_id, "consent": client.id}
        if self._settings.scope_claim:
            claims["scope"] = " ".join(sorted(client.scopes))
        signing_input = (
            _encode_base64(encode_json({"alg": "HS256", "typ": "JWT"}))
            + "."
            + _encode_base64(encode_json(claims))
        )
        return f"{signing_input}.{self._compute_signature(signing_input)}", expires_at

    def read(self, text: str) -> AccessToken | None:
        """Verify a token; None if it is malformed, foreign, expired or its consent ended."""
        claims = self.decode_claims(text)
        if claims is None or claims["exp"] <= self._clock().timestamp():
            return None
        if int(claims["jti"]) <= self.expired_up_to:
            return None
        client = self._find_token_client(claims)
        if client is None or self._is_replaced(client, int(claims["jti"])):
            return None
        return AccessToken(client, int(claims["sub"]))

    def _is_replaced(self, client: OAuthClient | Consent, serial: int) -> bool:
        newest = self._newest_serials.get(client.client_id)
        return self._settings.single_active_token and newest != serial

    def _find_token_client(self, claims: dict[str, Any]) -> OAuthClient | Consent | None:
        if "consent" not in claims:
            return self._credentials.clients.get(claims["client_id"])
        consent = self._consents.rows.get(claims["consent"])
        return consent if consent and not consent.ended_reason else None

    def decode_claims(self, text: str) -> dict[str, Any] | None:
        """Return the claims of a token with a valid signature, expired or not."""
        signing_input, _, signature = text.rpartition(".")
        if not signing_input or not hmac.compare_digest(
            signature.encode(), self._compute_signature(signing_input).encode()
        ):
            return None
        try:
            claims: dict[str, Any] = msgspec.json.decode(
                _decode_base64(signing_input.partition(".")[2])
            )
        except (ValueError, msgspec.DecodeError):
            return None
        return claims

    def _compute_signature(self, signing_input: str) -> str:
        return _encode_base64(
            hmac.new(self._secret, signing_input.encode(), hashlib.sha256).digest()
        )

    def authenticate_client(self, request: Request) -> OAuthClient | Partner:
        error_id = f"err-{request.request_id[:12]}"
        basic_auth = parse_basic_auth(request)
        if basic_auth is None:
            raise HttpError(401, {"message": "Unauthorized", "errorId": error_id})
        name, password = basic_auth
        request.credential = f"token:{name[:8]}…"
        if not name.endswith(CLIENT_ID_SUFFIX):
            message = f"client_id={name} does not contain a valid client ID suffix"
            raise HttpError(400, {"message": message, "errorId": error_id})
        client = self._credentials.clients.get(name) or self._consents.partners.get(name)
        if client is None or not hmac.compare_digest(
            client.client_secret.encode(), password.encode()
        ):
            raise HttpError(401, {"error": "invalid_client"})
        return client

    def answer_token_request(
        self, request: Request, has_user: Callable[[str, int], bool]
    ) -> Response:
        """Answer ``POST /token``; ``has_user`` says whether an account has a user ID.

        ``grant_type`` and ``sub`` may come as form, JSON or query (all observed).
        """
        values = {**request.query, **_parse_params(request)}
        basic_auth = parse_basic_auth(request)
        if basic_auth is not None and basic_auth[0].endswith(CLIENT_ID_SUFFIX):
            _check_grant_type(values.get("grant_type"))
        client = self.authenticate_client(request)
        if isinstance(client, Partner):
            return self._answer_consent_grant(request, client, values)
        if values["grant_type"] != "client_credentials":
            raise HttpError(400, {"error": "unauthorized_client"})
        if not client.scopes:
            raise HttpError(400, {"message": "Client application is not requesting any scopes"})
        subject = values.get("sub")
        user_id = client.service_user_id
        if subject not in (None, ""):
            if not str(subject).isdecimal() or not has_user(client.account, int(str(subject))):
                # Status and message inferred.
                raise HttpError(400, {"message": "sub is not a user of this organization"})
            user_id = int(str(subject))
        request.acting_user = user_id
        text, expires_at = self.issue_token(client, user_id)
        body = {"access_token": text, "token_type": "Bearer"}
        return json_response(body | self._build_lifetime(expires_at))

    def _answer_consent_grant(
        self, request: Request, partner: Partner, values: dict[str, Any]
    ) -> Response:
        grant_type = values["grant_type"]
        try:
            if grant_type == "authorization_code":
                consent = self._consents.redeem_code(
                    partner,
                    str(values.get("code", "")),
                    values.get("redirect_uri"),
                    str(values.get("code_verifier", "")),
                )
            elif grant_type == "refresh_token":
                consent = self._consents.use_refresh_token(
                    partner, str(values.get("refresh_token", ""))
                )
            else:
                raise HttpError(400, {"error": "unauthorized_client"})
        except InvalidGrant:
            raise HttpError(400, {"error": "invalid_grant"}) from None
        request.acting_user = consent.user_id
        text, expires_at = self.issue_token(consent, consent.user_id)
        refresh_token = self._consents.issue_refresh_token(consent)
        body = {"access_token": text, "token_type": "Bearer", "refresh_token": refresh_token}
        return json_response(body | self._build_lifetime(expires_at))

    def answer_revocation(self, request: Request) -> Response:
        """Answer ``POST /revoke`` (RFC 7009). That Greenhouse has it is assumed."""
        client = self.authenticate_client(request)
        if isinstance(client, Partner):
            self._consents.revoke_token(client, str(_parse_params(request).get("token", "")))
        return Response(200)

    def _build_lifetime(self, expires_at: int) -> dict[str, Any]:
        name = self._settings.token_field
        if name == "expires_in":
            return {name: self._settings.token_lifetime}
        moment = self._clock() + timedelta(seconds=expires_at - int(self._clock().timestamp()))
        return {name: format_timestamp(moment)}

    def answer_introspection(self, request: Request) -> Response:
        client = self.authenticate_client(request)
        token = self.read(str(_parse_params(request).get("token", "")))
        if token is None or client not in (token.client, getattr(token.client, "partner", None)):
            return json_response({"active": False})
        scope = " ".join(sorted(token.client.scopes))
        return json_response({"active": True, "scope": scope, "sub": str(token.user_id)})


def _parse_params(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("content-type", ""):
        return request.parse_json()
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _check_grant_type(grant_type: Any) -> None:
    if not grant_type:
        raise HttpError(400, {"message": "Must include `grant_type` parameter in /token request"})
    if grant_type not in GRANT_TYPES:
        message = f"grant_type={grant_type} is invalid, please use one of: {', '.join(GRANT_TYPES)}"
        raise HttpError(400, {"message": message})
