"""A form field for each type of custom field that can be written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms

from portal.applications.custom import EMPTY, Held

FEW = 12  # as many options are shown with a box each
YES_NO = [("", "Not given"), ("true", "Yes"), ("false", "No")]


def form_field(held: Held) -> forms.Field:
    """The field, holding what Greenhouse tells now. Empty is allowed: it may be empty there."""
    made: forms.Field = _MAKERS[held.field.type](held)
    made.label = held.field.name
    made.required = False
    made.help_text = " ".join(part for part in (held.field.description, _gone(held)) if part)
    # The form remembers what it showed, so that only what the person changed counts as changed.
    made.show_hidden_initial = True
    return made


def told(held: Held, cleaned: Any) -> Any:
    """What Greenhouse would tell for what was entered; None where it is empty."""
    if cleaned in EMPTY:
        return None
    names = {str(pk): name for pk, name in held.field.options}
    if isinstance(cleaned, list):
        return [names[pk] for pk in cleaned]
    if held.field.type == "single_select":
        return names[cleaned]
    if held.field.type == "yes_no":
        return cleaned == "true"
    if isinstance(cleaned, Decimal):
        return int(cleaned) if cleaned == cleaned.to_integral_value() else float(cleaned)
    if isinstance(cleaned, date):
        return cleaned.isoformat()
    return cleaned.replace("\r\n", "\n")


def _gone(held: Held) -> str:
    """A word on what is chosen in Greenhouse, but can be chosen no more."""
    offered = {name for _, name in held.field.options}
    chosen = held.told if isinstance(held.told, list) else [held.told]
    if not held.field.options or held.told in EMPTY or set(map(str, chosen)) <= offered:
        return ""
    gone = ", ".join(f"“{one}”" for one in chosen if str(one) not in offered)
    return f"Now {gone}, which is no longer offered: choosing something else replaces it."


def _ids(held: Held) -> list[str]:
    chosen = held.told if isinstance(held.told, list) else [held.told]
    return [str(pk) for pk, name in held.field.options if name in chosen]


def _choices(held: Held) -> list[tuple[str, str]]:
    return [(str(pk), str(name)) for pk, name in held.field.options]


def _short(held: Held) -> forms.Field:
    return forms.CharField(max_length=1000, initial=held.told)


def _long(held: Held) -> forms.Field:
    area = forms.Textarea(attrs={"rows": 3})
    return forms.CharField(max_length=10_000, initial=held.told, widget=area)


def _number(held: Held) -> forms.Field:
    wrong = {"invalid": "Enter a number, please, for example 7 or 7.5."}
    any_step = forms.NumberInput(attrs={"step": "any"})
    return forms.DecimalField(
        initial=held.told, max_digits=18, widget=any_step, error_messages=wrong
    )


def _date(held: Held) -> forms.Field:
    day = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    wrong = {"invalid": "Enter a date, please, for example 2027-03-01."}
    initial = str(held.told)[:10] if held.told else None
    return forms.DateField(initial=initial, widget=day, error_messages=wrong)


def _yes_no(held: Held) -> forms.Field:
    initial = str(held.told).lower() if isinstance(held.told, bool) else ""
    return forms.ChoiceField(choices=YES_NO, initial=initial)


def _one(held: Held) -> forms.Field:
    choices = [("", "Not given"), *_choices(held)]
    return forms.ChoiceField(choices=choices, initial=next(iter(_ids(held)), ""))


def _several(held: Held) -> forms.Field:
    few = len(held.field.options) <= FEW
    widget = forms.CheckboxSelectMultiple if few else forms.SelectMultiple
    return forms.MultipleChoiceField(choices=_choices(held), initial=_ids(held), widget=widget)


_MAKERS = {
    "short_text": _short,
    "long_text": _long,
    "number": _number,
    "date": _date,
    "yes_no": _yes_no,
    "single_select": _one,
    "multi_select": _several,
}
