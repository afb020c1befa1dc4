"""Error bodies as publicly observed, and the order of the sandbox's checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from integrations.greenhouse.sandbox import (
    ACME_V1_KEY,
    ACME_V1_KEY_LIMITED,
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
    ACME_V3_LIMITED_CLIENT_ID,
    ACME_V3_LIMITED_CLIENT_SECRET,
)
from tests.integrations.greenhouse.sandbox.api_client import ApiClient
from tests.reference.records import read_table

ERRORS = read_table("errors")

Ask = Callable[[ApiClient], httpx.Response]


def request_token(
    api: ApiClient, *, auth: tuple[str, str] | None = None, grant: str | None = "client_credentials"
) -> httpx.Response:
    good = (ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET)
    form = {"grant_type": grant} if grant else {}
    return api.http.post("/token", auth=auth or good, data=form)


def request_token_without_scopes(api: ApiClient) -> httpx.Response:
    client = api.sandbox.credentials.create_client(only=())
    return request_token(api, auth=(client.client_id, client.client_secret))


V1: dict[str, Ask] = {
    "unknown_key": lambda api: api.v1("GET", "/nonsense", key="nobody"),
    "missing_permission": lambda api: api.v1("GET", "/users", key=ACME_V1_KEY_LIMITED),
    "read_unknown_record": lambda api: api.v1("GET", "/candidates/INVALID"),
    "write_unknown_record": lambda api: api.v1("PATCH", "/applications/0", by="ada", json={}),
    "unknown_acting_user": lambda api: api.v1(
        "POST",
        f"/applications/{api.find_application().id}/advance",
        headers={"On-Behalf-Of": "1"},
        json={},
    ),
    "acting_user_lacks_access": lambda api: api.v1(
        "POST", f"/applications/{api.find_application().id}/reject", by="basil", json={}
    ),
    "wrong_state": lambda api: api.v1(
        "POST", f"/applications/{api.find_application().id}/unreject", by="ada", json={}
    ),
}

V3: dict[str, Ask] = {
    "undecodable_token": lambda api: api.v3("GET", "/jobs", token="nonsense"),
    "unknown_route": lambda api: api.http.get("/v3/nonsense"),
    "per_page_too_large": lambda api: api.v3("GET", "/jobs", params={"per_page": 600}),
    "cursor_with_other_parameters": lambda api: api.v3(
        "GET", "/jobs", params={"cursor": "x", "per_page": 1}
    ),
    "missing_scope_or_not_site_admin": lambda api: api.v3("GET", "/jobs", by="basil"),
    "already_rejected": lambda api: api.v3(
        "POST",
        f"/applications/{api.find_application(status='rejected', stage=None).id}/reject",
        by="ada",
        json={"rejection_reason_id": api.sandbox.dataset().rejection_reasons.ids[0]},
    ),
}

TOKEN: dict[str, Ask] = {
    "no_credentials": lambda api: api.http.post("/token"),
    "malformed_client_id": lambda api: request_token(api, auth=("notaclient", "x")),
    "unknown_client": lambda api: request_token(api, auth=(ACME_V3_CLIENT_ID, "wrong")),
    "missing_grant_type": lambda api: request_token(api, grant=None),
    "unknown_grant_type": lambda api: request_token(api, grant="not_a_grant"),
    "no_scopes": request_token_without_scopes,
}

OPTIONS: dict[tuple[str, str], dict[str, int]] = {
    ("v1", "rate_limited"): {"v1_limit": 1},
    ("v1", "counting_takes_too_long"): {"skip_count_needed": 1},
    ("v3", "rate_limited"): {"v3_limit": 1},
}
"""Errors for which the sandbox needs an option; the second of two equal requests meets them."""

NOT_SERVED = {("v1", "missing_field"), ("v1", "unknown_reference"), ("v1", "invalid_value")}
"""Errors of endpoints that the sandbox does not have."""

REQUESTS = {"v1": V1, "v3": V3, "token": TOKEN}


def find_differences(error: dict[str, Any], answer: httpx.Response) -> list[str]:
    """Where an answer is not the documented error. Text that ends in `...` is a beginning."""
    differences = []
    status = str(error["status"]).replace("4xx", str(answer.status_code))
    if str(answer.status_code) not in status or not 400 <= answer.status_code < 600:
        differences.append(f"status {answer.status_code}")
    if "body" in error:
        body = answer.json()
        beginnings = {k: v[:-3] for k, v in error["body"].items() if str(v).endswith("...")}
        wanted = error["body"] | {
            k: body[k] for k, v in beginnings.items() if str(body.get(k)).startswith(v)
        }
        if body != wanted:
            differences.append(f"body {body}")
    if error.get("text", "") not in answer.text:
        differences.append(f"text {answer.text}")
    differences += [name for name in error.get("headers", ()) if name not in answer.headers]
    return differences


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, requests in REQUESTS.items() for name in requests]
)
def test_error_matches_documentation(shared: ApiClient, part: str, name: str) -> None:
    assert find_differences(ERRORS[part][name], REQUESTS[part][name](shared)) == []


@pytest.mark.parametrize(("part", "name"), OPTIONS)
def test_error_with_option_matches_documentation(
    make_api: Callable[..., ApiClient], part: str, name: str
) -> None:
    api = make_api(jobs=2, **OPTIONS[part, name])
    ask = api.v1 if part == "v1" else api.v3
    ask("GET", "/jobs")
    assert find_differences(ERRORS[part][name], ask("GET", "/jobs")) == []


def test_every_documented_error_is_tried() -> None:
    tried = {(part, name) for part, requests in REQUESTS.items() for name in requests}
    documented = {(part, name) for part, errors in ERRORS.items() for name in errors}
    assert tried | OPTIONS.keys() | NOT_SERVED == documented


def test_unknown_client_id_is_refused(shared: ApiClient) -> None:
    unknown = request_token(shared, auth=("somebody" + ACME_V3_CLIENT_ID[-5:], "x"))
    assert (unknown.status_code, unknown.json()) == (401, {"error": "invalid_client"})


def test_credential_and_route_check_order(api: ApiClient) -> None:
    assert api.http.get("/v1/nonsense").status_code == 401
    assert api.v1("GET", "/nonsense").status_code == 404
    assert api.http.get("/v3/nonsense").status_code == 404
    assert api.http.get("/v3/jobs").status_code == 401


def test_v1_checks_permission_before_record(api: ApiClient) -> None:
    path = "/applications/0/reject"
    refused = api.v1("POST", path, key=ACME_V1_KEY_LIMITED, by="ada", json={})
    assert refused.status_code == 403
    assert api.v1("POST", path, by="ada", json={}).status_code == 404


def test_v3_checks_scope_before_record(api: ApiClient) -> None:
    token = api.request_token(None, ACME_V3_LIMITED_CLIENT_ID, ACME_V3_LIMITED_CLIENT_SECRET)
    assert api.v3("POST", "/applications/0/reject", token=token, json={}).status_code == 403
    assert api.v3("POST", "/applications/0/unreject", token=token, json={}).status_code == 404


@pytest.mark.parametrize("kind", ["message", "empty", "html"])
def test_v3_403_body_is_an_option(make_api: Callable[..., ApiClient], kind: str) -> None:
    answer = make_api(forbidden_body=kind).v3("GET", "/jobs", by="remy")
    assert answer.status_code == 403
    assert ("message" in answer.text) == (kind == "message")
    assert answer.headers["Content-Type"].startswith("text/html") == (kind == "html")


def test_v1_get_with_body_is_403(api: ApiClient) -> None:
    assert api.v1("GET", "/jobs", json={"status": "open"}).status_code == 403


def test_wrong_method_is_404(api: ApiClient) -> None:
    assert api.v1("DELETE", "/jobs").status_code == 404
    assert api.v3("POST", "/jobs").status_code == 404


def test_malformed_json_is_400(api: ApiClient) -> None:
    row = api.find_application()
    for ask in (api.v1, api.v3):
        answer = ask(
            "POST",
            f"/applications/{row.id}/unreject",
            by="ada",
            content=b'{"from_stage',
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 400


def test_wrong_content_type_is_read_as_empty(api: ApiClient) -> None:
    row = api.find_application()
    content = json.dumps({"from_stage_id": row.stage_id}).encode()
    for ask, path in ((api.v1, "advance"), (api.v3, "move")):
        answer = ask(
            "POST",
            f"/applications/{row.id}/{path}",
            by="ada",
            content=content,
            headers={"Content-Type": "text/plain"},
        )
        assert answer.status_code == 422


def test_every_response_has_request_id(api: ApiClient) -> None:
    answers = [api.v1("GET", "/jobs"), api.v1("GET", "/x"), api.v3("GET", "/x"), request_token(api)]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 4


def test_v2_is_not_served(api: ApiClient) -> None:
    assert api.http.get("/v2/jobs").status_code == 401
    assert api.http.get("/v2/jobs", auth=(ACME_V1_KEY, "")).status_code == 404
