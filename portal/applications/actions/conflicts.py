"""Describes a conflict: where the application was, where it is now, and who changed it if known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.base import FieldChange
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application

Status = ApplicationAction.Status


@dataclass(frozen=True)
class Conflict:
    was: str
    now: str
    by: ApplicationAction | None
    by_is_own: bool  # the change was made by the person whose action conflicts with it
    by_outcome: str
    fields: list[FieldChange]


def describe_conflict(
    action: ApplicationAction, current: Application, done: Iterable[ApplicationAction]
) -> Conflict:
    """What changed between page load and click. `done`: the application's completed actions."""
    fields = ACTION_HANDLERS[action.kind].list_conflicts(action, current)
    explaining_actions = [
        earlier
        for earlier in done
        if _happened_before(earlier, action) and _explains_current_state(earlier, action, fields)
    ]
    state_before = action.state_before or {}
    by = max(explaining_actions, key=lambda earlier: earlier.pk, default=None)
    is_own = by is not None and by.membership_id == action.membership_id
    if by is not None:
        by.application = current
    return Conflict(
        was=_describe_place(
            action.seen_stage_name or state_before.get("stage_name", ""), state_before.get("status")
        ),
        now=_describe_place(current.stage_name, current.status),
        by=by,
        by_is_own=is_own,
        by_outcome=ACTION_HANDLERS[by.kind].describe_outcome(by, mine=is_own) if by else "",
        fields=fields,
    )


def _happened_before(earlier: ApplicationAction, action: ApplicationAction) -> bool:
    return bool(
        earlier.pk != action.pk
        and earlier.settled_at
        and action.settled_at
        and earlier.settled_at < action.settled_at
    )


def _explains_current_state(
    earlier: ApplicationAction, action: ApplicationAction, fields: list[FieldChange]
) -> bool:
    if action.kind == ActionKind.UPDATE:
        written_values = {
            (change.label, change.now)
            for change in ACTION_HANDLERS[earlier.kind].list_changes(earlier)
        }
        return any((field.label, field.now) in written_values for field in fields)
    earlier_state, found_state = earlier.state_after or {}, action.state_after or {}
    is_same_state = all(
        earlier_state.get(key) == found_state.get(key) for key in ("entry", "stage", "status")
    )
    return is_same_state and earlier.kind != ActionKind.UPDATE


def _describe_place(stage: str, status: str | None) -> str:
    if status and status != "active":
        return f"{status} (in “{stage}”)" if stage else status
    return f"in “{stage}”" if stage else "not in a stage"


def build_greenhouse_url(application: Application) -> str:
    """The application's page in Greenhouse. [URL format inferred, not documented.]"""
    candidate = application.candidate
    if candidate is None:
        return str(settings.GREENHOUSE_SITE_URL)
    return (
        f"{settings.GREENHOUSE_SITE_URL}/people/{candidate.remote_id}"
        f"?application_id={application.remote_id}"
    )
