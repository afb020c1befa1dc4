"""Records of Greenhouse with odd values: the sync ends, and names what it left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.greenhouse.payloads import v3
from integrations.greenhouse.payloads.decoding import decode_records
from integrations.greenhouse.sandbox import Sandbox
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


@pytest.fixture
def alter_jobs(sandbox: Sandbox):
    """Answer lists of jobs with a field of the first one replaced."""
    original = sandbox.app.handle
    altered: dict[str, int] = {}

    def alter(field: str, prefix: bytes = b"") -> dict[str, int]:
        def handle(request: Any) -> Any:
            response = original(request)
            if request.path == "/v3/jobs" and request.method == "GET":
                jobs = json.loads(response.body)
                if isinstance(jobs, list) and jobs:
                    altered["id"] = jobs[0]["id"]
                    name = field.split(":")[0].strip('"')
                    jobs[0].pop(name, None)
                    first = json.dumps(jobs[0])[:-1] + f", {field}}}"
                    texts = [first, *map(json.dumps, jobs[1:])]
                    response.body = prefix + f"[{','.join(texts)}]".encode()
            return response

        sandbox.app.handle = handle  # type: ignore[method-assign]
        return altered

    yield alter
    sandbox.app.handle = original  # type: ignore[method-assign]


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "job_id", "name", "custom_fields"]), JSON)))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_records_are_read_or_set_aside(records: list[dict[str, Any]]) -> None:
    body = json.dumps(records).encode()
    read, set_aside = decode_records(body, v3.read_job)
    assert len(read) + len(set_aside) == len(records)
    assert all(0 < record.id < 2**63 for record in read)
