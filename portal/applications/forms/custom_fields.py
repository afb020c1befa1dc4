"""Form fields for writable custom field types."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms

from portal.applications.custom_field_values import (
    EMPTY_VALUES,
    SELECT_TYPES,
    CustomFieldValue,
    format_value,
    label_options,
    list_shared_names,
)
from portal.applications.forms.widgets import DateOrTextInput, NumberOrTextInput, ShortTextInput

MAX_CHECKBOXES = 12
MAX_SHORT_TEXT, MAX_LONG_TEXT, MAX_DIGITS = 1000, 10_000, 18
MAX_EXPONENT = 300  # of a float, about
SHARED_NAME_PREFIX = "name:"
SHARED_NAME_MESSAGE = "Greenhouse has several options named “{}”. Select the one with the right ID."
YES_NO = [("", "Not set"), ("true", "Yes"), ("false", "No")]


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
    if isinstance(cleaned, list):
        names = _get_names_by_choice(field_value)
        return [names[choice] for choice in cleaned]
    if field_value.field.type == "single_select":
        return _get_names_by_choice(field_value)[cleaned]
    if field_value.field.type == "yes_no":
        return cleaned == "true"
    if isinstance(cleaned, Decimal):
        return _to_json_number(cleaned)
    if isinstance(cleaned, date):
        return cleaned.isoformat()
    return cleaned.replace("\r\n", "\n")


def to_option_ids(field_value: CustomFieldValue, cleaned: Any) -> list[int]:
    """The chosen options of a select. Raises ValidationError if a choice may mean several."""
    if field_value.field.type not in SELECT_TYPES or cleaned in EMPTY_VALUES:
        return []
    choices = cleaned if isinstance(cleaned, list) else [cleaned]
    for choice in choices:
        if choice.startswith(SHARED_NAME_PREFIX):
            name = choice.removeprefix(SHARED_NAME_PREFIX)
            raise forms.ValidationError(SHARED_NAME_MESSAGE.format(name))
    return [int(choice) for choice in choices]


def read_shown_value(field_value: CustomFieldValue, shown: Any) -> Any:
    """The value that the form showed, as Greenhouse returned it then. It may fit no rule."""
    match field_value.field.type:
        case "multi_select":
            return _read_shown_options(field_value, shown) or None
        case "single_select":
            return next(iter(_read_shown_options(field_value, {shown} - {""})), None)
        case "yes_no":
            return {"true": True, "false": False}.get(shown)
        case "number":
            return _parse_shown_number(shown)
    return shown or None


def _read_shown_options(field_value: CustomFieldValue, shown: Collection[str]) -> list[Any]:
    """An option that was removed since is the value that is no longer offered, if there is one."""
    names = _get_names_by_choice(field_value)
    is_any_removed = any(choice not in names for choice in shown)
    removed = _list_missing_options(field_value) if is_any_removed else []
    return [names[choice] for choice in sorted(shown) if choice in names] + removed


def _get_names_by_choice(field_value: CustomFieldValue) -> dict[str, str]:
    shared_names = list_shared_names(field_value.field)
    return {
        **{f"{SHARED_NAME_PREFIX}{name}": name for name in shared_names},
        **{str(pk): name for pk, name in field_value.field.options},
    }


def _parse_shown_number(shown: str) -> int | float | str | None:
    try:
        number = Decimal(shown)
    except InvalidOperation:
        return shown or None
    is_usable = number.is_finite() and abs(number.adjusted()) < MAX_EXPONENT
    return _to_json_number(number) if is_usable else shown


def _to_json_number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _describe_missing_options(field_value: CustomFieldValue) -> str:
    missing = ", ".join(f"“{option}”" for option in _list_missing_options(field_value))
    if not missing:
        return ""
    return (
        f"Currently {missing}, which is no longer an option. Selecting another option replaces it."
    )


def _list_missing_options(field_value: CustomFieldValue) -> list[Any]:
    """Selected values that the field doesn't offer."""
    if field_value.field.type not in (*SELECT_TYPES, "yes_no"):
        return []
    offered = {name for _, name in field_value.field.options}
    return [
        option
        for option in _list_selected_values(field_value)
        if not isinstance(option, bool) and str(option) not in offered
    ]


