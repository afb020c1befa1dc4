from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from tests.integrations.greenhouse.sandbox.api_client import ApiClient, ManualClock


@pytest.fixture
def make_api() -> Iterator[Callable[..., ApiClient]]:
    """Start a sandbox with options; its clock stands still and its limits are off."""
    with ExitStack() as stack:

        def make(**options: Any) -> ApiClient:
            clock = ManualClock()
            options = {"v1_limit": 0, "v3_limit": 0, "clock": clock, **options}
            api = ApiClient(stack.enter_context(Sandbox(**options)), clock)
            stack.callback(api.http.close)
            return api

        yield make


@pytest.fixture
def api(make_api: Callable[..., ApiClient]) -> ApiClient:
    return make_api()


@pytest.fixture(scope="module")
def shared() -> Iterator[ApiClient]:
    """One sandbox for all the tests of a file that only read."""
    clock = ManualClock()
    with Sandbox(v1_limit=0, v3_limit=0, token_limit=0, clock=clock) as sandbox:
        api = ApiClient(sandbox, clock)
        yield api
        api.http.close()
