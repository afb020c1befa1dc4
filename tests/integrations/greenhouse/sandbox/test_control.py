from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from integrations.greenhouse.sandbox import ACME_V1_KEY, Sandbox
from integrations.greenhouse.sandbox.actions.mutations import MUTATIONS
from integrations.greenhouse.sandbox.control_api.endpoints import CONTROL_ENDPOINTS, get_field_names
from tests.integrations.greenhouse.sandbox.api_client import ApiClient

DOCUMENT = Path(__file__).parents[4] / "docs" / "sandbox.md"


def test_credential_is_created_over_http(api: ApiClient) -> None:
    body = {"kind": "key", "account": "acme", "without": ["users.list"]}
    key = api.http.post("/__credentials", json=body).json()
    assert api.v1("GET", "/users", key=key["key"]).status_code == 403
    assert api.v1("GET", "/jobs", key=key["key"]).status_code == 200
    body = {"kind": "client", "only": ["jobs.list"]}
    client = api.http.post("/__credentials", json=body).json()
    token = api.request_token(None, client["client_id"], client["client_secret"])
    assert api.v3("GET", "/jobs", token=token).status_code == 200
    assert api.v3("GET", "/users", token=token).status_code == 403


def test_permissions_are_changed_over_http(api: ApiClient) -> None:
    key = api.sandbox.credentials.create_key().secret
    api.http.patch("/__credentials", json={"credential": key, "remove": ["jobs.list"]})
    assert api.v1("GET", "/jobs", key=key).status_code == 403
    api.http.patch("/__credentials", json={"credential": key, "grant": ["jobs.list"]})
    assert api.v1("GET", "/jobs", key=key).status_code == 200


def test_request_log_names_caller_and_path(api: ApiClient) -> None:
    row = api.find_application()
    api.v1("POST", f"/applications/{row.id}/advance", by="ada", json={})
    api.v3("GET", "/jobs", by="sam", params={"per_page": 1})
    post, _, get = api.http.get("/__requests").json()
    assert (post["method"], post["status"]) == ("POST", 422)
    assert post["acting_user"] == api.find_user_id("ada")
    assert (get["path"], get["query"]) == ("/v3/jobs", "per_page=1")
    assert get["acting_user"] == api.find_user_id("sam")
    assert get["credential"].startswith("v3:acme:")
    assert len(api.sandbox.requests) == 3


def test_stats_are_served_over_http(api: ApiClient) -> None:
    assert api.http.get("/__stats").json() == api.sandbox.count_records()
    other = api.http.get("/__stats", params={"account": "other"}).json()
    assert (other["account"], other["jobs"]) == ("other", 5)


@pytest.mark.parametrize(("method", "path"), CONTROL_ENDPOINTS)
def test_control_refuses_unknown_field(shared: ApiClient, method: str, path: str) -> None:
    control = CONTROL_ENDPOINTS[method, path]
    choice = {control.discriminator: next(iter(control.variants))} if control.discriminator else {}
    before = shared.sandbox.app.take_snapshot()
    for extra in ({"json": choice | {"nonsense": 1}}, {"params": choice | {"nonsense": "1"}}):
        answer = shared.http.request(method, path, **extra)
        assert answer.status_code == 422
        message = answer.json()["message"]
        assert "Unknown field: nonsense" in message
        chosen = control.variants[next(iter(control.variants))]
        assert all(name in message for name in get_field_names(chosen))
    assert shared.sandbox.app.take_snapshot() == before


