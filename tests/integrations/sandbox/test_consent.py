"""The sandbox's partner OAuth: consent page, codes, and rotating refresh tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.greenhouse.sandbox import (
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
    PARTNER_CLIENT_ID,
    PARTNER_CLIENT_SECRET,
    Sandbox,
)
from tests.consenting import address, decide, way_back

from .api import Api

PARTNER = (PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET)
BACK = "http://127.0.0.1:1/back/"
SCOPES = "harvest:jobs:list harvest:applications:move"


def _code(api: Api, **decision: Any) -> str:
    consent_url = address(api.sandbox, BACK, SCOPES, state="s1", **decision.pop("more", {}))
    values = way_back(decide(api.sandbox, consent_url, **decision))
    assert values["state"] == "s1"
    return values["code"]


def _redeem(api: Api, code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **more}
    return api.http.post("/token", auth=PARTNER, data=form)


def _refresh(api: Api, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return api.http.post("/token", auth=PARTNER, data=form)


def _is_no_good(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and answer.json() == {"error": "invalid_grant"}


def test_consent_page_names_partner_and_scopes(api: Api) -> None:
    page = httpx.get(address(api.sandbox, BACK, SCOPES)).text
    assert "Inbound Talent asks for access" in page
    assert "<li>harvest:jobs:list</li>" in page
    assert "Ada Adeyemi, Site Admin" in page
    assert "Dana" not in page  # deactivated: she cannot sign in


def test_user_consent_acts_as_user(api: Api) -> None:
    body = _redeem(api, _code(api, who="ada")).json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_at"}
    claims = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert claims["sub"] == str(api.user_id("ada"))
    assert set(claims["scope"].split()) == set(SCOPES.split())
    assert api.v3("GET", "/jobs", token=body["access_token"]).status_code == 200
    assert api.v3("GET", "/users", token=body["access_token"]).status_code == 403


def test_site_admin_can_choose_service_account(api: Api) -> None:
    body = _redeem(api, _code(api, who="ada", service_account=True)).json()
    claims = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert api.sandbox.world().users[int(claims["sub"])].service_account


def test_service_account_needs_site_admin(api: Api) -> None:
    consent_url = address(api.sandbox, BACK, SCOPES)
    answer = decide(api.sandbox, consent_url, who="remy", service_account=True)
    assert answer.status_code == 422
    assert "Only a Site Admin" in answer.text


def test_non_admin_consent_reads_nothing(api: Api) -> None:
    token = _redeem(api, _code(api, who="remy")).json()["access_token"]
    assert api.v3("GET", "/jobs", token=token).status_code == 403


def test_refusal_redirects_with_state(api: Api) -> None:
    consent_url = address(api.sandbox, BACK, SCOPES, state="s2")
    values = way_back(decide(api.sandbox, consent_url, decision="cancel"))
    assert values == {"error": "access_denied", "state": "s2"}


@pytest.mark.parametrize(
    "changes", [{"client_id": ACME_V3_CLIENT_ID}, {"redirect_uri": "https://elsewhere.example/"}]
)
def test_unknown_client_or_redirect_is_refused(api: Api, changes: dict[str, str]) -> None:
    consent_url = httpx.URL(address(api.sandbox, BACK, SCOPES)).copy_merge_params(changes)
    answer = httpx.get(consent_url)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_redirect_uri_is_compared_exactly(api: Api) -> None:
    api.sandbox.consents.partners[PARTNER_CLIENT_ID].redirects.append(BACK)
    assert httpx.get(address(api.sandbox, BACK, SCOPES)).status_code == 200
    assert httpx.get(address(api.sandbox, BACK + "x", SCOPES)).status_code == 400


def test_unregistered_scope_is_refused(api: Api) -> None:
    consent_url = address(api.sandbox, BACK, "harvest:jobs:list harvest:moon:list")
    assert way_back(httpx.get(consent_url)) == {"error": "invalid_scope"}


def test_code_expires_and_works_once(api: Api) -> None:
    late = _code(api)
    api.clock.pass_(60)
    assert _is_no_good(_redeem(api, late))
    code = _code(api)
    api.clock.pass_(59)
    tokens = _redeem(api, code).json()
    assert _is_no_good(_redeem(api, code))
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_no_good(_refresh(api, tokens["refresh_token"]))


def test_code_is_bound_to_redirect_uri(api: Api) -> None:
    assert _is_no_good(_redeem(api, _code(api), redirect_uri=BACK + "x"))


def test_pkce_code_needs_verifier(make_api: Callable[..., Api]) -> None:
    digest = hashlib.sha256(b"v" * 43).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    more = {"code_challenge": challenge, "code_challenge_method": "S256"}
    api = make_api()
    assert _is_no_good(_redeem(api, _code(api, more=more)))
    assert _redeem(api, _code(api, more=more), code_verifier="v" * 43).status_code == 200
    without_pkce = make_api(pkce=False)
    assert _redeem(without_pkce, _code(without_pkce, more=more)).status_code == 200


def test_reused_refresh_token_ends_family(api: Api) -> None:
    first = _redeem(api, _code(api)).json()
    second = _refresh(api, first["refresh_token"]).json()
    third = _refresh(api, second["refresh_token"]).json()
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == 200
    assert _is_no_good(_refresh(api, first["refresh_token"]))
    assert _is_no_good(_refresh(api, third["refresh_token"]))
    assert api.v3("GET", "/jobs", token=third["access_token"]).status_code == 401


def test_refresh_token_expires_after_day(api: Api) -> None:
    token = _redeem(api, _code(api)).json()["refresh_token"]
    api.clock.pass_(24 * 3600 - 1)
    token = _refresh(api, token).json()["refresh_token"]
    api.clock.pass_(24 * 3600)
    assert _is_no_good(_refresh(api, token))


def test_scope_changes_affect_existing_consent(api: Api) -> None:
    partner = api.sandbox.consents.partners[PARTNER_CLIENT_ID]
    partner.remove(["harvest:users:list"])
    tokens = _redeem(api, _code(api)).json()
    partner.grant(["harvest:users:list"])
    tokens = _refresh(api, tokens["refresh_token"]).json()
    assert api.v3("GET", "/users", token=tokens["access_token"]).status_code == 403
    partner.remove(["harvest:jobs:list"])
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 403


def test_disconnecting_ends_consent(api: Api) -> None:
    tokens = _redeem(api, _code(api, who="remy")).json()
    assert api.http.post("/__consents/withdraw", json={"user": "remy"}).json() == {"ended": 1}
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_no_good(_refresh(api, tokens["refresh_token"]))


@pytest.mark.parametrize(("replaces", "status"), [(False, 200), (True, 401)])
def test_new_consent_may_replace_old_one(
    make_api: Callable[..., Api], replaces: bool, status: int
) -> None:
    api = make_api(consent_replaces=replaces)
    first = _redeem(api, _code(api)).json()
    _redeem(api, _code(api))
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == status


def test_partner_can_revoke_tokens(api: Api) -> None:
    tokens = _redeem(api, _code(api)).json()
    form = {"token": tokens["refresh_token"]}
    assert api.http.post("/revoke", auth=PARTNER, data=form).status_code == 200
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401


def test_grant_types_depend_on_client(api: Api) -> None:
    answer = api.http.post("/token", auth=PARTNER, data={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()) == (400, {"error": "unauthorized_client"})
    credentials = (ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert (
        api.http.post("/token", auth=credentials, data=form).json()["error"]
        == "unauthorized_client"
    )


def test_consents_survive_restart(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    form = {"grant_type": "authorization_code", "redirect_uri": BACK}
    with Sandbox(state=file, jobs=5) as first:
        code = way_back(decide(first, address(first, BACK, SCOPES)))["code"]
        token = httpx.post(f"{first.url}/token", auth=PARTNER, data=form | {"code": code}).json()
    with Sandbox(state=file) as second:
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        assert httpx.post(f"{second.url}/token", auth=PARTNER, data=form).status_code == 200
