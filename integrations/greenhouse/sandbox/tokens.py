"""The OAuth side: tokens by client credentials and by consent, and their introspection.

Errors of the token endpoint are those measured in public; what introspection asks and answers is
not public, so its form here is an assumption (RFC 7662).
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

from .clock import Clock, iso
from .credentials import CLIENT_SUFFIX, Client, Credentials
from .http import Answer, Request, Response, encode, ok
from .partners import Consent, Consents, NotGranted, Partner
from .settings import Settings

GRANTS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)


@dataclass(frozen=True)
class Token:
    """A token that was read and found good."""

    client: Client | Consent
    user_id: int


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def basic(request: Request) -> tuple[str, str] | None:
    """Give name and password of a Basic header, or None."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, password


class Tokens:
    """Makes and reads tokens. Several live at once; a new one revokes none (seen in the wild)."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        credentials: Credentials,
        consents: Consents,
        secret: bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._credentials = credentials
        self._consents = consents
        self._secret = secret
        self.serial = 0
        self.expired_up_to = 0

    def expire_all(self) -> None:
        """Let every token made so far be expired."""
        self.expired_up_to = self.serial

    def make(self, client: Client | Consent, user_id: int) -> tuple[str, int]:
        """Give a new token and the second at which it expires."""
        self.serial += 1
        now = int(self._clock().timestamp())
        until = now + self._settings.token_lifetime
        claims: dict[str, Any] = {
            "iss": "greenhouse-sandbox",
            "sub": str(user_id),
            "iat": now,
            "exp": until,
            "jti": str(self.serial),
            "client_id": client.client_id,
        }
        if isinstance(client, Consent):
            claims |= {"client_id": client.partner.client_id, "consent": client.number}
        if self._settings.scope_claim:
            claims["scope"] = " ".join(sorted(client.scopes))
        head = _b64(encode({"alg": "HS256", "typ": "JWT"})) + "." + _b64(encode(claims))
        return f"{head}.{self._sign(head)}", until

    def read(self, text: str) -> Token | None:
        """Give what a token says, or None when it is broken, foreign or expired."""
        claims = self.claims(text)
        if claims is None or claims["exp"] <= self._clock().timestamp():
            return None
        if int(claims["jti"]) <= self.expired_up_to:
            return None
        client = self._good_for(claims)
        return Token(client, int(claims["sub"])) if client else None

    def _good_for(self, claims: dict[str, Any]) -> Client | Consent | None:
        """Give what stands behind a token; a consent that has ended opens nothing any more."""
        if "consent" not in claims:
            return self._credentials.clients.get(claims["client_id"])
        consent = self._consents.rows.get(claims["consent"])
        return consent if consent and not consent.ended else None

    def claims(self, text: str) -> dict[str, Any] | None:
        """Give the claims of a token that was signed here."""
        head, _, sign = text.rpartition(".")
        if not head or not hmac.compare_digest(sign.encode(), self._sign(head).encode()):
            return None
        try:
            claims: dict[str, Any] = msgspec.json.decode(_unb64(head.partition(".")[2]))
        except (ValueError, msgspec.DecodeError):
            return None
        return claims

    def _sign(self, head: str) -> str:
        return _b64(hmac.new(self._secret, head.encode(), hashlib.sha256).digest())

    def client_of(self, request: Request) -> Client | Partner:
        """Give the client that a request's Basic header names, or end with the measured error."""
        error = f"err-{request.request_id[:12]}"
        pair = basic(request)
        if pair is None:
            raise Answer(401, {"message": "Unauthorized", "errorId": error})
        name, password = pair
        request.credential = f"token:{name[:8]}…"
        if not name.endswith(CLIENT_SUFFIX):
            message = f"client_id={name} does not contain a valid client ID suffix"
            raise Answer(400, {"message": message, "errorId": error})
        client = self._credentials.clients.get(name) or self._consents.partners.get(name)
        if client is None or not hmac.compare_digest(
            client.client_secret.encode(), password.encode()
        ):
            raise Answer(401, {"error": "invalid_client"})
        return client

    def answer(self, request: Request, users: Callable[[str, int], bool]) -> Response:
        """Answer ``POST /token``. ``users`` says whether an account has a user of this id.

        ``grant_type`` and ``sub`` may come as form, as JSON or in the query: all are seen.
        """
        values = {**request.query, **_values(request)}
        pair = basic(request)
        if pair is not None and pair[0].endswith(CLIENT_SUFFIX):
            _check_grant(values.get("grant_type"))
        client = self.client_of(request)
        if isinstance(client, Partner):
            return self._by_consent(request, client, values)
        if values["grant_type"] != "client_credentials":
            raise Answer(400, {"error": "unauthorized_client"})
        if not client.scopes:
            raise Answer(400, {"message": "Client application is not requesting any scopes"})
        subject = values.get("sub")
        user_id = client.service_user_id
        if subject not in (None, ""):
            if not str(subject).isdecimal() or not users(client.account, int(str(subject))):
                # Status and words inferred.
                raise Answer(400, {"message": "sub is not a user of this organization"})
            user_id = int(str(subject))
        request.acting_user = user_id
        text, until = self.make(client, user_id)
        body = {"access_token": text, "token_type": "Bearer"}
        return ok(body | self._life(until))

    def _by_consent(self, request: Request, partner: Partner, values: dict[str, Any]) -> Response:
        """A code or a refresh token for new tokens; client credentials are not for partners."""
        grant = values["grant_type"]
        try:
            if grant == "authorization_code":
                consent = self._consents.redeem(
                    partner,
                    str(values.get("code", "")),
                    values.get("redirect_uri"),
                    str(values.get("code_verifier", "")),
                )
            elif grant == "refresh_token":
                consent = self._consents.refresh(partner, str(values.get("refresh_token", "")))
            else:
                raise Answer(400, {"error": "unauthorized_client"})
        except NotGranted:
            raise Answer(400, {"error": "invalid_grant"}) from None
        request.acting_user = consent.user_id
        text, until = self.make(consent, consent.user_id)
        refresh = self._consents.next_refresh_token(consent)
        body = {"access_token": text, "token_type": "Bearer", "refresh_token": refresh}
        return ok(body | self._life(until))

    def revoke(self, request: Request) -> Response:
        """Answer ``POST /revoke`` (RFC 7009). That Greenhouse has such a thing is assumed."""
        client = self.client_of(request)
        if isinstance(client, Partner):
            self._consents.revoke(client, str(_values(request).get("token", "")))
        return Response(200)

    def _life(self, until: int) -> dict[str, Any]:
        name = self._settings.token_field
        if name == "expires_in":
            return {name: self._settings.token_lifetime}
        moment = self._clock() + timedelta(seconds=until - int(self._clock().timestamp()))
        return {name: iso(moment)}

    def introspect(self, request: Request) -> Response:
        """Answer ``POST /introspect``: ``active``, and what an active token is good for."""
        client = self.client_of(request)
        token = self.read(str(_values(request).get("token", "")))
        if token is None or client not in (token.client, getattr(token.client, "partner", None)):
            return ok({"active": False})
        scope = " ".join(sorted(token.client.scopes))
        return ok({"active": True, "scope": scope, "sub": str(token.user_id)})


def _values(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("content-type", ""):
        return request.json()
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def _check_grant(grant: Any) -> None:
    if not grant:
        raise Answer(400, {"message": "Must include `grant_type` parameter in /token request"})
    if grant not in GRANTS:
        message = f"grant_type={grant} is invalid, please use one of: {', '.join(GRANTS)}"
        raise Answer(400, {"message": message})
