from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integrations.greenhouse.provider_bench import (
    V1,
    V3,
    ManualClock,
    ProviderBench,
    create_sandbox,
    open_provider_bench,
)

OpenBench = Callable[..., ProviderBench]


@pytest.fixture
def open_bench() -> Iterator[OpenBench]:
    """Open a provider on a sandbox of its own: `open_bench(kind, lane=…, jobs=…)`."""
    with ExitStack() as stack:

        def open_provider(
            kind: str,
            *,
            clock: ManualClock | None = None,
            secrets: dict[str, str] | None = None,
            wired: dict[str, Any] | None = None,
            **options: Any,
        ) -> ProviderBench:
            clock = clock or ManualClock()
            sandbox = stack.enter_context(create_sandbox(clock, **({"jobs": 6} | options)))
            bench = open_provider_bench(kind, sandbox.url, clock, secrets=secrets, **(wired or {}))
            bench.sandbox = sandbox
            return bench

        yield open_provider


@pytest.fixture(params=[V1, V3])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str, open_bench: OpenBench) -> ProviderBench:
    return open_bench(kind)
