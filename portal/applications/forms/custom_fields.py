"""Form fields for writable custom field types."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms

from portal.applications.custom_field_values import EMPTY_VALUES, CustomFieldValue

MAX_CHECKBOXES = 12
YES_NO = [("", "Not given"), ("true", "Yes"), ("false", "No")]


def build_form_field(field_value: CustomFieldValue) -> forms.Field:
    """Never required, since the value may be empty in Greenhouse too."""
    field: forms.Field = _FIELD_BUILDERS[field_value.field.type](field_value)
    field.label = field_value.field.name
    field.required = False
    field.help_text = " ".join(
        part
        for part in (field_value.field.description, _describe_missing_options(field_value))
        if part
    )
    # Detects what the person changed, even if the value has since changed in Greenhouse.
    field.show_hidden_initial = True
    return field


def to_greenhouse_value(field_value: CustomFieldValue, cleaned: Any) -> Any:
    """Convert cleaned data to the value as Greenhouse returns it; None if empty."""
    if cleaned in EMPTY_VALUES:
        return None
    names = {str(pk): name for pk, name in field_value.field.options}
    if isinstance(cleaned, list):
        return [names[pk] for pk in cleaned]
    if field_value.field.type == "single_select":
        return names[cleaned]
    if field_value.field.type == "yes_no":
        return cleaned == "true"
    if isinstance(cleaned, Decimal):
        return int(cleaned) if cleaned == cleaned.to_integral_value() else float(cleaned)
    if isinstance(cleaned, date):
        return cleaned.isoformat()
    return cleaned.replace("\r\n", "\n")


def _describe_missing_options(field_value: CustomFieldValue) -> str:
    offered = {name for _, name in field_value.field.options}
    selected = field_value.value if isinstance(field_value.value, list) else [field_value.value]
    if (
        not field_value.field.options
        or field_value.value in EMPTY_VALUES
        or set(map(str, selected)) <= offered
    ):
        return ""
    missing = ", ".join(f"“{option}”" for option in selected if str(option) not in offered)
    return f"Now {missing}, which is no longer offered: choosing something else replaces it."


def _get_selected_option_ids(field_value: CustomFieldValue) -> list[str]:
    selected = field_value.value if isinstance(field_value.value, list) else [field_value.value]
    return [str(pk) for pk, name in field_value.field.options if name in selected]


def _build_choices(field_value: CustomFieldValue) -> list[tuple[str, str]]:
    return [(str(pk), str(name)) for pk, name in field_value.field.options]


def _build_short_text_field(field_value: CustomFieldValue) -> forms.Field:
    return forms.CharField(max_length=1000, initial=field_value.value)


def _build_long_text_field(field_value: CustomFieldValue) -> forms.Field:
    area = forms.Textarea(attrs={"rows": 3})
    return forms.CharField(max_length=10_000, initial=field_value.value, widget=area)


def _build_number_field(field_value: CustomFieldValue) -> forms.Field:
    errors = {"invalid": "Enter a number, please, for example 7 or 7.5."}
    any_step = forms.NumberInput(attrs={"step": "any"})
    return forms.DecimalField(
        initial=field_value.value, max_digits=18, widget=any_step, error_messages=errors
    )


def _build_date_field(field_value: CustomFieldValue) -> forms.Field:
    day = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    errors = {"invalid": "Enter a date, please, for example 2027-03-01."}
    initial = str(field_value.value)[:10] if field_value.value else None
    return forms.DateField(initial=initial, widget=day, error_messages=errors)


def _build_yes_no_field(field_value: CustomFieldValue) -> forms.Field:
    initial = str(field_value.value).lower() if isinstance(field_value.value, bool) else ""
    return forms.ChoiceField(choices=YES_NO, initial=initial)


def _build_single_select_field(field_value: CustomFieldValue) -> forms.Field:
    choices = [("", "Not given"), *_build_choices(field_value)]
    return forms.ChoiceField(
        choices=choices, initial=next(iter(_get_selected_option_ids(field_value)), "")
    )


def _build_multi_select_field(field_value: CustomFieldValue) -> forms.Field:
    few = len(field_value.field.options) <= MAX_CHECKBOXES
    widget = forms.CheckboxSelectMultiple if few else forms.SelectMultiple
    return forms.MultipleChoiceField(
        choices=_build_choices(field_value),
        initial=_get_selected_option_ids(field_value),
        widget=widget,
    )


_FIELD_BUILDERS = {
    "short_text": _build_short_text_field,
    "long_text": _build_long_text_field,
    "number": _build_number_field,
    "date": _build_date_field,
    "yes_no": _build_yes_no_field,
    "single_select": _build_single_select_field,
    "multi_select": _build_multi_select_field,
}
