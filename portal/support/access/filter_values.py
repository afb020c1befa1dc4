from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ChoicesFieldListFilter, SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import IntegerField


def is_usable_value(field: Any, text: str) -> bool:
    """Return whether a text from a URL or form can be compared with the field's column."""
    try:
        value = field.to_python(text)
        if isinstance(field, IntegerField):
            field.run_validators(value)  # its range
    except (ValidationError, ValueError, OverflowError):
        return False
    return True


def list_unusable_filters(filters: Iterable[Any]) -> list[Any]:
    """Filters whose value is none of their choices."""
    return [list_filter for list_filter in filters if not _has_known_value(list_filter)]


def _has_known_value(list_filter: Any) -> bool:
    if isinstance(list_filter, SimpleListFilter):
        values = [list_filter.value()]
        choices = {str(value) for value, _ in list_filter.lookup_choices}
    elif isinstance(list_filter, ChoicesFieldListFilter):
        values = [*(list_filter.lookup_val or [])]
        choices = {str(value) for value, _ in list_filter.field.flatchoices}
    else:
        return True
    return all(value in {None, ""} or str(value) in choices for value in values)
