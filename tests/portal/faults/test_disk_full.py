"""A full SQLite disk leaves no partial data, and work resumes once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction
from portal.applications.tasks import send, sweep
from portal.mirror import sync, tasks
from portal.mirror.models import Application, Job, SyncRun
from tests.cast import Cast
from tests.portal.applications.clicking import (
    an_application,
    applications,
    click,
    reject,
    truth,
    writes,
)
from tests.portal.mirror.truth import assert_equal

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


def test_sync_resumes_after_disk_full(connect, sandbox: Sandbox, later) -> None:
    connection = connect()
    Application.objects.all().delete()
    Job.objects.all().delete()
    run, _ = sync.open_run(connection, by=None)
    with _fill_disk(), pytest.raises(OperationalError, match="full"):
        tasks.run(run.pk)
    assert not Application.objects.exists()
    run.refresh_from_db()
    assert run.is_open
    later(sync.silent_after().total_seconds() + 1)
    sync.sweep()
    run.refresh_from_db()
    tasks.run(run.pk)
    run.refresh_from_db()
    assert run.status == SyncRun.Status.DONE
    assert_equal(sandbox, "harvest_oauth")


def test_action_saved_or_reported_as_failed(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later
) -> None:
    connect()
    remy, notes = sign_in(cast.remy), "thin " * 390
    remy.raise_request_exception = False
    statuses: dict[int, int] = {}
    with _fill_disk():
        for application in applications():
            statuses[application.pk] = reject(remy, application, notes=notes).status_code
            if statuses[application.pk] == 500:
                break
    assert 500 in statuses.values()
    saved = set(ApplicationAction.objects.values_list("application", flat=True))
    assert saved == {pk for pk, status in statuses.items() if status == 200}
    assert reject(remy, application, notes=notes).status_code == 200  # the disk has room again
    later(20)
    outbox.release()
    work()
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {"done"}
    assert len(writes(sandbox)) == len(saved) + 1


def test_accepted_write_reread_after_disk_full(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later
) -> None:
    """Greenhouse accepted the write, but the outcome could not be stored."""
    connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    action = ApplicationAction.objects.get()

    def fail_after_response(execute, sql, *args):
        if writes(sandbox) and not sql.startswith("SELECT"):
            raise OperationalError("database or disk is full")
        return execute(sql, *args)

    with connection.execute_wrapper(fail_after_response), pytest.raises(OperationalError):
        send(action.pk)
    assert len(writes(sandbox)) == 1
    later(4 * 60)
    sweep()
    work()
    action.refresh_from_db()
    application.refresh_from_db()
    assert action.status == ApplicationAction.Status.DONE
    assert len(writes(sandbox)) == 1
    assert application.stage_remote_id == truth(sandbox, application).stage_id