def _list_selected_values(field_value: CustomFieldValue) -> list[Any]:
    value = field_value.value
    if value in EMPTY_VALUES:
        return []
    return value if isinstance(value, list) else [value]


def _list_selected_choices(field_value: CustomFieldValue) -> list[str]:
    """A name that several options have is a choice of its own: which of them is unknown."""
    selected = _list_selected_values(field_value)
    shared_names = list_shared_names(field_value.field)
    shared = [f"{SHARED_NAME_PREFIX}{name}" for name in sorted(shared_names) if name in selected]
    return shared + [
        str(pk)
        for pk, name in field_value.field.options
        if name in selected and name not in shared_names
    ]


def _build_choices(field_value: CustomFieldValue) -> list[tuple[str, str]]:
    shared = [
        (choice, f"{choice.removeprefix(SHARED_NAME_PREFIX)} (currently selected, ID unknown)")
        for choice in _list_selected_choices(field_value)
        if choice.startswith(SHARED_NAME_PREFIX)
    ]
    options = label_options(field_value.field)
    return shared + [(str(pk), label) for pk, label in options.items()]


def _build_short_text_field(field_value: CustomFieldValue) -> forms.Field:
    return _build_text_field(field_value, MAX_SHORT_TEXT, ShortTextInput())


def _build_long_text_field(field_value: CustomFieldValue) -> forms.Field:
    return _build_text_field(field_value, MAX_LONG_TEXT, forms.Textarea(attrs={"rows": 3}))


def _build_text_field(
    field_value: CustomFieldValue, max_length: int, widget: forms.Widget
) -> forms.Field:
    """Text that is longer than our limit can still be edited."""
    shown = _get_shown_text(field_value)
    limit = max(max_length, len(shown.replace("\r\n", "\n")))
    return forms.CharField(max_length=limit, initial=shown, widget=widget)


def _build_number_field(field_value: CustomFieldValue) -> forms.Field:
    errors = {"invalid": "Enter a number, for example 7 or 7.5."}
    return forms.DecimalField(
        initial=_get_shown_text(field_value),
        max_digits=MAX_DIGITS,
        widget=NumberOrTextInput(),
        error_messages=errors,
    )


def _build_date_field(field_value: CustomFieldValue) -> forms.Field:
    errors = {"invalid": "Enter a date, for example 2027-03-01."}
    shown = _get_shown_text(field_value)
    day, separator, _ = shown.partition("T")
    initial = day if separator and DateOrTextInput.fits(day) else shown
    return forms.DateField(initial=initial, widget=DateOrTextInput(), error_messages=errors)


def _get_shown_text(field_value: CustomFieldValue) -> str:
    """Greenhouse may return values of another type than the field's."""
    value = field_value.value
    if isinstance(value, (list, dict, bool)):
        return format_value(field_value.field.type, value)
    return "" if value is None else str(value)


def _build_yes_no_field(field_value: CustomFieldValue) -> forms.Field:
    initial = str(field_value.value).lower() if isinstance(field_value.value, bool) else ""
    return forms.ChoiceField(choices=YES_NO, initial=initial)


def _build_single_select_field(field_value: CustomFieldValue) -> forms.Field:
    choices = [("", "Not set"), *_build_choices(field_value)]
    return forms.ChoiceField(
        choices=choices, initial=next(iter(_list_selected_choices(field_value)), "")
    )


def _build_multi_select_field(field_value: CustomFieldValue) -> forms.Field:
    few = len(field_value.field.options) <= MAX_CHECKBOXES
    widget = forms.CheckboxSelectMultiple if few else forms.SelectMultiple
    return forms.MultipleChoiceField(
        choices=_build_choices(field_value),
        initial=_list_selected_choices(field_value),
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
