"""Applications for the table: each untouched yet, in the state that a cell is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import bulk
from portal.mirror.models import Application
from tests.portal.applications.clicking import applications


@pytest.fixture
def fresh(sandbox: Sandbox) -> Callable[..., Application]:
    """An application that nobody touched yet, in this state here and in Greenhouse."""
    taken_already: set[int] = set()

    def taken(state: str = "active", *, of: str = "sam") -> Application:
        one = next(a for a in applications(of) if a.pk not in taken_already)
        taken_already.add(one.pk)
        if state == "rejected":
            sandbox.mutate("reject_application", application_id=one.remote_id)
            Application.objects.filter(pk=one.pk).update(status="rejected")
            one.refresh_from_db()
        return one

    return taken


@pytest.fixture
def finish(work, later):
    """Let the seconds of holding pass, and everything be done."""

    def finished() -> None:
        later(11)
        bulk.release()
        work()

    return finished
