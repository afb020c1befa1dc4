"""Greenhouse's errors in words that a recruiter can read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.ats.errors import Conflict, Evidence
from integrations.greenhouse.transport.error_body import ErrorBody, map_validation_error

EVIDENCE = Evidence(
    method="POST", path="/v3/x", status=422, message="", at=datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("rejection_reason_id: is invalid", "rejection reason is invalid"),
        ("to_stage_id: can't be blank", "target stage can't be blank"),
        ("The field custom_field_values is wrong", "The field custom field values is wrong"),
        (
            "Missing scope 'harvest:applications:move'",
            "Missing scope a permission of the credential",
        ),
        ("source_id: unknown · new_job_id: closed", "source unknown · target requisition closed"),
    ],
)
def test_message_has_no_api_words(message: str, words: str) -> None:
    error = map_validation_error(ErrorBody(message=message, fields={}, is_json=True), EVIDENCE)
    assert error.sentence == f"Greenhouse didn't accept this: {words}"


def test_stale_stage_is_conflict_without_field_name() -> None:
    body = ErrorBody(message="from_stage_id: must be current", fields={}, is_json=True)
    error = map_validation_error(body, EVIDENCE)
    assert isinstance(error, Conflict)
    assert "from_stage" not in error.sentence
