"""Base forms for actions: idempotency key, the stage shown on screen, untouched fields."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django import forms
from django.urls import reverse

from integrations.ats.types import SeenStage
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.forms.choice_search import SearchableForm
from portal.sync.models import Application, Stage
from portal.web.id_field import IdField
from portal.web.id_parsing import parse_id

INCOMPLETE_MESSAGE = (
    "Part of the page was missing. Nothing was sent. Reload the page and try again."
)


class KeepsUntouchedFields(forms.Form):
    """Fields with `show_hidden_initial` are cleaned and count as changed only if what was posted
    differs from what was shown. So values that would not pass validation stay as they are.
    """

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in self.fields if self._is_touched(name)]

    def get_shown_data(self, name: str) -> Any:
        """What the form showed: text, or a set of texts."""
        bound = self[name]
        widget = bound.field.hidden_widget()
        shown = widget.value_from_datadict(self.data, self.files, bound.html_initial_name)
        return normalize_posted_data(shown)

    def is_shown_data_current(self, name: str) -> bool:
        """Whether the form would show the same now. Clients may post without `initial-` data."""
        if not any(key.startswith("initial-") for key in self.data):
            return True
        bound = self[name]
        current = bound.field.hidden_widget().format_value(bound.field.prepare_value(bound.initial))
        return bool(self.get_shown_data(name) == normalize_posted_data(current))

    def _is_touched(self, name: str) -> bool:
        bound = self[name]
        if not bound.field.show_hidden_initial:
            return True
        return bool(normalize_posted_data(bound.data) != self.get_shown_data(name))

    def _clean_fields(self) -> None:
        fields = self.fields
        self.fields = {name: fields[name] for name in self.changed_data}
        try:
            super()._clean_fields()  # type: ignore[misc]
        finally:
            self.fields = fields


def normalize_posted_data(data: Any) -> Any:
    """Browsers post line breaks as CRLF, and several values in the order of the page."""
    if isinstance(data, (list, tuple)):
        return frozenset(map(str, data))
    return "" if data is None else str(data).replace("\r\n", "\n").replace("\r", "\n")


class ActionForm(forms.Form):
    """Hidden fields guard against double submits and stale pages."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    stage = IdField(widget=forms.HiddenInput, required=False)
    entry = IdField(widget=forms.HiddenInput, required=False)
    stage_name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)

    def add_error(self, field: str | None, error: Any) -> None:
        """Nobody typed a hidden field: its error is about the page."""
        is_hidden = field in ActionForm.base_fields
        super().add_error(None if is_hidden else field, INCOMPLETE_MESSAGE if is_hidden else error)
        if is_hidden:
            self.cleaned_data.pop(str(field), None)

    @staticmethod
    def build_initial_data(application: Application) -> dict[str, Any]:
        return {
            "key": uuid.uuid4(),
            "stage": application.stage_remote_id,
            "entry": application.stage_entry_id,
            "stage_name": application.stage_name,
        }

    def build_request(self, kind: str) -> ActionRequest:
        data = self.cleaned_data
        return ActionRequest(
            key=data["key"],
            kind=kind,
            seen=SeenStage(stage_id=data["stage"], entry_id=data["entry"]),
            seen_stage_name=data["stage_name"],
            reason=data.get("reason"),
            notes=data.get("notes", ""),
            parameters=self.build_parameters(),
        )

    def build_parameters(self) -> dict[str, Any]:
        """Handler parameters, in Greenhouse's IDs."""
        return {}


def unpack_click(data: Mapping[str, Any], application: Application) -> Mapping[str, Any]:
    """A row's button carries key, stage and entry in one value, so that long lists stay small."""
    if "click" not in data:
        return data
    key, _, seen = data["click"].partition(".")
    stage, _, entry = seen.partition(".")
    return {
        "key": key,
        "stage": stage,
        "entry": entry,
        "stage_name": _find_stage_name(application, stage),
    }


def _find_stage_name(application: Application, stage: str) -> str:
    if stage == str(application.stage_remote_id or ""):
        return application.stage_name
    stages = Stage.objects.filter(job=application.job_id, remote_id=parse_id(stage) or 0)
    return stages.order_by().values_list("name", flat=True).first() or ""


class ApplicationActionForm(SearchableForm, ActionForm):
    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        application: Application,
        action_context: ActionContext,
    ) -> None:
        initial = ActionForm.build_initial_data(application)
        super().__init__(data, initial=initial, auto_id=f"%s-{application.pk}")
        self.application = application
        self.action_context = action_context
        self.populate_choices()

    def populate_choices(self) -> None:
        """Hook for subclasses."""

    def build_search_url(self, kind: str) -> str:
        return f"{reverse('applications:choices', args=[self.application.pk])}?kind={kind}"
