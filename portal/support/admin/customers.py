"""A filter by customer that stays usable with a thousand of them: a part of the name is typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.accounts.models import Organization
from portal.core.keys import as_key

SHOWN = 10
NOBODY = "none"
_CUSTOMER, _NAMED = "customer", "named"


class OfCustomer(admin.ListFilter):
    """`?customer=<pk>`, as links have it, or `?named=<part of the name>`, as people type it.

    `path` leads from a row to its organization.
    """

    title = "customer"
    template = "admin/support/of_customer.html"
    parameter_names = (_CUSTOMER, _NAMED)
    path: str
    nobody = ""  # what rows without an organization are called, where there are any

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.customer, self.named = (
            str(params.pop(name, [""])[-1]).strip() for name in self.parameter_names
        )
        self.chosen = list(self._chosen())

    def _chosen(self) -> QuerySet[Organization]:
        if (key := as_key(self.customer)) is not None:
            return Organization.objects.filter(pk=key)
        if self.named:
            return Organization.objects.filter(name__icontains=self.named)[:100]
        return Organization.objects.none()

    @property
    def _of_nobody(self) -> bool:
        return bool(self.nobody) and self.customer == NOBODY

    @property
    def _active(self) -> bool:
        return bool(self.customer or self.named)

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameter_names]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self._active:
            return queryset
        if self._of_nobody:
            return queryset.filter(**{self.path: None})
        return queryset.filter(**{f"{self.path}__in": [one.pk for one in self.chosen]})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """One for the template: what is chosen, and what the form must keep."""
        kept = {**changelist.params}
        for name in self.parameter_names:
            kept.pop(name, None)
        yield {
            "chosen": self.chosen[:SHOWN],
            "more": len(self.chosen) - SHOWN,
            "named": self.named,
            "active": self._active,
            "nobody": self.nobody,
            "of_nobody": self._of_nobody,
            "to_nobody": changelist.get_query_string({_CUSTOMER: NOBODY}, remove=[_NAMED, "p"]),
            "all": changelist.get_query_string(remove=self.expected_parameters()),
            "kept": kept.items(),
        }


def chosen(request: HttpRequest) -> bool:
    """Whether a list is narrowed to customers."""
    return any(request.GET.get(name) for name in (_CUSTOMER, _NAMED))


def of_customer(path: str, *, nobody: str = "") -> type[OfCustomer]:
    """The filter for rows whose organization is found by `path`."""
    return type("OfCustomer", (OfCustomer,), {"path": path, "nobody": nobody})
