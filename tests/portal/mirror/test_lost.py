"""Deletions between two page reads hide no other record."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.greenhouse import harvest_v1, harvest_v3
from integrations.greenhouse.sandbox import Sandbox
from portal.mirror import lost, sync
from portal.mirror.models import Application, Candidate, Job, RejectionReason, SeenPage, SyncRun
from tests.portal.mirror.truth import assert_equal

Scope, Status = SyncRun.Scope, SyncRun.Status
LISTS = [
    pytest.param("applications", Application, 40, "application_id", id="applications"),
    pytest.param("candidates", Candidate, 40, "candidate_id", id="candidates"),
    pytest.param("jobs", Job, 6, "job_id", id="jobs"),
    pytest.param("rejection_reasons", RejectionReason, 3, "reason_id", id="reasons"),
]


@pytest.fixture
def run_full_sync(work):
    def synced(connection: Any) -> SyncRun:
        run = sync.request(connection, Scope.FULL)
        work()
        run.refresh_from_db()
        return run

    return synced


@pytest.mark.parametrize(("name", "model", "per_page", "by"), LISTS)
@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
def test_deletion_between_pages_hides_no_record(
    connect, sandbox: Sandbox, run_full_sync, meanwhile, monkeypatch: pytest.MonkeyPatch,
    name: str, model: Any, per_page: int, by: str, few: bool,
) -> None:  # fmt: skip
    """The first record of page two moves to page one, which was already read."""
    connection = connect("harvest_key")
    monkeypatch.setitem(harvest_v1._LIST, "per_page", str(per_page))
    monkeypatch.setattr(lost, "FEW", lost.FEW if few else 0)
    ids = list(getattr(sandbox.world(), name).ids)
    deleted, hidden = ids[0], ids[per_page]
    mutation = (
        f"delete_{by.removesuffix('_id')}" if by != "reason_id" else "delete_rejection_reason"
    )
    meanwhile(f"/v1/{name}", lambda: sandbox.mutate(mutation, **{by: deleted}))
    before = len(sandbox.requests)
    run = run_full_sync(connection)
    assert run.status == Status.DONE
    gone_ids = [*model.objects.filter(gone_at__isnull=False).values_list("remote_id", flat=True)]
    assert hidden not in gone_ids
    step = run.steps.get(kind=name)
    assert not SeenPage.objects.exists()
    if not few or name == "rejection_reasons":
        assert step.read_twice
    else:
        single_reads = [
            e.path for e in list(sandbox.requests)[before:] if e.path.endswith(str(hidden))
        ]
        assert len(single_reads) == 1
    assert step.seen == len(ids) - step.read_twice
    run_full_sync(connection)  # the deleted record had been read before its deletion
    assert_equal(sandbox, "harvest_key")


def test_expired_cursor_counts_no_record_twice(
    connect, sandbox: Sandbox, run_full_sync, meanwhile, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v3 cursors live one hour [inferred], so the list restarts."""
    connection = connect()
    monkeypatch.setattr(harvest_v3, "PER_PAGE", "40")
    Application.objects.all().delete()
    meanwhile("/v3/applications", lambda: later(2 * 60 * 60), page=2)
    run = run_full_sync(connection)
    step = run.steps.get(kind="applications")
    assert (run.status, step.begun_anew) == (Status.DONE, True)
    assert step.seen == step.created == sandbox.stats()["applications"]
    assert (step.changed, step.unchanged) == (0, 0)
    assert step.pages == -(-step.seen // 40)
    assert_equal(sandbox, "harvest_oauth")
