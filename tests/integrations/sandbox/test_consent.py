"""Partner OAuth as the sandbox plays it: the page, codes, and refresh tokens in a chain."""

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


def _code(api: Api, **decided: Any) -> str:
    asked = address(api.sandbox, BACK, SCOPES, state="s1", **decided.pop("more", {}))
    values = way_back(decide(api.sandbox, asked, **decided))
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


def test_the_page_says_who_asks_and_for_what(api: Api) -> None:
    page = httpx.get(address(api.sandbox, BACK, SCOPES)).text
    assert "Inbound Talent asks for access" in page
    assert "<li>harvest:jobs:list</li>" in page
    assert "Ada Adeyemi, Site Admin" in page
    assert "Dana" not in page  # deactivated: she cannot sign in


def test_a_consent_by_a_person_acts_as_that_person(api: Api) -> None:
    body = _redeem(api, _code(api, who="ada")).json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_at"}
    told = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert told["sub"] == str(api.user_id("ada"))
    assert set(told["scope"].split()) == set(SCOPES.split())
    assert api.v3("GET", "/jobs", token=body["access_token"]).status_code == 200
    assert api.v3("GET", "/users", token=body["access_token"]).status_code == 403


def test_a_site_admin_may_let_a_service_account_own_it(api: Api) -> None:
    body = _redeem(api, _code(api, who="ada", service_account=True)).json()
    told = api.http.post("/introspect", auth=PARTNER, data={"token": body["access_token"]}).json()
    assert api.sandbox.world().users[int(told["sub"])].service_account


def test_nobody_else_may(api: Api) -> None:
    asked = address(api.sandbox, BACK, SCOPES)
    answer = decide(api.sandbox, asked, who="remy", service_account=True)
    assert answer.status_code == 422
    assert "Only a Site Admin" in answer.text


def test_somebody_who_is_no_site_admin_reads_nothing(api: Api) -> None:
    token = _redeem(api, _code(api, who="remy")).json()["access_token"]
    assert api.v3("GET", "/jobs", token=token).status_code == 403


def test_a_refusal_goes_back_with_the_state(api: Api) -> None:
    asked = address(api.sandbox, BACK, SCOPES, state="s2")
    values = way_back(decide(api.sandbox, asked, decision="cancel"))
    assert values == {"error": "access_denied", "state": "s2"}


@pytest.mark.parametrize(
    "strange", [{"client_id": ACME_V3_CLIENT_ID}, {"redirect_uri": "https://elsewhere.example/"}]
)
def test_a_strange_client_or_way_back_is_never_followed(api: Api, strange: dict[str, str]) -> None:
    asked = httpx.URL(address(api.sandbox, BACK, SCOPES)).copy_merge_params(strange)
    answer = httpx.get(asked)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_registered_way_back_is_compared_exactly(api: Api) -> None:
    api.sandbox.consents.partners[PARTNER_CLIENT_ID].redirects.append(BACK)
    assert httpx.get(address(api.sandbox, BACK, SCOPES)).status_code == 200
    assert httpx.get(address(api.sandbox, BACK + "x", SCOPES)).status_code == 400


def test_a_scope_that_is_not_registered_is_refused(api: Api) -> None:
    asked = address(api.sandbox, BACK, "harvest:jobs:list harvest:moon:list")
    assert way_back(httpx.get(asked)) == {"error": "invalid_scope"}


def test_a_code_lives_a_minute_and_works_once(api: Api) -> None:
    late = _code(api)
    api.clock.pass_(60)
    assert _is_no_good(_redeem(api, late))
    code = _code(api)
    api.clock.pass_(59)
    tokens = _redeem(api, code).json()
    assert _is_no_good(_redeem(api, code))
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_no_good(_refresh(api, tokens["refresh_token"]))


def test_a_code_is_good_for_the_way_back_it_went(api: Api) -> None:
    assert _is_no_good(_redeem(api, _code(api), redirect_uri=BACK + "x"))


