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
from tests.consent_page import build_authorization_url, parse_redirect, submit_decision
from tests.integrations.greenhouse.sandbox.api_client import ApiClient

PARTNER = (PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET)
BACK = "http://127.0.0.1:1/back/"
SCOPES = "harvest:jobs:list harvest:applications:move"


def _obtain_code(api: ApiClient, **decision: Any) -> str:
    consent_url = build_authorization_url(
        api.sandbox, BACK, SCOPES, state="s1", **decision.pop("more", {})
    )
    values = parse_redirect(submit_decision(api.sandbox, consent_url, **decision))
    assert values["state"] == "s1"
    return values["code"]


def _redeem_code(api: ApiClient, code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **more}
    return api.http.post("/token", auth=PARTNER, data=form)


def _refresh_token(api: ApiClient, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return api.http.post("/token", auth=PARTNER, data=form)


def _is_invalid_grant(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and answer.json() == {"error": "invalid_grant"}


def test_consent_page_names_partner_and_scopes(api: ApiClient) -> None:
    page = httpx.get(build_authorization_url(api.sandbox, BACK, SCOPES)).text
    assert "Inbound Talent wants to access Greenhouse" in page
    assert "<li>harvest:jobs:list</li>" in page
    assert "Ada Adeyemi, Site Admin" in page
    assert "Dana" not in page  # deactivated: she cannot sign in


def test_user_consent_acts_as_user(api: ApiClient) -> None:
    body = _redeem_code(api, _obtain_code(api, who="ada")).json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_at"}
    claims = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert claims["sub"] == str(api.find_user_id("ada"))
    assert set(claims["scope"].split()) == set(SCOPES.split())
    assert api.v3("GET", "/jobs", token=body["access_token"]).status_code == 200
    assert api.v3("GET", "/users", token=body["access_token"]).status_code == 403


def test_site_admin_can_choose_service_account(api: ApiClient) -> None:
    body = _redeem_code(api, _obtain_code(api, who="ada", service_account=True)).json()
    claims = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert api.sandbox.dataset().users[int(claims["sub"])].service_account


def test_service_account_needs_site_admin(api: ApiClient) -> None:
    consent_url = build_authorization_url(api.sandbox, BACK, SCOPES)
    answer = submit_decision(api.sandbox, consent_url, who="remy", service_account=True)
    assert answer.status_code == 422
    assert "Only a Site Admin" in answer.text


def test_non_admin_consent_reads_nothing(api: ApiClient) -> None:
    token = _redeem_code(api, _obtain_code(api, who="remy")).json()["access_token"]
    assert api.v3("GET", "/jobs", token=token).status_code == 403


def test_refusal_redirects_with_state(api: ApiClient) -> None:
    consent_url = build_authorization_url(api.sandbox, BACK, SCOPES, state="s2")
    values = parse_redirect(submit_decision(api.sandbox, consent_url, decision="cancel"))
    assert values == {"error": "access_denied", "state": "s2"}


@pytest.mark.parametrize(
    "changes", [{"client_id": ACME_V3_CLIENT_ID}, {"redirect_uri": "https://elsewhere.example/"}]
)
def test_unknown_client_or_redirect_is_refused(api: ApiClient, changes: dict[str, str]) -> None:
    consent_url = httpx.URL(build_authorization_url(api.sandbox, BACK, SCOPES)).copy_merge_params(
        changes
    )
    answer = httpx.get(consent_url)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_redirect_uri_is_compared_exactly(api: ApiClient) -> None:
    api.sandbox.consents.partners[PARTNER_CLIENT_ID].redirect_uris.append(BACK)
    assert httpx.get(build_authorization_url(api.sandbox, BACK, SCOPES)).status_code == 200
    assert httpx.get(build_authorization_url(api.sandbox, BACK + "x", SCOPES)).status_code == 400


def test_unregistered_scope_is_refused(api: ApiClient) -> None:
    consent_url = build_authorization_url(api.sandbox, BACK, "harvest:jobs:list harvest:moon:list")
    assert parse_redirect(httpx.get(consent_url)) == {"error": "invalid_scope"}


def test_code_expires_and_works_once(api: ApiClient) -> None:
    late = _obtain_code(api)
    api.clock.advance_clock(60)
    assert _is_invalid_grant(_redeem_code(api, late))
    code = _obtain_code(api)
    api.clock.advance_clock(59)
    tokens = _redeem_code(api, code).json()
    assert _is_invalid_grant(_redeem_code(api, code))
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_invalid_grant(_refresh_token(api, tokens["refresh_token"]))


def test_code_is_bound_to_redirect_uri(api: ApiClient) -> None:
    assert _is_invalid_grant(_redeem_code(api, _obtain_code(api), redirect_uri=BACK + "x"))


def test_pkce_code_needs_verifier(make_api: Callable[..., ApiClient]) -> None:
    digest = hashlib.sha256(b"v" * 43).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    more = {"code_challenge": challenge, "code_challenge_method": "S256"}
    api = make_api()
    assert _is_invalid_grant(_redeem_code(api, _obtain_code(api, more=more)))
    assert (
        _redeem_code(api, _obtain_code(api, more=more), code_verifier="v" * 43).status_code == 200
    )
    without_pkce = make_api(pkce=False)
    assert _redeem_code(without_pkce, _obtain_code(without_pkce, more=more)).status_code == 200


def test_reused_refresh_token_ends_family(api: ApiClient) -> None:
    first = _redeem_code(api, _obtain_code(api)).json()
    second = _refresh_token(api, first["refresh_token"]).json()
    third = _refresh_token(api, second["refresh_token"]).json()
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == 200
    assert _is_invalid_grant(_refresh_token(api, first["refresh_token"]))
    assert _is_invalid_grant(_refresh_token(api, third["refresh_token"]))
    assert api.v3("GET", "/jobs", token=third["access_token"]).status_code == 401


def test_refresh_token_expires_after_day(api: ApiClient) -> None:
    token = _redeem_code(api, _obtain_code(api)).json()["refresh_token"]
    api.clock.advance_clock(24 * 3600 - 1)
    token = _refresh_token(api, token).json()["refresh_token"]
    api.clock.advance_clock(24 * 3600)
    assert _is_invalid_grant(_refresh_token(api, token))


def test_scope_changes_affect_existing_consent(api: ApiClient) -> None:
    partner = api.sandbox.consents.partners[PARTNER_CLIENT_ID]
    partner.remove_permissions(["harvest:users:list"])
    tokens = _redeem_code(api, _obtain_code(api)).json()
    partner.grant_permissions(["harvest:users:list"])
    tokens = _refresh_token(api, tokens["refresh_token"]).json()
    assert api.v3("GET", "/users", token=tokens["access_token"]).status_code == 403
    partner.remove_permissions(["harvest:jobs:list"])
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 403


def test_disconnecting_ends_consent(api: ApiClient) -> None:
    tokens = _redeem_code(api, _obtain_code(api, who="remy")).json()
    assert api.http.post("/__consents/withdraw", json={"user": "remy"}).json() == {"ended": 1}
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_invalid_grant(_refresh_token(api, tokens["refresh_token"]))


@pytest.mark.parametrize(("replaces", "status"), [(False, 200), (True, 401)])
def test_new_consent_may_replace_old_one(
    make_api: Callable[..., ApiClient], replaces: bool, status: int
) -> None:
    api = make_api(consent_replaces=replaces)
    first = _redeem_code(api, _obtain_code(api)).json()
    _redeem_code(api, _obtain_code(api))
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == status


def test_partner_can_revoke_tokens(api: ApiClient) -> None:
    tokens = _redeem_code(api, _obtain_code(api)).json()
    form = {"token": tokens["refresh_token"]}
    assert api.http.post("/revoke", auth=PARTNER, data=form).status_code == 200
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401


def test_grant_types_depend_on_client(api: ApiClient) -> None:
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
        code = parse_redirect(submit_decision(first, build_authorization_url(first, BACK, SCOPES)))[
            "code"
        ]
        token = httpx.post(f"{first.url}/token", auth=PARTNER, data=form | {"code": code}).json()
    with Sandbox(state=file) as second:
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        assert httpx.post(f"{second.url}/token", auth=PARTNER, data=form).status_code == 200
