"""Granting a permission takes nothing away: what it opens is read at once, and until then the old
rule holds. Pages are polled at every request to Greenhouse and after every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.core.broker import task_turns
from portal.core.database.thread_connections import ThreadOwner
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun, SyncStep
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import build_action_url, find_application
from tests.portal.sync.permission_changes import grant_permissions, revoke_permissions
from tests.queue import run_next_task, run_tasks

pytestmark = pytest.mark.slow("polls pages at every request to Greenhouse")

GRANTS = "user_permissions.list_job_permissions"
REASONS = "rejection_reasons.list"
CANDIDATES = ("candidates.list", "candidates.retrieve")
LIVE = "/setup/live/"


@pytest.fixture(autouse=True)
def _pause_after_each_page(monkeypatch: pytest.MonkeyPatch, time_machine) -> None:
    """A sync continues in another task after each page, and no time passes."""
    monkeypatch.setattr(task_turns, "TURN_SECONDS", 0)
    time_machine.move_to("2026-11-24T09:00:00Z", tick=False)


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


@contextmanager
def _polled_at_every_request(sandbox: Sandbox, poll: Callable[[], object]) -> Iterator[None]:
    original_handle, owner, lock = sandbox.app.handle, ThreadOwner(), Lock()

    def handle(request: Any) -> Any:
        with lock, owner.lend_scope():  # a check sends several requests at a time
            poll()
        return original_handle(request)

    sandbox.app.handle = handle  # type: ignore[method-assign]
    try:
        yield
    finally:
        sandbox.app.handle = original_handle  # type: ignore[method-assign]


def _check_and_sync(sandbox: Sandbox, ada: Client, poll: Callable[[], object]) -> None:
    """Run the check and what it starts, task by task. Nothing is requested by the clock."""
    with _polled_at_every_request(sandbox, poll):
        ada.post("/setup/permissions/")
        poll()
        while run_next_task():
            poll()


def _count_jobs(client: Client) -> int:
    return len(client.get("/requisitions/").context.get("rows", []))


def test_granting_job_permissions_drops_nobody(
    connect, sandbox: Sandbox, ada: Client, personas: Personas, sign_in, kind: str
) -> None:
    connection = connect(kind, without={GRANTS})
    clients = {name: sign_in(getattr(personas, name)) for name in ("remy", "vic")}
    polled: list[dict[str, int]] = []

    def poll() -> None:
        polled.append({name: _count_jobs(client) for name, client in clients.items()})

    poll()
    assert min(polled[0].values()) > 0
    grant_permissions(sandbox, connection, GRANTS)
    _check_and_sync(sandbox, ada, poll)
    expected = sandbox.count_records()["visible_open_job_ids"]
    assert polled[-1] == {name: len(expected[name]) for name in clients}
    assert len(polled) > 10
    for name in clients:
        numbers = [row[name] for row in polled]
        assert numbers == sorted(numbers)


@any_generation
def test_reject_turns_on_with_its_reasons(
    connect, sandbox: Sandbox, ada: Client, personas: Personas, sign_in, kind: str
) -> None:
    connection = connect(kind, without={REASONS})
    sam, application = sign_in(personas.sam), find_application("sam")
    polled: list[int] = []

    def poll() -> None:
        response = sam.get(build_action_url("reject", application.pk), HTTP_HX_REQUEST="true")
        is_on = response.context["option"].allowed
        polled.append(response.context["form"].fields["reason"].queryset.count() if is_on else -1)

    poll()
    grant_permissions(sandbox, connection, REASONS)
    _check_and_sync(sandbox, ada, poll)
    assert polled[0] == -1 < polled[-1]
    assert 0 not in polled
    assert polled == sorted(polled)


@any_generation
def test_live_page_says_syncing_until_read(connect, sandbox: Sandbox, ada: Client, kind) -> None:
    connection = connect(kind, without={GRANTS, REASONS})
    polled: list[tuple[bool, bool]] = []

    def poll() -> None:
        context = ada.get(LIVE).context
        if context is not None:
            syncing = {feature.key for feature in context["syncing"]}
            polled.append(("job_admins" in syncing, "reject" in syncing))

    grant_permissions(sandbox, connection, GRANTS, REASONS)
    _check_and_sync(sandbox, ada, poll)
    assert (True, True) in polled
    assert polled[-1] == (False, False)


@any_generation
def test_granting_candidates_hides_no_application(
    connect, sandbox: Sandbox, ada: Client, personas: Personas, sign_in, kind: str
) -> None:
    connection = connect(kind, without=set(CANDIDATES))
    remy = sign_in(personas.remy)
    job = remy.get("/requisitions/").context["rows"][0].job
    polled: list[int] = []

    def poll() -> None:
        response = remy.get(f"/requisitions/{job.pk}/")
        polled.append(response.context["page"].count)

    poll()
    grant_permissions(sandbox, connection, *CANDIDATES)
    _check_and_sync(sandbox, ada, poll)
    assert polled[0] > 0
    assert min(polled) == polled[-1]


@any_generation
def test_permission_regranted_between_syncs_needs_none(
    connect, sandbox: Sandbox, ada: Client, kind: str
) -> None:
    connection = connect(kind)
    runs = SyncRun.objects.count()
    revoke_permissions(sandbox, connection, GRANTS)
    ada.post("/setup/permissions/")
    run_tasks()
    grant_permissions(sandbox, connection, GRANTS)
    ada.post("/setup/permissions/")
    run_tasks()
    assert SyncRun.objects.count() == runs


@any_generation
def test_list_granted_during_a_sync_is_read_after_it(
    connect, sandbox: Sandbox, ada: Client, kind: str
) -> None:
    connection = connect(kind, without={REASONS})
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    grant_permissions(sandbox, connection, REASONS)
    ada.post("/setup/permissions/")
    run_tasks()
    step = SyncStep.objects.filter(kind="rejection_reasons").order_by("run_id").last()
    assert step.status == SyncStep.Status.DONE
    connection.refresh_from_db()
    assert connection.unread_lists == {}


@any_generation
def test_refused_grants_keep_the_hiring_team_rule(
    connect, sandbox: Sandbox, ada: Client, personas: Personas, sign_in, kind: str
) -> None:
    connection = connect(kind, without={GRANTS})
    remy = sign_in(personas.remy)
    before = _count_jobs(remy)
    grant_permissions(sandbox, connection, GRANTS)
    sandbox.faults.add_fault("/v3/user_job_permissions", status=403, times=None)
    ada.post("/setup/permissions/")
    run_tasks()
    assert _count_jobs(remy) == before
