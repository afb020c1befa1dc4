from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableAnswer
from integrations.http.links import next_target, target_of, url_of

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
def test_the_next_page_is_found_in_every_spelling(header: str) -> None:
    assert next_target(header, asked=ASKED, base=BASE) == "/v1/jobs?page=2"


@pytest.mark.parametrize("header", [None, "", "nonsense", f'<{ASKED}>; rel="last"'])
def test_without_a_next_link_it_was_the_last_page(header: str | None) -> None:
    assert next_target(header, asked=ASKED, base=BASE) is None


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
    ],
)
def test_a_link_to_another_place_is_never_followed(url: str) -> None:
    with pytest.raises(UnreadableAnswer):
        next_target(f'<{url}>; rel="next"', asked=ASKED, base=BASE)


def test_a_link_outside_the_configured_path_is_never_followed() -> None:
    base = "https://proxy.example/greenhouse"
    assert target_of(f"{base}/v1/jobs?page=2", base=base) == "/v1/jobs?page=2"
    assert url_of("/v1/jobs?page=2", base=base) == f"{base}/v1/jobs?page=2"
    with pytest.raises(UnreadableAnswer):
        target_of("https://proxy.example/other/v1/jobs", base=base)


@pytest.mark.parametrize(
    "cursor", ["", "v1/jobs", "//evil.example/x", "https://evil.example/", "/v1/../x", "@evil/x"]
)
def test_a_place_to_go_on_from_that_we_never_gave_is_refused(cursor: str) -> None:
    with pytest.raises(UnreadableAnswer):
        url_of(cursor, base=BASE)


@given(st.text())
def test_whatever_the_header_says_we_stay_where_we_are(header: str) -> None:
    try:
        target = next_target(header, asked=ASKED, base=BASE)
    except (UnreadableAnswer, ValueError):
        return
    assert target is None or url_of(target, base=BASE).startswith(f"{BASE}/")
