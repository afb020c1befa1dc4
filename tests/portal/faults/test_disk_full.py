"""SQLite's disk is full: nothing half is kept, what waits goes on once there is room."""

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
def _full_disk() -> Iterator[None]:
    """Not one page more. SQLite answers as it does for a disk without room."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no room left within the file, either
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        (limit,) = cursor.execute("PRAGMA max_page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count = {limit}")


def test_a_sync_that_meets_it_goes_on_from_where_it_was(connect, sandbox: Sandbox, later) -> None:
    made = connect()
    Application.objects.all().delete()
    Job.objects.all().delete()
    run, _ = sync.open_run(made, by=None)
    with _full_disk(), pytest.raises(OperationalError, match="full"):
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


def test_a_click_is_either_kept_or_told_to_have_failed(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later
) -> None:
    """With notes, which take room."""
    connect()
    remy, notes = sign_in(cast.remy), "thin " * 390
    remy.raise_request_exception = False
    told: dict[int, int] = {}
    with _full_disk():
        for application in applications():
            told[application.pk] = reject(remy, application, notes=notes).status_code
            if told[application.pk] == 500:
                break
    assert 500 in told.values()
    kept = set(ApplicationAction.objects.values_list("application", flat=True))
    assert kept == {pk for pk, status in told.items() if status == 200}
    assert reject(remy, application, notes=notes).status_code == 200  # there is room again
    later(20)
    outbox.release()
    work()
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {"done"}
    assert len(writes(sandbox)) == len(kept) + 1


def test_greenhouse_did_it_and_the_disk_could_not_keep_it(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later
) -> None:
    """The worst moment: between Greenhouse's answer and our row. It is read back, not repeated."""
    connect()
    application = an_application()
    click(sign_in(cast.remy), "advance", application)
    action = ApplicationAction.objects.get()

    def full_after_the_answer(execute, sql, *told):
        if writes(sandbox) and not sql.startswith("SELECT"):
            raise OperationalError("database or disk is full")
        return execute(sql, *told)

    with connection.execute_wrapper(full_after_the_answer), pytest.raises(OperationalError):
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
