from __future__ import annotations

import json

import httpx
import pytest

from integrations.greenhouse.sandbox import ACME_V1_KEY, ACME_V1_KEY_LIMITED
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def test_429_fault_ends_after_given_times(api: ApiClient) -> None:
    api.sandbox.faults.add_fault("/v3/jobs", status=429, retry_after=1, times=2)
    answers = [api.v3("GET", "/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[0].json() == {"message": "Rate limit exceeded"}
    assert api.v3("GET", "/users").status_code == 200


def test_faults_match_method_path_credential(api: ApiClient) -> None:
    api.sandbox.faults.add_fault(regex=r"/applications/\d+$", method="GET", status=500, times=None)
    api.sandbox.faults.add_fault("/v1/jobs", credential=ACME_V1_KEY_LIMITED, status=503, times=None)
    row = api.find_application()
    assert api.v1("GET", f"/applications/{row.id}").status_code == 500
    assert api.v1("GET", "/applications").status_code == 200
    assert api.v1("PATCH", f"/applications/{row.id}", by="ada", json={}).status_code == 200
    assert api.v1("GET", "/jobs").status_code == 200
    assert api.v1("GET", "/jobs", key=ACME_V1_KEY_LIMITED).status_code == 503
    api.sandbox.faults.clear_faults()
    assert api.v1("GET", f"/applications/{row.id}").status_code == 200


def test_drop_before_does_nothing(api: ApiClient) -> None:
    row = api.find_application()
    api.sandbox.faults.add_fault("/v1/applications", kind="drop_before", method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        api.v1("POST", f"/applications/{row.id}/reject", by="ada", json={})
    assert row.status == "active"
    assert api.sandbox.requests[-1].path.startswith("/v1/applications")
    assert api.sandbox.requests[-1].status == 0


def test_drop_after_does_the_work(api: ApiClient) -> None:
    row = api.find_application()
    api.sandbox.faults.add_fault("/v1/applications", kind="drop_after", method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        api.v1("POST", f"/applications/{row.id}/reject", by="ada", json={})
    assert row.status == "rejected"


def test_truncated_json_does_not_parse(api: ApiClient) -> None:
    api.sandbox.faults.add_fault("/v1/jobs", kind="truncated_json")
    answer = api.v1("GET", "/jobs")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("status", [200, 502])
def test_html_fault_serves_html(api: ApiClient, status: int) -> None:
    api.sandbox.faults.add_fault("/v1/jobs", kind="html", status=status)
    answer = api.v1("GET", "/jobs")
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


def test_latency_combines_with_other_fault(api: ApiClient) -> None:
    api.sandbox.faults.add_fault("/v1/jobs", latency_ms=30)
    api.sandbox.faults.add_fault("/v1/jobs", status=500)
    answer = api.v1("GET", "/jobs")
    assert answer.status_code == 500
    assert answer.elapsed.total_seconds() > 0.03


def test_token_expired_fault_expires_all_tokens(api: ApiClient) -> None:
    token = api.request_token()
    api.sandbox.faults.add_fault("/v3", kind="token_expired")
    assert api.v3("GET", "/jobs", token=token).status_code == 401
    assert api.v3("GET", "/jobs", token=token).status_code == 401
    assert api.v3("GET", "/jobs", token=api.request_token()).status_code == 200


def test_permission_fault_removes_permission(api: ApiClient) -> None:
    assert api.v1("GET", "/jobs").status_code == 200
    api.sandbox.faults.add_fault("/v1/jobs", permissions=["jobs.list"])
    assert api.v1("GET", "/jobs").status_code == 403
    assert api.v1("GET", "/jobs").status_code == 403
    assert api.v1("GET", "/users").status_code == 200


def test_faults_are_managed_over_http(api: ApiClient) -> None:
    fault = {"path": "/v1/jobs", "status": 500, "times": None, "body": {"message": "Oh"}}
    assert api.http.post("/__faults", json=fault).status_code == 200
    assert api.v1("GET", "/jobs").json() == {"message": "Oh"}
    assert len(api.http.get("/__faults").json()) == 1
    api.http.delete("/__faults")
    assert api.http.get("/v1/jobs", auth=(ACME_V1_KEY, "")).status_code == 200


def test_invalid_fault_is_refused(api: ApiClient) -> None:
    assert api.http.post("/__faults", json={"path": "/v1"}).status_code == 422
    assert api.http.post("/__faults", json={"kind": "earthquake"}).status_code == 422
    assert api.http.post("/__faults", json={"colour": "red"}).status_code == 422
