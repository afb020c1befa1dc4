"""A sign-in service (OpenID Connect) for trying single sign-on; not a part of Greenhouse.

People are those of the accounts. Any client ID is taken with the one secret.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, urlencode

from integrations.greenhouse.sandbox.auth.page_layout import render_page
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import User
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    encode_json,
)

PATH = "/identity-provider"
CLIENT_ID, CLIENT_SECRET = "inbound-talent", "sandbox-sign-in-secret"
_MAX_LISTED_USERS = 60  # per account


@dataclass(frozen=True)
class _SignIn:
    claims: dict[str, object]
    redirect_uri: str
    code_challenge: str


class IdentityProvider:
    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self._datasets = datasets
        self._codes: dict[str, _SignIn] = {}
        self._tokens: dict[str, dict[str, object]] = {}

    def answer_request(self, request: Request) -> Response:
        path = request.path.removeprefix(PATH)
        if (request.method, path) == ("GET", "/.well-known/openid-configuration"):
            return _render_json(_describe_service(request.base_url + PATH))
        if (request.method, path) == ("GET", "/keys"):
            return _render_json({"keys": []})
        if (request.method, path) == ("GET", "/authorize"):
            return self._authorize(request.query)
        if (request.method, path) == ("POST", "/token"):
            return self._issue_token(request)
        if (request.method, path) == ("GET", "/user-info"):
            return self._describe_user(request)
        raise HttpError(404, {"message": "Not found"})

    def _authorize(self, query: Mapping[str, str]) -> Response:
        claims = self._find_claims(query.get("who", ""))
        if claims is None:
            return self._render_form(query)
        code = secrets.token_urlsafe(16)
        redirect_uri = query.get("redirect_uri", "")
        self._codes[code] = _SignIn(claims, redirect_uri, query.get("code_challenge", ""))
        answer = urlencode({"code": code, "state": query.get("state", "")})
        return Response(302, headers={"Location": f"{redirect_uri}?{answer}"})

    def _find_claims(self, who: str) -> dict[str, object] | None:
        account, _, user_id = who.partition(":")
        dataset = self._datasets.get(account)
        user = dataset.users.get(int(user_id)) if dataset and user_id.isdecimal() else None
        if dataset is None or user is None:
            return None
        address = _find_address(dataset, user)
        return {"sub": who, "email": address, "email_verified": True, "name": user.name}

    def _render_form(self, query: Mapping[str, str]) -> Response:
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in query.items()
        )
        people = "".join(
            f'<option value="{escape(account)}:{user.id}">{_label_user(dataset, user)}</option>'
            for account, dataset in self._datasets.items()
            for user in [u for u in dataset.users if not u.deactivated][:_MAX_LISTED_USERS]
        )
        body = (
            "<h1>Company sign-in</h1>"
            "<p>This is a sandbox. Choose who you are; no password is asked for.</p>"
            f'<form method="get" action="{PATH}/authorize">{hidden}'
            f'<label for="who">You are</label><select id="who" name="who">{people}</select>'
            '<p class="buttons"><button class="primary">Sign in</button></p></form>'
        )
        return render_page(200, body, title="Company sign-in")

    def _issue_token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        sign_in = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if form.get("client_secret") != CLIENT_SECRET:
            return _render_json({"error": "invalid_client"}, 401)
        if (
            sign_in is None
            or sign_in.redirect_uri != form.get("redirect_uri")
            or sign_in.code_challenge not in ("", challenge)
        ):
            return _render_json({"error": "invalid_grant"}, 400)
        token = secrets.token_urlsafe(16)
        self._tokens[token] = sign_in.claims
        return _render_json({"access_token": token, "token_type": "Bearer", "expires_in": 300})

    def _describe_user(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        claims = self._tokens.pop(token, None)
        if claims is None:
            return _render_json({"error": "invalid_token"}, 401)
        return _render_json(claims)


def _find_address(dataset: Dataset, user: User) -> str:
    addresses = sorted(dataset.list_user_emails(user.id), key=lambda row: not row.primary)
    return addresses[0].email if addresses else ""


def _label_user(dataset: Dataset, user: User) -> str:
    return escape(f"{user.name}, {_find_address(dataset, user)}")


def _describe_service(issuer: str) -> dict[str, object]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/user-info",
        "jwks_uri": f"{issuer}/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }


def _render_json(value: object, status: int = 200) -> Response:
    return Response(status, encode_json(value))
