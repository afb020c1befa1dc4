"""Records of Greenhouse with odd values: the sync ends, and names what it left out."""

from __future__ import annotations

import pytest

from portal.issues.models import Issue
from portal.sync.models import Job, SyncRun
from tests.personas import Personas

SYNC = "/setup/sync/"
DEEP = "[" * 50_000 + "]" * 50_000
ODD_FIELDS = {
    "huge reference": '"department_id": 1' + "0" * 30,
    "negative reference": '"department_id": -1',
    "deep value": f'"custom_fields": {DEEP}',
    "NaN": '"custom_fields": {"a": {"value": NaN}}',
    "lone surrogate": '"name": "\\ud83d"',
}


@pytest.mark.parametrize("field", ODD_FIELDS.values(), ids=ODD_FIELDS)
def test_odd_record_is_counted_and_named(
    connect, personas: Personas, sign_in, run_tasks, alter_jobs, field: str
) -> None:
    connect()
    altered = alter_jobs(field)
    sign_in(personas.ada).post(SYNC)
    run_tasks()
    run = SyncRun.objects.first()
    step = run.steps.get(kind="jobs")
    assert run.status == SyncRun.Status.DONE
    assert step.unreadable_count == 1
    assert step.unreadable_ids == [str(altered["id"])]
    assert Job.objects.get(remote_id=altered["id"]).gone_at is None
    assert str(altered["id"]) in Issue.objects.get(cause="unreadable_records").description
