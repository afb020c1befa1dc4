"""Things that happen in Greenhouse, or here, while Greenhouse is being asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from integrations.greenhouse.sandbox import Sandbox

Meanwhile = Callable[..., None]


@pytest.fixture
def meanwhile(sandbox: Sandbox) -> Meanwhile:
    """Let something happen, once, when a path is asked for: before its answer, or right after it.

    The answer is made before what happens, so that it is the older truth.
    """
    answered = sandbox.app.handle

    def at(path: str, deed: Callable[[], Any], *, page: int = 1) -> None:
        inner, left = sandbox.app.handle, [page]

        def handle(request: Any) -> Any:
            response = inner(request)
            if request.path == path and left[0]:
                left[0] -= 1
                if not left[0]:
                    deed()
                    connections.close_all()  # those of the sandbox's thread
            return response

        sandbox.app.handle = handle  # type: ignore[method-assign]

    yield at
    sandbox.app.handle = answered  # type: ignore[method-assign]
