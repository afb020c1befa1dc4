"""Form to update standard and custom fields of an application."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q

from portal.applications import custom_field_values
from portal.applications.actions.handlers.update import STANDARD_FIELDS, serialize_record
from portal.applications.custom_field_values import EMPTY_VALUES, CustomFieldValue
from portal.applications.forms.base import ApplicationActionForm, KeepsUntouchedFields
from portal.applications.forms.choice_search import ListSource, QuerysetSource
from portal.applications.forms.custom_fields import (
    build_form_field,
    read_shown_value,
    to_greenhouse_value,
    to_option_ids,
)
from portal.applications.models import ActionKind
from portal.core.names.search_keys import match_name
from portal.sync.models import AtsUser, Source
from portal.web.id_parsing import parse_id

NO_CHANGES_MESSAGE = "No changes yet. Change a field first."
REMOVED_OPTION_LABEL = "No longer an option"
REQUIRED_MESSAGE = "Greenhouse requires a value here."


class UpdateForm(KeepsUntouchedFields, ApplicationActionForm):
    """Only changed fields are sent. `custom` maps form field names to editable custom fields;
    `read_only_fields` lists those that can be changed in Greenhouse only.
    """

    source = forms.ModelChoiceField(queryset=Source.objects.none(), required=False)
    recruiter = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)
    coordinator = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)

    custom: dict[str, CustomFieldValue]
    read_only_fields: list[CustomFieldValue]

    def populate_choices(self) -> None:
        connection = self.application.connection_id
        users = AtsUser.objects.filter(connection_id=connection, gone_at=None, deactivated=False)
        sources = Source.objects.filter(connection_id=connection, gone_at=None)
        for name in STANDARD_FIELDS:
            self._set_field_choices(name, sources if name == "source" else users)
        self._add_custom_fields(connection)

    def _set_field_choices(self, name: str, rows: Any) -> None:
        """What is current, or was when the form was opened, stays a choice for this application."""
        field: Any = self.fields[name]
        current_id = getattr(self.application, f"{name}_id")
        shown_id = parse_id(self.data.get(f"initial-{name}", ""))
        current_or_shown = Q(
            connection_id=self.application.connection_id, pk__in={current_id, shown_id} - {None}
        )
        field.queryset = (rows | rows.model.objects.filter(current_or_shown)).order_by("name", "id")
        field.initial = current_id
        # Harvest v1 cannot clear these fields.
        field.empty_label = "Not set" if current_id is None else None
        field.show_hidden_initial = True
        source = QuerysetSource(field, match_source if name == "source" else match_user)
        self.limit_choices(name, source, self.build_search_url(ActionKind.UPDATE))

    def _add_custom_fields(self, connection: int) -> None:
        is_unavailable = "custom_fields" in self.action_context.rights.features.unavailable
        field_values = (
            []
            if is_unavailable
            else custom_field_values.list_field_values(connection, self.application.custom)
        )
        self.custom = {
            f"custom-{field_value.field.pk}": field_value
            for field_value in field_values
            if field_value.writable
        }
        self.read_only_fields = [
            field_value
            for field_value in field_values
            if not field_value.writable and field_value.text
        ]
        for name, field_value in self.custom.items():
            self.fields[name] = field = build_form_field(field_value)
            if isinstance(field, forms.ChoiceField):
                self._limit_custom_choices(name, field)
        for field in self.fields.values():
            field.hide_optional = True  # type: ignore[attr-defined]

    def _limit_custom_choices(self, name: str, field: Any) -> None:
        choices = {value: label for value, label in field.choices if value}
        source = ListSource(list(choices.items()))
        self.limit_choices(name, source, self.build_search_url(ActionKind.UPDATE))
        shown = self.get_shown_data(name)
        values = shown if isinstance(shown, frozenset) else {shown} - {""}
        if removed := [(value, REMOVED_OPTION_LABEL) for value in values if value not in choices]:
            self.render_removed_choices(name, removed)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name, field_value in self._get_changed_custom_fields().items():
            try:
                to_option_ids(field_value, data.get(name))
            except forms.ValidationError as error:
                self.add_error(name, error)
            if (
                field_value.field.required
                and field_value.value not in EMPTY_VALUES
                and data.get(name) in EMPTY_VALUES
            ):
                self.add_error(name, REQUIRED_MESSAGE)
        if not self.errors and not self.build_parameters():
            raise forms.ValidationError(NO_CHANGES_MESSAGE)
        return data

    def _get_changed_custom_fields(self) -> dict[str, CustomFieldValue]:
        changed = set(self.changed_data)
        valid = self.custom.keys() & changed & self.cleaned_data.keys()
        return {name: field_value for name, field_value in self.custom.items() if name in valid}

    def build_parameters(self) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name in STANDARD_FIELDS:
            new, was = self.cleaned_data.get(name), self._get_shown_record(name)
            if name in self.changed_data and new is not None and new != was:
                changes[name] = {**(serialize_record(new) or {}), "was": serialize_record(was)}
        fields = {
            field_value.field.key: change
            for name, field_value in self._get_changed_custom_fields().items()
            if (change := self._build_custom_change(name, field_value))
        }
        return {**changes, "custom": fields} if fields else changes

    def _build_custom_change(
        self, name: str, field_value: CustomFieldValue
    ) -> dict[str, Any] | None:
        field, cleaned = field_value.field, self.cleaned_data[name]
        option_ids = to_option_ids(field_value, cleaned)
        new = to_greenhouse_value(field_value, cleaned)
        was = self._get_shown_value(name, field_value)
        shared_names = custom_field_values.list_shared_names(field)
        is_name_shared = any(pk in option_ids for pk, name in field.options if name in shared_names)
        if custom_field_values.are_values_equal(new, was) and not is_name_shared:
            return None
        return custom_field_values.build_change(field, new, was, option_ids=option_ids)

    def _get_shown_record(self, name: str) -> Source | AtsUser | None:
        """What the form showed; if the value changed since, sending results in a conflict."""
        if self.is_shown_data_current(name):
            return getattr(self.application, name)  # type: ignore[no-any-return]
        field: Any = self.fields[name]
        records = field.queryset.model.objects.filter(connection_id=self.application.connection_id)
        record: Source | AtsUser | None = records.filter(
            pk=parse_id(self.get_shown_data(name))
        ).first()
        return record

    def _get_shown_value(self, name: str, field_value: CustomFieldValue) -> Any:
        if self.is_shown_data_current(name):
            return field_value.value
        return read_shown_value(field_value, self.get_shown_data(name))


def match_source(query: str) -> Q:
    return Q(name__icontains=query)


def match_user(query: str) -> Q:
    return match_name("search_name", query) | Q(primary_email__icontains=query)
