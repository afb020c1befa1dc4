"""Every URL of the portal declares who may open it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

# Django's admin and allauth's account pages check access themselves.
EXCEPTED = ("admin/", "account/", "sso/^")


def _list_urls(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        url = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _list_urls(pattern.url_patterns, url)
        elif isinstance(pattern, URLPattern):
            yield url, pattern.callback


URLS = [
    (url, view)
    for url, view in _list_urls(get_resolver().url_patterns)
    if not url.startswith(EXCEPTED)
]


@pytest.mark.parametrize(("url", "view"), URLS, ids=[url for url, _ in URLS])
def test_url_declares_who_may_open_it(url: str, view: Any) -> None:
    policy = getattr(view, "policy", "")
    assert policy, f"/{url}: put member_only, admin_only or public(why) on its view"
    if policy.startswith("public"):
        assert len(policy) > len("public: ..."), f"/{url}: say why anybody may open it"