def test_a_code_with_a_challenge_needs_its_verifier(make_api: Callable[..., Api]) -> None:
    digest = hashlib.sha256(b"v" * 43).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    more = {"code_challenge": challenge, "code_challenge_method": "S256"}
    api = make_api()
    assert _is_no_good(_redeem(api, _code(api, more=more)))
    assert _redeem(api, _code(api, more=more), code_verifier="v" * 43).status_code == 200
    careless = make_api(pkce=False)
    assert _redeem(careless, _code(careless, more=more)).status_code == 200


def test_each_refresh_token_works_once_and_a_second_use_ends_the_family(api: Api) -> None:
    first = _redeem(api, _code(api)).json()
    second = _refresh(api, first["refresh_token"]).json()
    third = _refresh(api, second["refresh_token"]).json()
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == 200
    assert _is_no_good(_refresh(api, first["refresh_token"]))
    assert _is_no_good(_refresh(api, third["refresh_token"]))
    assert api.v3("GET", "/jobs", token=third["access_token"]).status_code == 401


def test_a_refresh_token_lives_a_day(api: Api) -> None:
    token = _redeem(api, _code(api)).json()["refresh_token"]
    api.clock.pass_(24 * 3600 - 1)
    token = _refresh(api, token).json()["refresh_token"]
    api.clock.pass_(24 * 3600)
    assert _is_no_good(_refresh(api, token))


def test_added_scopes_need_another_consent_and_removed_ones_are_gone_at_once(api: Api) -> None:
    partner = api.sandbox.consents.partners[PARTNER_CLIENT_ID]
    partner.remove(["harvest:users:list"])
    tokens = _redeem(api, _code(api)).json()
    partner.grant(["harvest:users:list"])
    tokens = _refresh(api, tokens["refresh_token"]).json()
    assert api.v3("GET", "/users", token=tokens["access_token"]).status_code == 403
    partner.remove(["harvest:jobs:list"])
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 403


def test_disconnecting_in_greenhouse_ends_it(api: Api) -> None:
    tokens = _redeem(api, _code(api, who="remy")).json()
    assert api.http.post("/__consents/withdraw", json={"user": "remy"}).json() == {"ended": 1}
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401
    assert _is_no_good(_refresh(api, tokens["refresh_token"]))


@pytest.mark.parametrize(("replaces", "status"), [(False, 200), (True, 401)])
def test_whether_a_consent_ends_the_one_before_is_an_option(
    make_api: Callable[..., Api], replaces: bool, status: int
) -> None:
    api = make_api(consent_replaces=replaces)
    first = _redeem(api, _code(api)).json()
    _redeem(api, _code(api))
    assert api.v3("GET", "/jobs", token=first["access_token"]).status_code == status


def test_a_partner_revokes_what_it_no_longer_needs(api: Api) -> None:
    tokens = _redeem(api, _code(api)).json()
    form = {"token": tokens["refresh_token"]}
    assert api.http.post("/revoke", auth=PARTNER, data=form).status_code == 200
    assert api.v3("GET", "/jobs", token=tokens["access_token"]).status_code == 401


def test_client_credentials_are_not_for_partners_nor_consents_for_others(api: Api) -> None:
    asked = api.http.post("/token", auth=PARTNER, data={"grant_type": "client_credentials"})
    assert (asked.status_code, asked.json()) == (400, {"error": "unauthorized_client"})
    theirs = (ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert api.http.post("/token", auth=theirs, data=form).json()["error"] == "unauthorized_client"


def test_consents_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    form = {"grant_type": "authorization_code", "redirect_uri": BACK}
    with Sandbox(state=file, jobs=5) as first:
        code = way_back(decide(first, address(first, BACK, SCOPES)))["code"]
        token = httpx.post(f"{first.url}/token", auth=PARTNER, data=form | {"code": code}).json()
    with Sandbox(state=file) as second:
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        assert httpx.post(f"{second.url}/token", auth=PARTNER, data=form).status_code == 200
