"""Adding a note to a candidate or an application, shared by both API versions."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.actions.refusals import ActionRefused, invalid_value
from integrations.greenhouse.sandbox.dataset.access_rules import can_open_application
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Candidate, Note, User

# As writes spell them (documented), and as reads do.
_READ_VISIBILITY = {
    "admin_only": "admin_only_visible",
    "private": "privately_visible",
    "public": "publicly_visible",
}
_WRITABLE_TYPES = ("NOTE", "ACTIVITY", "EMAIL")


def add_note(dataset: Dataset, candidate: Candidate, author: User, body: dict[str, Any]) -> Note:
    """Add the note of a v1 or v3 request body. That only who may see an application of the
    candidate may add one is inferred.
    """
    applications = dataset.applications.filter_by("candidate_id", candidate.id)
    if author.deactivated or not any(
        can_open_application(dataset, author, application) for application in applications
    ):
        raise ActionRefused("hidden", "Not found")
    visibility = body.get("visibility", "admin_only")
    if visibility not in _READ_VISIBILITY:
        raise invalid_value("visibility", f"must be one of: {', '.join(_READ_VISIBILITY)}")
    if body.get("note_type", "NOTE") not in _WRITABLE_TYPES:
        raise invalid_value("note_type", f"must be one of: {', '.join(_WRITABLE_TYPES)}")
    if not isinstance(body.get("body"), str) or not body["body"].strip():
        raise invalid_value("body", "can't be blank")
    application_id = body.get("application_id")
    if application_id is not None and application_id not in {row.id for row in applications}:
        raise invalid_value("application_id", "must belong to the candidate")
    return dataset.add_record(
        Note,
        candidate_id=candidate.id,
        application_id=application_id,
        user_id=author.id,
        body=body["body"],
        type=body.get("note_type", "NOTE"),
        visibility=_READ_VISIBILITY[visibility],
    )
