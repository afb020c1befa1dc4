from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.greenhouse.sandbox import Sandbox

from .api import Api


def test_a_credential_is_made_over_http_with_permissions_missing(api: Api) -> None:
    asked = {"kind": "key", "account": "acme", "without": ["users.list"]}
    made = api.http.post("/__credentials", json=asked).json()
    assert api.v1("GET", "/users", key=made["key"]).status_code == 403
    assert api.v1("GET", "/jobs", key=made["key"]).status_code == 200
    asked = {"kind": "client", "only": ["jobs.list"]}
    client = api.http.post("/__credentials", json=asked).json()
    token = api.token(None, client["client_id"], client["client_secret"])
    assert api.v3("GET", "/jobs", token=token).status_code == 200
    assert api.v3("GET", "/users", token=token).status_code == 403


def test_permissions_are_taken_and_given_over_http(api: Api) -> None:
    key = api.sandbox.credentials.create_key().secret
    api.http.patch("/__credentials", json={"credential": key, "remove": ["jobs.list"]})
    assert api.v1("GET", "/jobs", key=key).status_code == 403
    api.http.patch("/__credentials", json={"credential": key, "grant": ["jobs.list"]})
    assert api.v1("GET", "/jobs", key=key).status_code == 200


def test_the_log_tells_who_asked_what(api: Api) -> None:
    row = api.application()
    api.v1("POST", f"/applications/{row.id}/advance", by="ada", json={})
    api.v3("GET", "/jobs", by="sam", params={"per_page": 1})
    post, _, get = api.http.get("/__requests").json()
    assert (post["method"], post["status"]) == ("POST", 422)
    assert post["acting_user"] == api.user_id("ada")
    assert (get["path"], get["query"]) == ("/v3/jobs", "per_page=1")
    assert get["acting_user"] == api.user_id("sam")
    assert get["credential"].startswith("v3:acme:")
    assert len(api.sandbox.requests) == 3


def test_stats_are_told_over_http(api: Api) -> None:
    assert api.http.get("/__stats").json() == api.sandbox.stats()
    other = api.http.get("/__stats", params={"account": "other"}).json()
    assert (other["account"], other["jobs"]) == ("other", 5)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/__stats?account=nobody", None),
        ("POST", "/__credentials", {"account": "nobody"}),
        ("POST", "/__credentials", {"kind": "password"}),
        ("POST", "/__credentials", {"without": ["jobs.lst"]}),
        ("POST", "/__mutate", {}),
        ("POST", "/__webhooks", {}),
        ("POST", "/__faults", ["not an object"]),
    ],
)
def test_what_makes_no_sense_is_said_in_words(
    shared: Api, method: str, path: str, body: object
) -> None:
    answer = shared.http.request(method, path, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_reset_begins_anew(api: Api) -> None:
    before = api.sandbox.app.snapshot()
    api.v1("POST", f"/applications/{api.application().id}/reject", by="ada", json={})
    api.sandbox.faults.add("/v1", status=500)
    extra = api.sandbox.credentials.create_key().secret
    api.http.post("/__reset")
    assert api.sandbox.app.snapshot() == before
    assert api.v1("GET", "/jobs", key=extra).status_code == 401
    assert api.v1("GET", "/jobs").status_code == 200


def test_an_unknown_control_endpoint_names_the_known_ones(api: Api) -> None:
    answer = api.http.get("/__nothing")
    assert answer.status_code == 404
    assert "GET /__stats" in answer.json()["known"]


def test_control_is_for_this_machine_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.greenhouse.sandbox.control.is_loopback", lambda _: False)
    assert api.http.get("/__stats").status_code == 403


def test_the_front_page_tells_what_this_is(api: Api) -> None:
    answer = api.http.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Greenhouse sandbox" in answer.text


def test_connections_are_kept_alive_and_let_go(make_api: Callable[..., Api]) -> None:
    sandbox = Sandbox()
    with sandbox:
        port = sandbox.port
        assert make_api().sandbox.port != port
    with Sandbox(port=port) as again:
        assert again.port == port
    with pytest.raises(OSError), Sandbox(port=make_api().sandbox.port):  # noqa: PT011
        pass
