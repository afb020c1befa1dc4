from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from integrations.greenhouse.sandbox import ACME_V1_KEY
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def test_v1_pages_link_next_prev_last(api: ApiClient) -> None:
    first = api.v1("GET", "/applications", params={"per_page": 60})
    assert set(first.links) == {"next", "last"}
    second = api.http.get(first.links["next"]["url"], auth=(ACME_V1_KEY, ""))
    assert set(second.links) == {"next", "prev", "last"}
    last = api.http.get(first.links["last"]["url"], auth=(ACME_V1_KEY, ""))
    assert set(last.links) == {"prev", "last"}
    assert len(last.json()) == 20


def test_v1_pages_hold_every_record_once(api: ApiClient) -> None:
    ids = [row["id"] for row in api.list_v1("/applications", per_page=33)]
    assert ids == sorted(set(ids))
    assert len(ids) == api.sandbox.count_records()["applications"]


def test_v1_skip_count_omits_last_link(api: ApiClient) -> None:
    page = api.v1("GET", "/jobs", params={"per_page": 5, "skip_count": "true"})
    assert set(page.links) == {"next"}
    assert "skip_count=true" in page.links["next"]["url"]


def test_v1_single_page_has_no_next_link(api: ApiClient) -> None:
    assert set(api.v1("GET", "/close_reasons").links) == {"last"}


def test_v1_some_lists_link_only_next(api: ApiClient) -> None:
    assert set(api.v1("GET", "/user_roles", params={"per_page": 1}).links) == {"next"}
    job = api.sandbox.dataset().openings[api.sandbox.dataset().openings.ids[-1]].job_id
    openings = api.v1("GET", f"/jobs/{job}/openings", params={"page": 2, "per_page": 1})
    assert "prev" not in openings.links
    assert "last" not in openings.links


def test_v1_links_keep_filters(api: ApiClient) -> None:
    page = api.v1("GET", "/applications", params={"status": "active", "per_page": 10})
    url = httpx.URL(page.links["next"]["url"])
    assert dict(url.params) == {"status": "active", "per_page": "10", "page": "2"}
    assert str(url).startswith(api.sandbox.url)


@pytest.mark.parametrize("per_page", ["0", "501", "600", "many"])
def test_v1_page_size_is_bounded(api: ApiClient, per_page: str) -> None:
    answer = api.v1("GET", "/jobs", params={"per_page": per_page})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "per_page"


def test_v1_big_lists_need_skip_count(
    make_api: Callable[..., ApiClient],
) -> None:
    api = make_api(skip_count_needed=100)
    slow = api.v1("GET", "/applications")
    assert (slow.status_code, slow.json()) == (500, {"message": "Server timeout in API"})
    assert api.v1("GET", "/applications", params={"skip_count": "true"}).status_code == 200


def test_v3_pages_are_newest_first(api: ApiClient) -> None:
    page = api.v3("GET", "/applications", params={"per_page": 60})
    assert set(page.links) == {"next"}
    assert set(httpx.URL(page.links["next"]["url"]).params) == {"cursor"}
    ids = [row["id"] for row in api.list_v3("/applications", per_page=60)]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == api.sandbox.count_records()["applications"]


def test_v3_cursors_keep_filters(api: ApiClient) -> None:
    rows = api.list_v3("/applications", per_page=20, status="active")
    assert {row["status"] for row in rows} == {"in_process"}
    assert len(rows) == api.sandbox.count_records()["applications_by_status"]["active"]


def test_v3_new_record_does_not_shift_pages(api: ApiClient) -> None:
    page = api.v3("GET", "/applications", params={"per_page": 100})
    job = api.find_application().job_id
    api.sandbox.run_mutation("new_application", job_id=job)
    cursor = httpx.URL(page.links["next"]["url"]).params["cursor"]
    rest = api.v3("GET", "/applications", params={"cursor": cursor}).json()
    assert rest[0]["id"] < page.json()[-1]["id"]
    assert len(rest) == 100


def test_v3_cursor_must_be_only_parameter(api: ApiClient) -> None:
    page = api.v3("GET", "/jobs", params={"per_page": 2})
    answer = api.v3(
        "GET", "/jobs", params={**httpx.URL(page.links["next"]["url"]).params, "per_page": 2}
    )
    assert answer.status_code == 422
    assert answer.json() == {
        "message": "Unprocessable Content",
        "errors": ["When passing a cursor, do not include other query params."],
    }


def test_v3_invalid_cursor_is_refused(api: ApiClient) -> None:
    page = api.v3("GET", "/jobs", params={"per_page": 2})
    cursor = httpx.URL(page.links["next"]["url"]).params["cursor"]
    assert api.v3("GET", "/jobs", params={"cursor": cursor}).status_code == 200
    assert api.v3("GET", "/jobs", params={"cursor": "nonsense"}).status_code == 422
    assert api.v3("GET", "/users", params={"cursor": cursor}).status_code == 422
    api.clock.advance_clock(3601)
    assert (
        api.v3("GET", "/jobs", params={"cursor": cursor}, token=api.request_token()).status_code
        == 422
    )


def test_v3_page_size_is_bounded(api: ApiClient) -> None:
    answer = api.v3("GET", "/jobs", params={"per_page": 600})
    assert answer.status_code == 422
    assert answer.json() == {
        "message": "Unprocessable Content",
        "errors": [{"per_page": "`600` number is greater than: 500"}],
    }


def test_v3_takes_at_most_50_ids(api: ApiClient) -> None:
    ids = api.sandbox.dataset().applications.ids
    fifty = ",".join(map(str, ids[:50]))
    assert len(api.v3("GET", "/applications", params={"ids": fifty}).json()) == 50
    more = ",".join(map(str, ids[:51]))
    assert api.v3("GET", "/applications", params={"ids": more}).status_code == 422
