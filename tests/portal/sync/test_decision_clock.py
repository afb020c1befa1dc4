"""Since when an application needs a decision, and when it got one, as far as Greenhouse tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.ats import types as ats
from integrations.ats.types import StageEntry
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.sync.engine import run_lifecycle
from portal.sync.models import Application, Job, Stage, SyncRun
from portal.sync.records import stage_history
from portal.sync.writers.application_records import write_applications
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application, submit_action
from tests.portal.entitlements import synced_data

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENTRY = 7001


@pytest.fixture
def connection(time_machine) -> Connection:
    time_machine.move_to(MONDAY, tick=False)
    return ConnectionFactory(state="live")


@pytest.fixture
def job(connection: Connection) -> Job:
    return synced_data.create_job(connection)


@pytest.fixture
def stages(job: Job) -> list[Stage]:
    return [
        synced_data.create_stage(job, name, order=n) for n, name in enumerate(("First", "Next"))
    ]


@pytest.fixture
def write(connection: Connection, job: Job, stages: list[Stage], time_machine):
    """Read the application again `at` a time, with these values."""
    candidate = synced_data.create_candidate(connection)

    def write_application(at: datetime, *, stage: int = 0, **values: Any) -> Application:
        time_machine.move_to(at, tick=False)
        fields = {
            "id": 5001,
            "candidate_id": candidate.remote_id,
            "job_id": job.remote_id,
            "status": "active",
            "needs_decision": True,
            "stage_id": stages[stage].remote_id,
            "stage_entry_id": ENTRY + stage,
            "applied_at": MONDAY,
            "last_activity_at": at,
        }
        write_applications(connection, [ats.Application(**fields | values)])
        return Application.objects.get()

    return write_application


def _clock(application: Application) -> tuple[datetime | None, ...]:
    return (
        application.decision_needed_at,
        application.answered_at,
        application.answer_needed_at,
    )


def _write_history(connection: Connection, entered_at: datetime | None, *, stage: int = 0) -> None:
    entry = StageEntry(
        id=ENTRY + stage, application_id=5001, stage_id=1, entered_at=entered_at, current=True
    )
    stage_history.write_stage_entries(connection, [entry])


def test_clock_starts_on_applying(write) -> None:
    assert _clock(write(MONDAY + HOUR)) == (MONDAY, None, None)


def test_start_unknown_in_later_stage(write, connection: Connection) -> None:
    assert _clock(write(MONDAY, stage=1)) == (None, None, None)
    _write_history(connection, None, stage=1)  # backfilled in Greenhouse
    assert _clock(Application.objects.get()) == (None, None, None)
    _write_history(connection, MONDAY - HOUR, stage=1)
    assert _clock(Application.objects.get()) == (MONDAY - HOUR, None, None)


@pytest.mark.parametrize("needs_decision", [None, False])
def test_no_clock_without_known_need(write, connection: Connection, needs_decision) -> None:
    assert _clock(write(MONDAY, needs_decision=needs_decision)) == (None, None, None)
    _write_history(connection, MONDAY)
    assert _clock(Application.objects.get()) == (None, None, None)


def test_noticed_need_is_not_dated_back_to_the_stage(write, connection: Connection) -> None:
    write(MONDAY, needs_decision=False)
    noticed = MONDAY + 5 * HOUR
    assert write(noticed).decision_needed_at == noticed
    _write_history(connection, MONDAY - HOUR)
    assert Application.objects.get().decision_needed_at == noticed


def test_need_without_activity_dated_to_reading(write) -> None:
    write(MONDAY, needs_decision=False, last_activity_at=MONDAY - 30 * HOUR)
    application = write(MONDAY + HOUR, last_activity_at=MONDAY - 30 * HOUR)
    assert application.decision_needed_at == MONDAY + HOUR


def test_activity_does_not_move_the_clock(write) -> None:
    write(MONDAY)
    assert _clock(write(MONDAY + HOUR, source_name="Referral")) == (MONDAY, None, None)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "rejected", "needs_decision": False},
        {"status": "rejected", "needs_decision": None},
        {"status": "hired", "stage_id": None, "stage_entry_id": None, "needs_decision": False},
        {"needs_decision": False},
        {"stage": 1, "needs_decision": False},
    ],
    ids=["rejected", "rejected, v1", "hired", "marked", "advanced"],
)
def test_decision_stops_the_clock(write, values: dict[str, Any]) -> None:
    write(MONDAY)
    at = MONDAY + 3 * HOUR
    assert _clock(write(at, **values)) == (None, at, MONDAY)


def test_next_stage_starts_a_new_clock(write, connection: Connection) -> None:
    write(MONDAY)
    at = MONDAY + 3 * HOUR
    assert _clock(write(at, stage=1)) == (at, at, MONDAY)
    _write_history(connection, at - HOUR, stage=1)
    assert Application.objects.get().decision_needed_at == at - HOUR


def test_answer_after_unknown_wait_stays_unknown(write) -> None:
    write(MONDAY, stage=1)
    at = MONDAY + 3 * HOUR
    rejected = write(at, stage=1, status="rejected", needs_decision=False)
    assert _clock(rejected) == (None, at, None)


def test_undone_rejection_is_no_answer(write) -> None:
    write(MONDAY)
    write(MONDAY + HOUR, status="rejected", needs_decision=False)
    assert _clock(write(MONDAY + 2 * HOUR)) == (MONDAY + 2 * HOUR, None, None)


def test_transfer_is_no_answer(write, connection: Connection) -> None:
    write(MONDAY)
    other = synced_data.create_job(connection)
    other_stage = synced_data.create_stage(other, "Other")
    at = MONDAY + HOUR
    moved = write(at, job_id=other.remote_id, stage_id=other_stage.remote_id, stage_entry_id=9)
    assert _clock(moved) == (at, None, None)


def test_lost_knowledge_is_no_answer(write) -> None:
    """A v1 key replaces a v3 credential: Greenhouse no longer says who needs a decision."""
    write(MONDAY)
    assert _clock(write(MONDAY + HOUR, needs_decision=None)) == (None, None, None)
    assert _clock(write(MONDAY + 2 * HOUR)) == (MONDAY, None, None)


def test_sync_reads_clocks_from_v3(connect, sandbox: Sandbox, kind: str) -> None:
    connect(kind)
    undecided = Application.objects.filter(needs_decision=True)
    if kind == "harvest_key":
        assert not undecided.exists()
        assert not Application.objects.exclude(decision_needed_at=None).exists()
        return
    assert undecided.count() > 20
    entries = {
        row.application_id: datetime.fromisoformat(row.entered_at)
        for row in sandbox.dataset().history
        if row.current and row.entered_at
    }
    for application in undecided.filter(status="active"):
        assert application.decision_needed_at == entries[application.remote_id]


def test_own_decision_and_greenhouses_count(
    connect, sandbox: Sandbox, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    connection = connect()
    first, second = find_application(), find_application(stage=0)
    second = Application.objects.filter(
        needs_decision=True, status="active", job__status="open"
    ).exclude(pk=first.pk)[0]
    submit_action(sign_in(personas.remy), "advance", first)
    run_tasks()
    advance_clock(20 * 60)
    sandbox.run_mutation("move_application", application_id=second.remote_id)
    run_lifecycle.request_sync(connection, SyncRun.Scope.RECENT)
    run_tasks()
    for application in (first, second):
        started = application.decision_needed_at
        application.refresh_from_db()
        assert application.answered_at is not None
        assert application.answer_needed_at == started
