"""Things that happen in Greenhouse, or here, while Greenhouse is being asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.core.database.thread_connections import ThreadOwner

OnResponse = Callable[..., None]


@pytest.fixture
def on_response(sandbox: Sandbox) -> OnResponse:
    """Let something happen, once, when a path is asked for: before its answer, or right after it.

    The answer is made before what happens, so that it is the older truth.
    """
    original_handle, owner = sandbox.app.handle, ThreadOwner()

    def register_callback(path: str, callback: Callable[[], Any], *, page: int = 1) -> None:
        inner, remaining = sandbox.app.handle, [page]

        def handle(request: Any) -> Any:
            response = inner(request)
            if request.path == path and remaining[0]:
                remaining[0] -= 1
                if not remaining[0]:
                    with owner.lend_scope():  # in the sandbox's thread
                        callback()
            return response

        sandbox.app.handle = handle  # type: ignore[method-assign]

    yield register_callback
    sandbox.app.handle = original_handle  # type: ignore[method-assign]
