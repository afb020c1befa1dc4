"""A full SQLite disk leaves no partial data, and work resumes once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.applications.tasks import recover_lost_actions, send_action
from portal.sync import tasks
from portal.sync.engine import run_lifecycle, run_recovery
from portal.sync.models import Application, Job, SyncRun
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    get_sandbox_application,
    list_applications,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.sync.sandbox_truth import assert_sync_matches

pytestmark = pytest.mark.sqlite


@contextmanager
def _fill_disk() -> Iterator[None]:
    """Cap the page count so that SQLite reports a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # leave no free pages within the file
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        (limit,) = cursor.execute("PRAGMA max_page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count = {limit}")


def test_sync_resumes_after_disk_full(connect, sandbox: Sandbox, advance_clock) -> None:
    connection = connect()
    Application.objects.all().delete()
    Job.objects.all().delete()
    run, _ = run_lifecycle.get_or_create_run(connection, by=None)
    with _fill_disk(), pytest.raises(OperationalError, match="full"):
        tasks.run_sync(run.pk)
    assert not Application.objects.exists()
    run.refresh_from_db()
    assert run.is_open
    advance_clock(run_lifecycle.get_heartbeat_timeout().total_seconds() + 1)
    run_recovery.recover_stalled_runs()
    run.refresh_from_db()
    tasks.run_sync(run.pk)
    run.refresh_from_db()
    assert run.status == SyncRun.Status.DONE
    assert_sync_matches(sandbox, "harvest_oauth")


def test_action_saved_or_reported_as_failed(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock
) -> None:
    connect()
    remy, notes = sign_in(personas.remy), "thin " * 390
    remy.raise_request_exception = False
    statuses: dict[int, int] = {}
    with _fill_disk():
        for application in list_applications():
            statuses[application.pk] = reject_application(
                remy, application, notes=notes
            ).status_code
            if statuses[application.pk] == 500:
                break
    assert 500 in statuses.values()
    saved = set(ApplicationAction.objects.values_list("application", flat=True))
    assert saved == {pk for pk, status in statuses.items() if status == 200}
    assert (
        reject_application(remy, application, notes=notes).status_code == 200
    )  # the disk has room again
    advance_clock(20)
    outbox.release_due_actions()
    run_tasks()
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {"done"}
    assert len(list_writes(sandbox)) == len(saved) + 1


def test_accepted_write_reread_after_disk_full(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock
) -> None:
    """Greenhouse accepted the write, but the outcome could not be stored."""
    connect()
    application = find_application()
    submit_action(sign_in(personas.remy), "advance", application)
    action = ApplicationAction.objects.get()

    def fail_after_response(execute, sql, *args):
        if list_writes(sandbox) and not sql.startswith("SELECT"):
            raise OperationalError("database or disk is full")
        return execute(sql, *args)

    with connection.execute_wrapper(fail_after_response), pytest.raises(OperationalError):
        send_action(action.pk)
    assert len(list_writes(sandbox)) == 1
    advance_clock(4 * 60)
    recover_lost_actions()
    run_tasks()
    action.refresh_from_db()
    application.refresh_from_db()
    assert action.status == ApplicationAction.Status.DONE
    assert len(list_writes(sandbox)) == 1
    assert application.stage_remote_id == get_sandbox_application(sandbox, application).stage_id
