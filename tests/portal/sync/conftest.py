"""Things that happen in Greenhouse, or here, while Greenhouse is being asked."""

from __future__ import annotations

import json
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


@pytest.fixture
def alter_jobs(sandbox: Sandbox):
    """Answer lists of jobs with a field of the first one replaced."""
    original = sandbox.app.handle
    altered: dict[str, int] = {}

    def alter(field: str, prefix: bytes = b"") -> dict[str, int]:
        def handle(request: Any) -> Any:
            response = original(request)
            if request.path == "/v3/jobs" and request.method == "GET":
                jobs = json.loads(response.body)
                if isinstance(jobs, list) and jobs:
                    altered["id"] = jobs[0]["id"]
                    name = field.split(":")[0].strip('"')
                    jobs[0].pop(name, None)
                    first = json.dumps(jobs[0])[:-1] + f", {field}}}"
                    texts = [first, *map(json.dumps, jobs[1:])]
                    response.body = prefix + f"[{','.join(texts)}]".encode()
            return response

        sandbox.app.handle = handle  # type: ignore[method-assign]
        return altered

    yield alter
    sandbox.app.handle = original  # type: ignore[method-assign]
