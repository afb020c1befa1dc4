from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from integrations.greenhouse.sandbox import ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET
from tests.integrations.greenhouse.sandbox.api_client import ApiClient

CLIENT = (ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET)


def _claims(token: str) -> dict[str, Any]:
    text = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims


def test_token_has_subject_and_lifetime(api: ApiClient) -> None:
    claims = _claims(api.request_token(api.find_user_id("remy")))
    assert claims["sub"] == str(api.find_user_id("remy"))
    assert claims["exp"] - claims["iat"] == 3600
    assert "scope" not in claims


def test_token_without_sub_is_service_user(api: ApiClient) -> None:
    sub = int(_claims(api.request_token())["sub"])
    assert api.sandbox.dataset().users[sub].service_account


def test_scope_claim_is_an_option(make_api: Callable[..., ApiClient]) -> None:
    claims = _claims(make_api(scope_claim=True).request_token())
    assert "harvest:jobs:list" in claims["scope"].split()


def test_expired_token_is_401(api: ApiClient) -> None:
    token = api.request_token()
    api.clock.advance_clock(3599)
    assert api.v3("GET", "/jobs", token=token).status_code == 200
    api.clock.advance_clock(1)
    assert api.v3("GET", "/jobs", token=token).status_code == 401


def test_several_tokens_are_valid_at_once(api: ApiClient) -> None:
    tokens = [api.request_token(), api.request_token(api.find_user_id("ada")), api.request_token()]
    assert [api.v3("GET", "/jobs", token=token).status_code for token in tokens] == [200] * 3


@pytest.mark.parametrize("field", ["expires_in", "expires_at", "expires"])
def test_lifetime_field_is_an_option(make_api: Callable[..., ApiClient], field: str) -> None:
    api = make_api(token_field=field)
    body = api.http.post("/token", auth=CLIENT, data={"grant_type": "client_credentials"}).json()
    assert set(body) == {"access_token", "token_type", field}


def test_token_request_accepts_query_and_json(api: ApiClient) -> None:
    answer = api.http.post(
        "/token",
        params={"grant_type": "client_credentials"},
        json={"sub": api.find_user_id("ada")},
        auth=CLIENT,
    )
    assert _claims(answer.json()["access_token"])["sub"] == str(api.find_user_id("ada"))


def test_sub_of_other_account_is_refused(api: ApiClient) -> None:
    zoe = api.sandbox.dataset("other").find_user("zoe").id
    form = {"grant_type": "client_credentials", "sub": str(zoe)}
    assert api.http.post("/token", auth=CLIENT, data=form).status_code == 400


def test_tampered_token_is_401(api: ApiClient) -> None:
    head, body, sign = api.request_token().split(".")
    forged = {**_claims(f"{head}.{body}.{sign}"), "sub": str(api.find_user_id("ada"))}
    text = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    assert api.v3("GET", "/jobs", token=f"{head}.{text}.{sign}").status_code == 401


def test_introspection_reports_scopes(api: ApiClient) -> None:
    body = api.http.post("/introspect", auth=CLIENT, data={"token": api.request_token()}).json()
    assert body["active"] is True
    assert "harvest:jobs:list" in body["scope"].split()
    dead = api.http.post("/introspect", auth=CLIENT, data={"token": "x.y.z"}).json()
    assert dead == {"active": False}


def test_introspection_is_an_option(make_api: Callable[..., ApiClient]) -> None:
    answer = make_api(introspection=False).http.post("/introspect", auth=CLIENT)
    assert answer.status_code == 404
