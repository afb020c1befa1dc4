"""Each test begins without tries: allauth counts them in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _no_tries_of_other_tests() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
