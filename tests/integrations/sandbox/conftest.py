from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox

from .api import Api, HandClock


@pytest.fixture
def make_api() -> Iterator[Callable[..., Api]]:
    """Start a sandbox with options; its clock stands still and its limits are off."""
    with ExitStack() as stack:

        def make(**options: Any) -> Api:
            clock = HandClock()
            options = {"v1_limit": 0, "v3_limit": 0, "clock": clock, **options}
            api = Api(stack.enter_context(Sandbox(**options)), clock)
            stack.callback(api.http.close)
            return api

        yield make


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """One sandbox for all the tests of a file that only read."""
    clock = HandClock()
    with Sandbox(v1_limit=0, v3_limit=0, token_limit=0, clock=clock) as sandbox:
        api = Api(sandbox, clock)
        yield api
        api.http.close()
