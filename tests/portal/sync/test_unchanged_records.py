"""A sync prepares and writes only records that Greenhouse changed, and whatever else is due."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.engine import run_lifecycle, unchanged_records
from portal.sync.engine.run_lifecycle import Scope
from portal.sync.engine.upsert import UpsertTable
from portal.sync.models import (
    NO_FINGERPRINTS,
    Application,
    AtsUser,
    Candidate,
    JobPost,
    Opening,
    Stage,
    SyncRun,
)
from tests.api_generations import any_generation
from tests.portal.sync.sandbox_truth import assert_sync_matches

COMPARED = (Candidate, Application, Stage, JobPost)  # v1's openings come with their jobs


@pytest.fixture
def run_full_sync(run_tasks):
    def run_sync(connection: Any) -> SyncRun:
        run = run_lifecycle.request_sync(connection, Scope.FULL)
        run_tasks()
        run.refresh_from_db()
        assert run.status == SyncRun.Status.DONE
        return run

    return run_sync


@pytest.fixture
def prepared_rows(monkeypatch: pytest.MonkeyPatch) -> Counter[type]:
    """How many rows of each model were prepared to be written."""
    counts: Counter[type] = Counter()
    original = UpsertTable.write

    def write(table: UpsertTable, connection: Any, rows: Any) -> Any:
        prepared = list(rows)
        counts[table.model] += len(prepared)
        return original(table, connection, prepared)

    monkeypatch.setattr(UpsertTable, "write", write)
    return counts


def test_unchanged_records_are_not_prepared(
    connect, sandbox: Sandbox, run_full_sync, prepared_rows: Counter[type], kind: str
) -> None:
    """Links that are signed anew each day, and the days in a stage, are no changes."""
    connection = connect(kind)
    prepared_rows.clear()
    sandbox.run_mutation("pass_days", days=1)
    run = run_full_sync(connection)
    assert {model: prepared_rows[model] for model in COMPARED} == dict.fromkeys(COMPARED, 0)
    assert kind == "harvest_key" or not prepared_rows[Opening]
    step = run.steps.get(kind="candidates")
    assert step.read_count == step.unchanged == Candidate.objects.count()
    assert_sync_matches(sandbox, kind)


def test_only_changed_record_is_prepared(
    connect, sandbox: Sandbox, run_full_sync, prepared_rows: Counter[type], kind: str
) -> None:
    connection = connect(kind)
    candidate = Candidate.objects.exclude(first_name="").first()
    sandbox.run_mutation(
        "rename_candidate", candidate_id=candidate.remote_id, first_name="Re", last_name="Named"
    )
    prepared_rows.clear()
    run = run_full_sync(connection)
    assert prepared_rows[Candidate] == run.steps.get(kind="candidates").changed == 1
    candidate.refresh_from_db()
    assert candidate.first_name == "Re"


def test_known_content_is_compared_from_then_on(
    connect, run_full_sync, prepared_rows: Counter[type], kind: str
) -> None:
    """As after an update of the portal, which compares what earlier versions did not."""
    connection = connect(kind)
    for model in COMPARED:
        model._default_manager.update(source_fingerprint=None)
    changed_at = set(Application.objects.values_list("pk", "changed_at"))
    prepared_rows.clear()
    run_full_sync(connection)
    assert prepared_rows[Application] == Application.objects.count()
    assert set(Application.objects.values_list("pk", "changed_at")) == changed_at
    prepared_rows.clear()
    run_full_sync(connection)
    assert {model: prepared_rows[model] for model in COMPARED} == dict.fromkeys(COMPARED, 0)


@any_generation
def test_own_writes_are_corrected(connect, sandbox: Sandbox, run_full_sync, kind: str) -> None:
    connection = connect(kind)
    Candidate.objects.update(can_email=False, **NO_FINGERPRINTS)
    Stage.objects.update(gone_at=timezone.now())
    run_full_sync(connection)
    can_email = {row.id: row.can_email for row in sandbox.dataset().candidates}
    assert dict(Candidate.objects.values_list("remote_id", "can_email")) == can_email
    assert not Stage.objects.exclude(gone_at=None).exists()


@any_generation
def test_returned_recruiter_is_linked_again(connect, run_full_sync, kind: str) -> None:
    connection = connect(kind)
    application = Application.objects.exclude(recruiter=None).first()
    user = application.recruiter
    AtsUser.objects.filter(pk=user.pk).delete()
    application.refresh_from_db()
    assert application.recruiter is None
    run_full_sync(connection)
    application.refresh_from_db()
    assert application.recruiter.remote_id == user.remote_id


def test_custom_field_made_private_is_removed(
    connect, sandbox: Sandbox, run_full_sync, kind: str
) -> None:
    connection = connect(kind)
    dataset = sandbox.dataset()
    field = next(row for row in dataset.custom_fields if row.name_key == "notice_period")
    assert any("notice_period" in row.custom for row in Application.objects.all())
    dataset.update_record(field, private=True)
    run_full_sync(connection)
    assert not any("notice_period" in row.custom for row in Application.objects.all())


@any_generation
def test_new_version_of_code_prepares_all(
    connect, run_full_sync, prepared_rows: Counter[type], monkeypatch, kind: str
) -> None:
    connection = connect(kind)
    prepared_rows.clear()
    monkeypatch.setattr(unchanged_records, "_compute_code_version", lambda: "next")
    run_full_sync(connection)
    assert prepared_rows[Candidate] == Candidate.objects.count()


@any_generation
def test_rotated_key_prepares_all(
    connect, run_full_sync, prepared_rows: Counter[type], settings, kind: str
) -> None:
    connection = connect(kind)
    prepared_rows.clear()
    settings.FIELD_ENCRYPTION_KEY = [
        "bmV3LWtleS1mb3ItdGVzdHMtb25seS0zMi1ieXRlcyE=",
        *settings.FIELD_ENCRYPTION_KEY,
    ]
    run_full_sync(connection)
    assert prepared_rows[Candidate] == Candidate.objects.count()
