"""Applications for the table: each untouched yet, in the state that a cell is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.batches import runner
from portal.sync.models import Application
from tests.portal.applications.action_helpers import list_applications


@pytest.fixture
def pick_fresh_application(sandbox: Sandbox) -> Callable[..., Application]:
    """An application that nobody touched yet, in this state here and in Greenhouse."""
    used_pks: set[int] = set()

    def pick_application(state: str = "active", *, of: str = "sam") -> Application:
        application = next(a for a in list_applications(of) if a.pk not in used_pks)
        used_pks.add(application.pk)
        if state == "rejected":
            sandbox.run_mutation("reject_application", application_id=application.remote_id)
            Application.objects.filter(pk=application.pk).update(status="rejected")
            application.refresh_from_db()
        return application

    return pick_application


@pytest.fixture
def finish_actions(run_tasks, advance_clock):
    """Let the seconds of holding pass, and everything be done."""

    def release_and_run() -> None:
        advance_clock(11)
        runner.release_due_batches()
        run_tasks()

    return release_and_run
