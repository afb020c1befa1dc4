"""Unexpected errors: one record, read or run fails, the others go on, and nothing is quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DataError
from django.db import connection as database

from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync.engine import run_lifecycle
from portal.sync.engine.worker import SyncWorker
from portal.sync.models import Job, RefreshRequest, SyncRun, SyncStep
from portal.sync.records import refresh_requests
from portal.sync.records.refresh_requests import Kind
from tests import tables

MARKER = "Zelda Quickenmarker"
ODD_PLACES = {
    "reference": f'"department_id": "{MARKER}"',
    "list instead of text": f'"name": ["{MARKER}"]',
    "field name": f'"office_ids": {{"{MARKER}": "{MARKER}"}}',
    "half a surrogate pair": f'"name": "{MARKER} \\ud83d"',
}


@contextmanager
def _refuse_marked_rows() -> Iterator[None]:
    """The database refuses statements with the marker and quotes it, as PostgreSQL does."""

    def refuse(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if MARKER in str(params):
            raise DataError(f"value is not valid\nDETAIL: Failing row contains ({MARKER}).")
        return execute(sql, params, *rest)

    with database.execute_wrapper(refuse):
        yield


def _run_full_sync(connection: Connection, run_tasks: Callable[[], int]) -> SyncRun:
    run = run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()
    run.refresh_from_db()
    return run


def _assert_marker_is_nowhere(log: str) -> None:
    assert MARKER.split()[1] not in log
    assert not tables.is_text_stored(MARKER.split()[1])


@pytest.mark.parametrize("field", ODD_PLACES.values(), ids=ODD_PLACES)
def test_unreadable_record_is_never_quoted(
    connect, run_tasks, alter_jobs, production_log, field: str
) -> None:
    connection = connect()
    altered = alter_jobs(field)
    run = _run_full_sync(connection, run_tasks)
    assert run.steps.get(kind="jobs").unreadable_ids == [str(altered["id"])]
    refresh_requests.request_refresh(connection, Kind.JOB, altered["id"])
    run_tasks()
    _assert_marker_is_nowhere(production_log())


def test_unwritable_record_is_isolated(connect, run_tasks, alter_jobs, production_log) -> None:
    connection = connect()
    Job.objects.all().update(name="Renamed", fingerprint=0)
    altered = alter_jobs(f'"name": "{MARKER}"')
    with _refuse_marked_rows():
        run = _run_full_sync(connection, run_tasks)
    assert run.status == SyncRun.Status.DONE
    step = run.steps.get(kind="jobs")
    assert (step.unreadable_count, step.unreadable_ids) == (1, [str(altered["id"])])
    assert Job.objects.get(name="Renamed").remote_id == altered["id"]  # all others were written
    assert str(altered["id"]) in Issue.objects.get(cause="unreadable_records").description
    assert "DataError at portal/" in production_log()
    _assert_marker_is_nowhere(production_log())


def test_unwritable_refresh_is_never_quoted(connect, run_tasks, alter_jobs, production_log) -> None:
    connection = connect()
    job = Job.objects.filter(status="open").first()
    alter_jobs(f'"name": "{MARKER}"')
    with _refuse_marked_rows():
        refresh_requests.request_refresh(connection, Kind.JOB, job.remote_id)
        run_tasks()
    assert not RefreshRequest.objects.filter(remote_id=job.remote_id).exists()
    assert Issue.objects.filter(cause=Issue.Cause.REFRESH_FAILED, closed_at=None).exists()
    assert "DataError" in production_log()
    _assert_marker_is_nowhere(production_log())


def test_unexpected_error_fails_run_and_next_works(
    connect, run_tasks, monkeypatch: pytest.MonkeyPatch, production_log
) -> None:
    connection = connect()
    run_step = SyncWorker._run_step

    def fail_at_jobs(worker: SyncWorker, definition: Any, *rest: Any) -> None:
        if definition.kind == "jobs":
            raise ValueError(MARKER) from KeyError(MARKER)
        run_step(worker, definition, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SyncWorker, "_run_step", fail_at_jobs)
        for _ in range(3):
            run = _run_full_sync(connection, run_tasks)
            assert run.status == SyncRun.Status.FAILED
            assert run.failure == (
                "The sync stopped because of an unexpected error. It restarts automatically."
            )
            assert not run.steps.filter(status=SyncStep.Status.RUNNING).exists()
    issue = Issue.objects.get(cause=Issue.Cause.SYNC_FAILING, closed_at=None)
    assert "ValueError" in production_log()
    _assert_marker_is_nowhere(production_log())
    assert _run_full_sync(connection, run_tasks).status == SyncRun.Status.DONE
    issue.refresh_from_db()
    assert issue.closed_at is not None
