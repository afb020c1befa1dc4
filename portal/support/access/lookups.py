from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import get_fields_from_path
from django.db.models import Model
from django.http import HttpRequest

_FIELD_LOOKUPS = ("exact", "isnull", "gte", "lt")  # what Django's own field filters link to
_DATE_LOOKUPS = ("year", "month", "day")


class DeclaredLookupsAdmin(ModelAdmin[Any]):
    """Answers 400 to filters not declared in `list_filter` or `date_hierarchy`.

    Django accepts any lookup on the model's own fields: `?password__gte=` reads a hash by
    bisection.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        declared = lookup in set(self._list_declared_lookups(request))
        return declared and super().lookup_allowed(lookup, value, request)

    def _list_declared_lookups(self, request: HttpRequest) -> Iterator[str]:
        for item in self.get_list_filter(request):
            yield from _list_filter_parameters(self.model, item)
        if self.date_hierarchy:
            yield from (f"{self.date_hierarchy}__{part}" for part in _DATE_LOOKUPS)


def _list_filter_parameters(model: type[Model], item: Any) -> Iterator[str]:
    if isinstance(item, type):
        yield from getattr(item, "parameter_names", None) or (item.parameter_name,)  # type: ignore[attr-defined]
        return
    path = item[0] if isinstance(item, tuple | list) else item
    yield path
    yield from (f"{path}__{name}" for name in _FIELD_LOOKUPS)
    field: Any = get_fields_from_path(model, path)[-1]
    if field.remote_field:
        yield f"{path}__{field.target_field.name}__exact"
