"""The state of an application as an action records it, and whether it has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.ats.types import SeenStage
from portal.sync.models import Application


def snapshot_application(application: Application) -> dict[str, Any]:
    """The application's state, stored with an action. Contains no personal data."""
    return {
        "job": application.job.remote_id if application.job else None,
        "job_name": application.job.name if application.job else "",
        "status": application.status,
        "stage": application.stage_remote_id,
        "entry": application.stage_entry_id,
        "stage_name": application.stage_name,
        "reason": application.rejection_reason_remote_id,
    }


def is_unchanged_since(state: Mapping[str, Any] | None, application: Application) -> bool:
    if not state:
        return False
    current = snapshot_application(application)
    is_same_state = all(current[key] == state[key] for key in ("job", "status"))
    if are_both_set_and_differ(state.get("reason"), current["reason"]):
        return False
    return is_same_state and not has_stage_changed(
        SeenStage(stage_id=state["stage"], entry_id=state["entry"]), application.seen_stage
    )


def are_both_set_and_differ(first: int | None, second: int | None) -> bool:
    return first is not None and second is not None and first != second


def has_stage_changed(seen: SeenStage, current: SeenStage) -> bool:
    """Entry IDs (v3) are stricter than stage IDs: they also detect moving away and back."""
    if seen.entry_id is not None and current.entry_id is not None:
        return seen.entry_id != current.entry_id
    return seen.stage_id != current.stage_id
