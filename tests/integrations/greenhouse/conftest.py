from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integrations.greenhouse.hand import V1, V3, Bench, HandClock, open_on, sandbox_on

Open = Callable[..., Bench]


@pytest.fixture
def open_bench() -> Iterator[Open]:
    """Open a provider on a sandbox of its own: `open_bench(kind, lane=…, jobs=…)`."""
    with ExitStack() as stack:

        def opened(
            kind: str,
            *,
            clock: HandClock | None = None,
            secrets: dict[str, str] | None = None,
            wired: dict[str, Any] | None = None,
            **options: Any,
        ) -> Bench:
            clock = clock or HandClock()
            sandbox = stack.enter_context(sandbox_on(clock, **({"jobs": 6} | options)))
            bench = open_on(kind, sandbox.url, clock, secrets=secrets, **(wired or {}))
            bench.sandbox = sandbox
            return bench

        yield opened


@pytest.fixture(params=[V1, V3])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str, open_bench: Open) -> Bench:
    return open_bench(kind)
