from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableResponse
from integrations.http.link_header import build_target_url, find_next_target, get_relative_target

BASE = "https://harvest.example"
ASKED = f"{BASE}/v1/jobs?per_page=500"


@pytest.mark.parametrize(
    "header",
    [
        '<https://harvest.example/v1/jobs?page=2>; rel="next"',
        "<https://harvest.example/v1/jobs?page=2>; rel=next",
        '<https://harvest.example/v1/jobs?page=9>; rel="last", </v1/jobs?page=2>; rel="next"',
        '<https://HARVEST.example:443/v1/jobs?page=2>; title="a, b"; rel="next prev"',
    ],
)
def test_next_link_found_in_any_notation(header: str) -> None:
    assert find_next_target(header, request_url=ASKED, base=BASE) == "/v1/jobs?page=2"


@pytest.mark.parametrize("header", [None, "", "nonsense", f'<{ASKED}>; rel="last"'])
def test_page_without_next_link_is_last(header: str | None) -> None:
    assert find_next_target(header, request_url=ASKED, base=BASE) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/jobs?page=2",
        "http://harvest.example/v1/jobs?page=2",
        "https://harvest.example:8443/v1/jobs?page=2",
        "https://harvest.example@evil.example/v1/jobs",
        "https://user:pass@harvest.example/v1/jobs",
        "//evil.example/v1/jobs",
        "javascript:alert(1)",
        "https://harvest.example/v1/../../etc",
        "https://[harvest.example/v1/jobs",
    ],
)
def test_link_to_another_host_is_refused(url: str) -> None:
    with pytest.raises(UnreadableResponse):
        find_next_target(f'<{url}>; rel="next"', request_url=ASKED, base=BASE)


def test_link_outside_base_path_is_refused() -> None:
    base = "https://proxy.example/greenhouse"
    assert get_relative_target(f"{base}/v1/jobs?page=2", base=base) == "/v1/jobs?page=2"
    assert build_target_url("/v1/jobs?page=2", base=base) == f"{base}/v1/jobs?page=2"
    with pytest.raises(UnreadableResponse):
        get_relative_target("https://proxy.example/other/v1/jobs", base=base)


@pytest.mark.parametrize(
    "cursor", ["", "v1/jobs", "//evil.example/x", "https://evil.example/", "/v1/../x", "@evil/x"]
)
def test_unknown_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(UnreadableResponse):
        build_target_url(cursor, base=BASE)


HOSTS = ["harvest.example", "evil.example", "harvest.example:8443", "a@harvest.example", "[harvest"]
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https:", "HTTPS:", "http:", ""]),
    st.sampled_from(["//", "/", "\\\\", ""]),
    st.sampled_from(HOSTS) | st.text(max_size=5),
    st.sampled_from(["/v1/jobs?page=2", "/v1/../x", "", "?page=2#top"]),
)


@given(URLS)
@example("https://</v1/jobs?page=2")
def test_any_link_stays_on_configured_host(url: str) -> None:
    try:
        target = find_next_target(f'<{url}>; rel="next"', request_url=ASKED, base=BASE)
    except UnreadableResponse:
        return
    assert target is None or urlsplit(urljoin(ASKED, url)).hostname == "harvest.example"


@given(st.text() | URLS.map("<{}>; rel=next".format))
def test_any_header_is_followed_or_refused(header: str) -> None:
    try:
        target = find_next_target(header, request_url=ASKED, base=BASE)
        assert target is None or build_target_url(target, base=BASE).startswith(f"{BASE}/")
    except UnreadableResponse:
        return
