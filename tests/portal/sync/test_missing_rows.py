"""Deletions between two page reads hide no other record."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.greenhouse.client import harvest_v1, harvest_v3
from integrations.greenhouse.sandbox import Sandbox
from portal.sync.engine import run_lifecycle
from portal.sync.integrity import missing_rows
from portal.sync.models import Application, Candidate, Job, RejectionReason, SeenPage, SyncRun
from tests.portal.sync.sandbox_truth import assert_sync_matches

Scope, Status = SyncRun.Scope, SyncRun.Status
LISTS = [
    pytest.param("applications", Application, 40, "application_id", id="applications"),
    pytest.param("candidates", Candidate, 40, "candidate_id", id="candidates"),
    pytest.param("jobs", Job, 6, "job_id", id="jobs"),
    pytest.param("rejection_reasons", RejectionReason, 3, "reason_id", id="reasons"),
]


@pytest.fixture
def run_full_sync(run_tasks):
    def synced(connection: Any) -> SyncRun:
        run = run_lifecycle.request_sync(connection, Scope.FULL)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


@pytest.mark.parametrize(("name", "model", "per_page", "by"), LISTS)
@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
def test_deletion_between_pages_hides_no_record(
    connect, sandbox: Sandbox, run_full_sync, on_response, advance_clock,
    monkeypatch: pytest.MonkeyPatch, name: str, model: Any, per_page: int, by: str, few: bool,
) -> None:  # fmt: skip
    """The first record of page two moves to page one, which was already read."""
    connection = connect("harvest_key")
    monkeypatch.setitem(harvest_v1._LIST_PARAMS, "per_page", str(per_page))
    monkeypatch.setattr(
        missing_rows, "MAX_SINGLE_LOOKUPS", missing_rows.MAX_SINGLE_LOOKUPS if few else 0
    )
    ids = list(getattr(sandbox.dataset(), name).ids)
    deleted, hidden = ids[0], ids[per_page]
    mutation = (
        f"delete_{by.removesuffix('_id')}" if by != "reason_id" else "delete_rejection_reason"
    )
    on_response(f"/v1/{name}", lambda: sandbox.run_mutation(mutation, **{by: deleted}))
    before = len(sandbox.requests)
    run = run_full_sync(connection)
    assert run.status == Status.DONE
    gone_ids = [*model.objects.filter(gone_at__isnull=False).values_list("remote_id", flat=True)]
    assert hidden not in gone_ids
    step = run.steps.get(kind=name)
    assert not SeenPage.objects.exists()
    if not few or name == "rejection_reasons":
        assert step.was_reread
    else:
        single_reads = [
            e.path for e in list(sandbox.requests)[before:] if e.path.endswith(str(hidden))
        ]
        assert len(single_reads) == 1
    assert step.read_count == len(ids) - step.was_reread
    advance_clock(7 * 24 * 3600)  # others' access is read once a week
    run_full_sync(connection)  # the deleted record had been read before its deletion
    assert_sync_matches(sandbox, "harvest_key")


def test_expired_cursor_counts_no_record_twice(
    connect,
    sandbox: Sandbox,
    run_full_sync,
    on_response,
    advance_clock,
    monkeypatch: pytest.MonkeyPatch,
    settings,
) -> None:
    """v3 cursors live one hour [inferred], so the list restarts."""
    settings.WORKER_TURN_SECONDS = 3 * 60 * 60  # the jump of the clock ends no turn
    connection = connect()
    monkeypatch.setattr(harvest_v3, "PER_PAGE", "40")
    Application.objects.all().delete()
    on_response("/v3/applications", lambda: advance_clock(2 * 60 * 60), page=2)
    run = run_full_sync(connection)
    step = run.steps.get(kind="applications")
    assert (run.status, step.restarted) == (Status.DONE, True)
    assert step.read_count == step.created == sandbox.count_records()["applications"]
    assert (step.changed, step.unchanged) == (0, 0)
    assert step.pages == -(-step.read_count // 40)
    assert_sync_matches(sandbox, "harvest_oauth")
