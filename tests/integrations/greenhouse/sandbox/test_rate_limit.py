from __future__ import annotations

from collections.abc import Callable

from integrations.greenhouse.sandbox import (
    ACME_V1_KEY_LIMITED,
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
)
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def test_v1_window_counts_down_and_refuses(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(v1_limit=3)
    api.clock.advance_clock(4)
    left = [api.v1("GET", "/jobs").headers["X-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = api.v1("GET", "/jobs")
    assert refused.status_code == 429
    assert refused.json() == {"message": "Rate limit exceeded"}
    assert refused.headers["Retry-After"] == "6"
    assert int(refused.headers["X-RateLimit-Reset"]) == api.clock().timestamp() + 6
    assert refused.headers["X-RateLimit-Limit"] == "3"
    api.clock.advance_clock(6)
    assert api.v1("GET", "/jobs").status_code == 200


def test_each_key_has_own_window(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(v1_limit=1)
    api.v1("GET", "/jobs")
    assert api.v1("GET", "/jobs").status_code == 429
    assert api.v1("GET", "/jobs", key=ACME_V1_KEY_LIMITED).status_code == 200


def test_v1_counts_failed_requests(
    make_api: Callable[..., ApiClient],
) -> None:
    api = make_api(v1_limit=10)
    assert api.v1("GET", "/jobs/0").headers["X-RateLimit-Remaining"] == "9"
    assert api.v1("GET", "/nonsense").headers["X-RateLimit-Remaining"] == "8"


def test_v3_window_is_30_seconds(
    make_api: Callable[..., ApiClient],
) -> None:
    api = make_api(v3_limit=2)
    first = api.v3("GET", "/jobs")
    assert int(first.headers["X-RateLimit-Reset"]) == api.clock().timestamp() + 30
    api.v3("GET", "/jobs")
    refused = api.v3("GET", "/jobs")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    api.clock.advance_clock(10)
    assert api.v3("GET", "/jobs").status_code == 429
    api.clock.advance_clock(20)
    assert api.v3("GET", "/jobs").status_code == 200


def test_tokens_of_client_share_window(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(v3_limit=2)
    api.v3("GET", "/jobs")
    assert api.v3("GET", "/jobs", by="ada").headers["X-RateLimit-Remaining"] == "0"


def test_token_requests_have_own_window(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(token_limit=2, v3_limit=5)
    api.request_token()
    token = api.request_token()
    form = {"grant_type": "client_credentials"}
    auth = (ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET)
    refused = api.http.post("/token", auth=auth, data=form)
    assert refused.status_code == 429
    assert api.v3("GET", "/jobs", token=token).headers["X-RateLimit-Remaining"] == "4"
    api.clock.advance_clock(60)
    api.request_token()
