"""Update fields for many applications: only what is filled in changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import ModelChoiceField

from portal.applications import custom_field_values
from portal.applications.actions.handlers.update import STANDARD_FIELDS, serialize_record
from portal.applications.custom_field_values import EMPTY_VALUES, CustomFieldValue
from portal.applications.forms.choice_search import ListSource, QuerysetSource, SearchableForm
from portal.applications.forms.custom_fields import (
    build_form_field,
    to_greenhouse_value,
    to_option_ids,
)
from portal.applications.forms.update import match_source, match_user
from portal.entitlements.rules import Rights
from portal.sync.models import Application, AtsUser, Source

NOTHING_CHOSEN_MESSAGE = "Fill in at least one field."
UNCHANGED_LABEL = "Leave unchanged"


class UpdateForAllFields(SearchableForm):
    source = ModelChoiceField(queryset=Source.objects.none(), required=False)
    recruiter = ModelChoiceField(queryset=AtsUser.objects.none(), required=False)
    coordinator = ModelChoiceField(queryset=AtsUser.objects.none(), required=False)

    custom: dict[str, CustomFieldValue]

    def set_update_choices(self, connection_id: int, rights: Rights, search_url: str) -> None:
        users = AtsUser.objects.filter(connection_id=connection_id, gone_at=None, deactivated=False)
        sources = Source.objects.filter(connection_id=connection_id, gone_at=None)
        for name in STANDARD_FIELDS:
            field: Any = self.fields[name]
            field.queryset = (sources if name == "source" else users).order_by("name", "id")
            field.empty_label = UNCHANGED_LABEL
            match = match_source if name == "source" else match_user
            self.limit_choices(name, QuerysetSource(field, match), search_url)
        self._add_custom_fields(connection_id, rights, search_url)
        for field in self.fields.values():
            field.hide_optional = True

    def _add_custom_fields(self, connection_id: int, rights: Rights, search_url: str) -> None:
        is_unavailable = "custom_fields" in rights.features.unavailable
        field_values = (
            [] if is_unavailable else custom_field_values.list_field_values(connection_id, {})
        )
        self.custom = {f"custom-{v.field.pk}": v for v in field_values if v.writable}
        for name, field_value in self.custom.items():
            self.fields[name] = field = build_form_field(field_value)
            field.show_hidden_initial = False
            if isinstance(field, forms.ChoiceField):
                self._set_custom_choices(name, field, search_url)

    def _set_custom_choices(self, name: str, field: Any, search_url: str) -> None:
        choices = [(value, label) for value, label in field.choices if value]
        if not isinstance(field, forms.MultipleChoiceField):
            field.choices = [("", UNCHANGED_LABEL), *choices]
        self.limit_choices(name, ListSource(choices), search_url)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name, field_value in self.custom.items():
            try:
                to_option_ids(field_value, data.get(name))
            except forms.ValidationError as error:
                self.add_error(name, error)
        if not self.errors and all(
            data.get(name) in EMPTY_VALUES for name in (*STANDARD_FIELDS, *self.custom)
        ):
            raise forms.ValidationError(NOTHING_CHOSEN_MESSAGE)
        return data

    def build_parameters_for(self, application: Application) -> Mapping[str, Any]:
        """Only what differs from the application's current values; empty if nothing does."""
        changes: dict[str, Any] = {}
        for name in STANDARD_FIELDS:
            new, was = self.cleaned_data[name], getattr(application, name)
            if new is not None and new != was:
                changes[name] = {**(serialize_record(new) or {}), "was": serialize_record(was)}
        fields = {
            field_value.field.key: change
            for name, field_value in self.custom.items()
            if (change := self._build_custom_change(name, field_value, application))
        }
        return {**changes, "custom": fields} if fields else changes

    def _build_custom_change(
        self, name: str, field_value: CustomFieldValue, application: Application
    ) -> dict[str, Any] | None:
        cleaned, field = self.cleaned_data[name], field_value.field
        if cleaned in EMPTY_VALUES:
            return None
        new, was = to_greenhouse_value(field_value, cleaned), application.custom.get(field.key)
        option_ids = to_option_ids(field_value, cleaned)
        if custom_field_values.are_values_equal(new, was):
            return None
        return custom_field_values.build_change(field, new, was, option_ids=option_ids)
