"""Custom fields hold any JSON: each value is shown, and each text typed is judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from portal.applications.custom_field_values import (
    WRITABLE_TYPES,
    CustomFieldValue,
    build_change,
    format_value,
)
from portal.applications.forms.custom_fields import (
    build_form_field,
    read_shown_value,
    to_greenhouse_value,
)
from portal.sync.models import CustomField

ODD_NUMBERS = ["NaN", "sNaN", "Infinity", "1e30", "1e999999", "9" * 19, "12,5", "1.2.3", "１２"]
ODD_DATES = ["31/12/2026", "0001-01-01", "9999-12-31T00:00", "2026-02-30"]
TEXTS = st.text(max_size=8) | st.sampled_from([*ODD_NUMBERS, *ODD_DATES])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["amount", "unit", "min_value", "max_value"]), inner)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("kind", [*WRITABLE_TYPES, "currency", "number_range", "user"])
@given(value=VALUES, typed=TEXTS)
def test_any_value_is_shown_and_judged(kind: str, value: Any, typed: str) -> None:
    field = CustomField(
        pk=1, key="k", name="Field", type=kind, options=[[1, "A"], [2, "B"], [3, "A"]]
    )
    field_value = CustomFieldValue(field, value)
    assert isinstance(field_value.text, str)
    if field_value.writable:
        _submit(field_value, typed)


def _submit(field_value: CustomFieldValue, typed: str) -> None:
    form = forms.Form({"field": typed})
    form.fields["field"] = build_form_field(field_value)
    assert form.as_p()
    if form.is_valid():
        new = to_greenhouse_value(field_value, form.cleaned_data["field"])
        change = build_change(field_value.field, new, field_value.value)
        json.dumps(change, allow_nan=False)
    is_multiple = field_value.field.type == "multi_select"
    json.dumps(read_shown_value(field_value, frozenset([typed]) if is_multiple else typed))


@pytest.mark.parametrize("amount", ["1.2.3", [0.5, 0.5], {"a": 1}, "NaN", "12,5"])
def test_amount_that_is_no_number_is_shown(amount: Any) -> None:
    assert str(amount) in format_value("currency", {"amount": amount, "unit": "EUR"})
