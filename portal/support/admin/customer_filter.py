from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.accounts.models import Organization
from portal.web.id_parsing import parse_id

MAX_SHOWN = 10
NO_CUSTOMER = "none"
_CUSTOMER_PARAM, _NAME_PARAM = "customer", "customer_name"


class CustomerFilter(admin.ListFilter):
    """`?customer=<pk>` from links, or `?customer_name=<part of the name>` as typed.

    `path` leads from a row to its organization.
    """

    title = "customer"
    template = "admin/support/customer_filter.html"
    parameter_names = (_CUSTOMER_PARAM, _NAME_PARAM)
    path: str
    no_customer_label = ""  # label for rows without an organization, if any

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.customer, self.name_query = (
            str(params.pop(name, [""])[-1]).strip() for name in self.parameter_names
        )
        self.matches = list(self._find_customers())

    def _find_customers(self) -> QuerySet[Organization]:
        if (key := parse_id(self.customer)) is not None:
            return Organization.objects.filter(pk=key)
        if self.name_query:
            return Organization.objects.filter(name__icontains=self.name_query)[:100]
        return Organization.objects.none()

    @property
    def _is_no_customer(self) -> bool:
        return bool(self.no_customer_label) and self.customer == NO_CUSTOMER

    @property
    def _is_active(self) -> bool:
        return bool(self.customer or self.name_query)

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameter_names]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self._is_active:
            return queryset
        if self._is_no_customer:
            return queryset.filter(**{self.path: None})
        return queryset.filter(
            **{f"{self.path}__in": [organization.pk for organization in self.matches]}
        )

    def choices(self, changelist: Any) -> Iterator[Any]:
        hidden_params = {**changelist.params}
        for name in self.parameter_names:
            hidden_params.pop(name, None)
        yield {
            "selected": self.matches[:MAX_SHOWN],
            "more": len(self.matches) - MAX_SHOWN,
            "name_query": self.name_query,
            "active": self._is_active,
            "no_customer_label": self.no_customer_label,
            "is_no_customer": self._is_no_customer,
            "no_customer_url": changelist.get_query_string(
                {_CUSTOMER_PARAM: NO_CUSTOMER}, remove=[_NAME_PARAM, "p"]
            ),
            "all_url": changelist.get_query_string(remove=self.expected_parameters()),
            "hidden_params": hidden_params.items(),
        }


def is_customer_chosen(request: HttpRequest) -> bool:
    return any(request.GET.get(name) for name in (_CUSTOMER_PARAM, _NAME_PARAM))


def build_customer_filter(path: str, *, no_customer_label: str = "") -> type[CustomerFilter]:
    return type(
        "CustomerFilter", (CustomerFilter,), {"path": path, "no_customer_label": no_customer_label}
    )