@pytest.mark.parametrize("action", MUTATIONS)
def test_mutation_refuses_unknown_field(shared: ApiClient, action: str) -> None:
    answer = shared.http.post("/__mutate", json={"action": action, "nonsense": 1})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("Unknown field: nonsense. Known: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "unknown", "suggestion"),
    [
        ("GET", "/__stats?account=nobody", None, "nobody", "acme, other"),
        ("GET", "/__mails?account=nobody", None, "nobody", "acme, other"),
        ("POST", "/__credentials", {"account": "nobody"}, "nobody", "acme, other"),
        ("POST", "/__credentials", {"kind": "password"}, "password", "client, key"),
        ("POST", "/__credentials", {"without": ["jobs.lst"]}, "jobs.lst", "jobs.list"),
        ("POST", "/__credentials", {"kind": "key", "reader_is_site_admin": True}, "reader", "only"),
        ("PATCH", "/__credentials", {"credential": ACME_V1_KEY, "add": []}, "add", "grant"),
        ("PATCH", "/__credentials", {"credential": "nobody"}, "nobody", ""),
        ("PATCH", "/__credentials", {"remove": []}, "credential", ""),
        (
            "PATCH",
            "/__credentials",
            {"credential": ACME_V1_KEY, "remove": ["jobs.list"], "grant": ["jobs.lst"]},
            "jobs.lst",
            "jobs.list",
        ),
        ("POST", "/__mutate", {}, "action", "close_job"),
        ("POST", "/__mutate", {"action": "paint_job"}, "paint_job", "close_job"),
        ("POST", "/__mutate", {"action": "close_job"}, "job_id", ""),
        ("POST", "/__mutate", {"action": "close_job", "job_id": "x"}, "job_id", ""),
        (
            "POST",
            "/__mutate",
            {"action": "close_job", "job_id": 1, "account": "nobody"},
            "nobody",
            "acme, other",
        ),
        ("POST", "/__webhooks", {}, "url", ""),
        (
            "POST",
            "/__webhooks",
            {"url": "http://127.0.0.1:1/", "secret": "s", "events": ["job_painted"]},
            "job_painted",
            "job_updated",
        ),
        ("POST", "/__webhooks/redeliver", {"event_id": "nothing"}, "nothing", ""),
        ("POST", "/__faults", ["not an object"], "object", ""),
        ("POST", "/__faults", {"kind": "earthquake"}, "earthquake", "drop_before"),
        ("POST", "/__faults", {"path": "/v1"}, "kind", "drop_before"),
        ("POST", "/__faults", {"status": 500, "method": "PSOT"}, "PSOT", "POST"),
        ("POST", "/__faults", {"status": 500, "regex": "("}, "regular expression", ""),
        ("POST", "/__faults", {"permissions": ["jobs.lst"]}, "jobs.lst", "jobs.list"),
        ("POST", "/__consents/withdraw", {"user": "uma"}, "uma", ""),
    ],
)
def test_control_refuses_unknown_value(
    shared: ApiClient, method: str, path: str, body: object, unknown: str, suggestion: str
) -> None:
    before = shared.sandbox.app.take_snapshot()
    answer = shared.http.request(method, path, json=body)
    assert answer.status_code == 422
    assert unknown in answer.json()["message"]
    assert suggestion in answer.json()["message"]
    assert shared.sandbox.app.take_snapshot() == before
    assert shared.http.get("/__faults").json() == []


def test_body_that_is_no_json_is_400(shared: ApiClient) -> None:
    answer = shared.http.post("/__faults", content=b"{")
    assert answer.status_code == 400
    assert "JSON" in answer.json()["message"]


def read_documented_controls() -> dict[tuple[str, str], set[str]]:
    """Endpoint to fields, from the table of docs/sandbox.md."""
    row = re.compile(
        r"^\| `(?P<method>[A-Z]+) (?P<path>/__\S+)` \| (?P<fields>[^|]*) \|", re.MULTILINE
    )
    return {
        (match["method"], match["path"]): set(re.findall(r"`(\w+)`", match["fields"]))
        for match in row.finditer(DOCUMENT.read_text(encoding="utf-8"))
    }


def test_document_lists_every_control_and_field() -> None:
    fields = {
        place: control.fields if control.discriminator != "action" else {"action", "account"}
        for place, control in CONTROL_ENDPOINTS.items()
    }
    assert read_documented_controls() == fields


def test_document_lists_every_mutation_and_field() -> None:
    row = re.compile(r"^\| `(\w+)` \| ([^|]*) \|$", re.MULTILINE)
    section = DOCUMENT.read_text(encoding="utf-8").partition("### Mutations")[2].partition("###")[0]
    documented = {
        name: set(re.findall(r"`(\w+)`", fields)) for name, fields in row.findall(section)
    }
    variants = CONTROL_ENDPOINTS["POST", "/__mutate"].variants
    assert documented == {
        name: get_field_names(struct) - {"account"} for name, struct in variants.items()
    }


def test_reset_restores_initial_state(api: ApiClient) -> None:
    before = api.sandbox.app.take_snapshot()
    api.v1("POST", f"/applications/{api.find_application().id}/reject", by="ada", json={})
    api.sandbox.faults.add_fault("/v1", status=500)
    extra = api.sandbox.credentials.create_key().secret
    api.http.post("/__reset")
    assert api.sandbox.app.take_snapshot() == before
    assert api.v1("GET", "/jobs", key=extra).status_code == 401
    assert api.v1("GET", "/jobs").status_code == 200


def test_unknown_control_endpoint_lists_known_ones(api: ApiClient) -> None:
    answer = api.http.get("/__nothing")
    assert answer.status_code == 404
    assert "GET /__stats" in answer.json()["known"]


def test_control_is_refused_from_other_hosts(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "integrations.greenhouse.sandbox.control_api.endpoints.is_loopback", lambda _: False
    )
    assert api.http.get("/__stats").status_code == 403


def test_front_page_describes_sandbox(api: ApiClient) -> None:
    answer = api.http.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Greenhouse sandbox" in answer.text


def test_port_is_released_on_stop(make_api: Callable[..., ApiClient]) -> None:
    sandbox = Sandbox()
    with sandbox:
        port = sandbox.port
        assert make_api().sandbox.port != port
    with Sandbox(port=port) as again:
        assert again.port == port
    with pytest.raises(OSError), Sandbox(port=make_api().sandbox.port):  # noqa: PT011
        pass
