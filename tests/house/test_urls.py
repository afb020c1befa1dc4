"""Every address of ours says who may open it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

# Not ours: Django's admin and allauth's pages about one's own account ask for themselves.
EXCEPTED = ("admin/", "account/", "sso/")


def _addresses(patterns: list[Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            yield address, pattern.callback


ADDRESSES = [
    found for found in _addresses(get_resolver().url_patterns) if not found[0].startswith(EXCEPTED)
]


@pytest.mark.parametrize(("address", "view"), ADDRESSES, ids=[address for address, _ in ADDRESSES])
def test_every_address_says_who_may_open_it(address: str, view: Any) -> None:
    policy = getattr(view, "policy", "")
    assert policy, f"/{address}: put member_only, admin_only or public(why) on its view"
    if policy.startswith("public"):
        assert len(policy) > len("public: ..."), f"/{address}: say why anybody may open it"
