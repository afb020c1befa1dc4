"""Update an application's source, recruiter, coordinator and custom fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.text import Truncator

from integrations.ats import types as ats
from integrations.ats.errors import InvalidValues
from integrations.ats.types import ApplicationChanges, ApplicationStatus, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications import custom_field_values
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.handlers.base import (
    NOTHING_CHANGED_MESSAGE,
    ActionHandler,
    FieldChange,
    Status,
    build_undo_request,
)
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application, AtsUser, Source

UNREADABLE_OUTCOME_MESSAGE = (
    "Greenhouse didn't respond, and both options have the same name, so we can't tell which one is "
    "selected. Check it in Greenhouse, or update it again."
)
STANDARD_FIELDS = ("source", "recruiter", "coordinator")


class UpdateHandler(ActionHandler):
    """`parameters` maps each changed field to its Greenhouse ID, our ID, name and previous value;
    `custom` maps field keys to `custom_field_values.build_change`.
    """

    kind = ActionKind.UPDATE
    label = "Update"
    icon = "pencil"
    verb = "Update"
    progressive = "Updating"
    past_tense = "updated"
    noun = "Update"
    feature = "update"

    def is_applicable(self, application: Application) -> bool:
        return application.status in (ApplicationStatus.ACTIVE, ApplicationStatus.REJECTED)

    def differs_from_seen(self, action: ApplicationAction, current: ats.Application) -> bool:
        """Compares only the changed fields; the stage does not matter."""
        for name, new in _get_standard_changes(action).items():
            was, current_id = new["was"], getattr(current, f"{name}_id")
            if current_id != (was["remote"] if was else None) and (
                was or _is_synced(action, name, current_id)
            ):
                return True
        fields = _get_custom_changes(action).items()
        return any(
            not custom_field_values.are_values_equal(
                current.custom_fields.get(key), custom_change["was"]["value"]
            )
            for key, custom_change in fields
        )

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        changes = {
            f"{name}_id": new["remote"] for name, new in _get_standard_changes(action).items()
        }
        if missing_labels := [
            new["label"] for new in _get_custom_changes(action).values() if "send" not in new
        ]:
            raise InvalidValues(
                dict.fromkeys(missing_labels, "no longer offered"),
                f"The option chosen for “{missing_labels[0]}” no longer exists in Greenhouse.",
            )
        fields = {key: new["send"] for key, new in _get_custom_changes(action).items()}
        return provider.update_application(
            action.application.remote_id,
            changes=ApplicationChanges(**changes, custom_fields=fields),
            acting_user_id=action.acting_user_id,
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if _is_outcome_unreadable(action):
            return Status.FAILED, UNREADABLE_OUTCOME_MESSAGE
        if _is_applied(action, current):
            return Status.DONE, self.describe_success(action, current)
        return Status.FAILED, NOTHING_CHANGED_MESSAGE

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        parts = [
            f"{change.label} is now {_truncate_value(change.now)}"
            for change in self.list_changes(action)
        ]
        return f"Updated: {'; '.join(parts)}."

    def describe_undone(self, action: ApplicationAction, current: Application) -> str:
        return self.describe_success(action, current).replace("Updated:", "Undone:", 1)

    def list_changes(self, action: ApplicationAction) -> list[FieldChange]:
        standard_changes = [
            FieldChange(name, new["was"]["name"] if new["was"] else "", new["name"])
            for name, new in _get_standard_changes(action).items()
        ]
        return standard_changes + [
            FieldChange(custom_change["label"], custom_change["was"]["text"], custom_change["text"])
            for custom_change in _get_custom_changes(action).values()
        ]

    def why_not_undoable(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        if not all(new["was"] for new in _get_standard_changes(action).values()):
            return "A field that was empty before can't be cleared here."
        if not all(
            "send" in custom_change["was"] for custom_change in _get_custom_changes(action).values()
        ):
            return "The previous option no longer exists in Greenhouse."
        return ""

    def list_conflicts(self, action: ApplicationAction, current: Application) -> list[FieldChange]:
        standard_changes = [
            FieldChange(
                name, new["was"]["name"] if new["was"] else "", str(getattr(current, name) or "")
            )
            for name, new in _get_standard_changes(action).items()
        ]
        fields = [
            FieldChange(
                custom_change["label"],
                custom_change["was"]["text"],
                custom_field_values.format_value(custom_change["type"], current.custom.get(key)),
            )
            for key, custom_change in _get_custom_changes(action).items()
        ]
        return [change for change in standard_changes + fields if change.was != change.now]

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        if not _is_applied(action, current):
            return ""
        if reason := self.why_not_undoable(action, ()):
            return reason
        standard_changes, fields = _get_standard_changes(action), _get_custom_changes(action)
        undo_parameters = {
            name: {**new["was"], "was": _strip_change_metadata(new)}
            for name, new in standard_changes.items()
        }
        if fields:
            undo_parameters["custom"] = {
                key: {
                    **_get_field_metadata(custom_change),
                    **custom_change["was"],
                    "was": _strip_change_metadata(custom_change),
                }
                for key, custom_change in fields.items()
            }
        return build_undo_request(ActionKind.UPDATE, action, current, parameters=undo_parameters)

    def rebuild_parameters(
        self, action: ApplicationAction, current: Application
    ) -> Mapping[str, Any]:
        standard_changes = {
            name: {**new, "was": serialize_record(getattr(current, name))}
            for name, new in _get_standard_changes(action).items()
        }
        field_values = {
            entry.field.key: entry
            for entry in custom_field_values.list_field_values(
                current.connection_id, current.custom
            )
        }
        fields = {
            key: custom_field_values.build_change(
                field_values[key].field,
                entry["value"],
                field_values[key].value,
                option_ids=custom_field_values.get_option_ids(entry),
            )
            for key, entry in _get_custom_changes(action).items()
            if key in field_values
        }
        return {**standard_changes, "custom": fields} if fields else standard_changes


def _get_standard_changes(action: ApplicationAction) -> dict[str, dict[str, Any]]:
    return {name: action.parameters[name] for name in STANDARD_FIELDS if name in action.parameters}


def _get_custom_changes(action: ApplicationAction) -> dict[str, dict[str, Any]]:
    custom_changes: dict[str, dict[str, Any]] = action.parameters.get("custom", {})
    return custom_changes


def _strip_change_metadata(new: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in new.items() if key not in ("was", "label", "type")}


def _get_field_metadata(new: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": new["label"], "type": new["type"]}


def serialize_record(record: Source | AtsUser | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"remote": record.remote_id, "pk": record.pk, "name": str(record)}


def _is_synced(action: ApplicationAction, name: str, remote_id: int | None) -> bool:
    """A user or source missing from our sync tables was shown as empty on screen."""
    model: Any = Source if name == "source" else AtsUser
    connection = action.application.connection_id
    exists: bool = model.objects.filter(connection_id=connection, remote_id=remote_id).exists()
    return exists


def _is_applied(action: ApplicationAction, current: Application) -> bool:
    standard_applied = all(
        getattr(current, f"{name}_id") == new["pk"]
        for name, new in _get_standard_changes(action).items()
    )
    fields = _get_custom_changes(action).items()
    return standard_applied and all(
        custom_field_values.are_values_equal(current.custom.get(key), new["value"])
        for key, new in fields
    )


def _is_outcome_unreadable(action: ApplicationAction) -> bool:
    """Greenhouse returns an option's name, which two options may share."""
    return any(
        custom_field_values.are_values_equal(change["value"], change["was"]["value"])
        for change in _get_custom_changes(action).values()
    )


def _truncate_value(value: str) -> str:
    return Truncator(value.replace("\n", " ")).chars(60) if value else "empty"
