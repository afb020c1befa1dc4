"""Base class for action handlers."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from integrations.ats import types as ats
from integrations.ats.types import ApplicationStatus, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.application_state import has_stage_changed
from portal.applications.models import ApplicationAction
from portal.sync.models import Application

Status = ApplicationAction.Status
NOTHING_CHANGED_MESSAGE = "Greenhouse didn't respond and nothing changed. Try again."


@dataclass(frozen=True)
class FieldChange:
    """A field's old and new value as display text."""

    label: str
    was: str
    now: str


class ActionHandler:
    kind: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str]
    verb: ClassVar[str]  # imperative, for buttons: "Advance"
    progressive: ClassVar[str]  # while it is open: "Advancing"
    past_tense: ClassVar[str]  # for results and the audit log: "advanced"
    noun: ClassVar[str]  # "Rejection"
    feature: ClassVar[str]  # the feature key it requires
    has_undo_period: ClassVar[bool] = False  # it can be canceled for some seconds
    # Whether it is a decision on the application, and not only something written about it.
    changes_application: ClassVar[bool] = True
    # Greenhouse itself refuses it for a stale stage; otherwise we read before sending.
    checked_by_greenhouse: ClassVar[bool] = False

    @property
    def log_verb(self) -> str:
        """Its verb in the audit log."""
        return self.past_tense

    @property
    def log_phrase(self) -> str:
        """What the audit log says before the application's ID."""
        return f"{self.past_tense} application"

    def needs_precheck(self, action: ApplicationAction) -> bool:
        """Whether to read the application before sending, to detect changes since page load."""
        return not self.checked_by_greenhouse

    def is_applicable(self, application: Application) -> bool:
        """Whether the action fits the application's status; if not, no button is shown."""
        return application.status == ApplicationStatus.ACTIVE

    def why_wrong_stage(self, application: Application, action_context: ActionContext) -> str:
        """Why the action does not fit the application's stage; empty if it does."""
        return ""

    def why_not(self, application: Application, action_context: ActionContext) -> str:
        """Why the action does not fit this job; empty if it does."""
        return ""

    def why_target_unavailable(
        self, parameters: Mapping[str, Any], action_context: ActionContext
    ) -> str:
        """Why the person may no longer use these parameters; empty if they may."""
        return ""

    def differs_from_seen(self, action: ApplicationAction, current: ats.Application) -> bool:
        """Whether Greenhouse's current state certainly differs from what the person saw."""
        state_before = action.state_before or {}
        has_moved = has_stage_changed(
            action.seen_stage, current.seen_stage
        ) or current.job_id != state_before.get("job")
        return has_moved or current.status != state_before.get("status")

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        """Raises AtsError."""
        raise NotImplementedError

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        """Status and sentence for a write whose response was lost, from the current state."""
        raise NotImplementedError

    def read_outcome(
        self, provider: Provider, action: ApplicationAction, current: Application
    ) -> tuple[str, str]:
        """As `infer_outcome`, for actions whose effect the application doesn't show. Raises
        AtsError.
        """
        return self.infer_outcome(action, current)

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        raise NotImplementedError

    def describe_undone(self, action: ApplicationAction, current: Application) -> str:
        """The success of an action that undoes another."""
        place = f" Back in “{current.stage_name}”." if current.stage_name else ""
        return f"Undone.{place}"

    def describe_status(self, action: ApplicationAction) -> str:
        """The status in the words of the button, for example "Not advanced"."""
        if action.is_open:
            return "Undoing" if action.undoes_id else self.progressive
        if action.status == Status.CANCELED:
            return f"{self.get_noun(action)} canceled"
        past_tense = self.get_past_tense(action)
        return past_tense.capitalize() if action.status == Status.DONE else f"Not {past_tense}"

    def get_noun(self, action: ApplicationAction) -> str:
        return "Undo" if action.undoes_id else self.noun

    def get_past_tense(self, action: ApplicationAction) -> str:
        return "undone" if action.undoes_id else self.past_tense

    def describe_outcome(self, action: ApplicationAction, *, mine: bool) -> str:
        """The outcome for its author (`mine`), or for others who see the application."""
        outcome: str = action.outcome
        return outcome

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        """The request that undoes a completed action, or why there is none (may be empty)."""
        return ""

    def why_not_undoable(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        """Cheap check for lists; `jobs` are the IDs of the jobs the reader may see."""
        return ""

    def list_changes(self, action: ApplicationAction) -> list[FieldChange]:
        return []

    def list_conflicts(self, action: ApplicationAction, current: Application) -> list[FieldChange]:
        return []

    def rebuild_parameters(
        self, action: ApplicationAction, current: Application
    ) -> Mapping[str, Any]:
        """Parameters for a retry from the application's current state."""
        parameters: Mapping[str, Any] = action.parameters
        return parameters


def build_undo_request(
    kind: str, action: ApplicationAction, current: Application, **extra_fields: Any
) -> ActionRequest:
    return ActionRequest(
        key=uuid.uuid5(action.key, "undo"),
        kind=kind,
        seen=current.seen_stage,
        seen_stage_name=current.stage_name,
        undoes=action,
        **extra_fields,
    )
