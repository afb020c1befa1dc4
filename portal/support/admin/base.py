"""Admin pages that show more than they change, and stay quick however much there is."""

from __future__ import annotations

from functools import cached_property
from math import ceil
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest

from portal.support.admin.customers import chosen
from portal.support.roles import meets_people

SEARCHED = 50_000  # rows of a log, where no index helps
PEOPLE = ("requested_by", "made_by", "entered_by")  # fields that may name a customer's
COUNTED = 5_000  # from here on a guess is as good as a count, and quick


class EstimatingPaginator(Paginator):
    """Counts and pages up to COUNTED; beyond that it tells PostgreSQL's own estimate, or "more".

    COUNT(*) reads every row, and a late page all rows before it: with millions of them a list
    would take many seconds to open.
    """

    @cached_property
    def _few(self) -> int:
        found: Any = self.object_list
        counted: int = found.order_by()[: COUNTED + 1].count()
        return counted

    @property
    def uncounted(self) -> bool:
        """Whether there are more than were counted."""
        return self._few > COUNTED

    @cached_property
    def count(self) -> int:
        found: Any = self.object_list
        if self.uncounted and not getattr(found.query, "where", None):
            return max(COUNTED, self._estimate(found))
        return min(self._few, COUNTED)

    @cached_property
    def num_pages(self) -> int:
        return max(1, ceil(min(self._few, COUNTED) / self.per_page))

    def _estimate(self, found: Any) -> int:
        connection = connections[found.db]
        if connection.vendor != "postgresql":
            return 0
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                [found.model._meta.db_table],
            )
            return int(cursor.fetchone()[0])


class Listed(ChangeList):
    """A list named after what is in it; how many were found is told of a search only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plural = str(self.opts.verbose_name_plural)
        self.title = plural[:1].upper() + plural[1:]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query:
            self.full_result_count = self.result_count


class Urgent(Listed):
    """A list that begins with what is most urgent, by what its admin annotates (`urgency`)."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        if ORDER_VAR in self.params:
            return super().get_ordering(request, queryset)
        return [*getattr(self.model_admin, "urgency", ())]


def _unnamed(request: HttpRequest, names: Any) -> Any:
    """These fields, without people of customers for who is not to meet any."""
    return names if meets_people(request) else [name for name in names if name not in PEOPLE]


class Kept(admin.ModelAdmin[Any]):
    """Rows that nobody makes or deletes by hand."""

    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # a count for each choice of each filter

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Listed

    def get_list_display(self, request: HttpRequest) -> Any:
        return _unnamed(request, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return _unnamed(request, super().get_fields(request, obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Watched(Kept):
    """Rows that nobody changes by hand either."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Log(Watched):
    """Rows without an end. Words are looked for in the newest ones, or in all of one customer."""

    search_help_text = (
        f"Words are looked for in the newest {SEARCHED:,} rows; in all of them once a customer is "
        "chosen."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, twice = super().get_search_results(request, queryset, search_term)
        return (lately(found) if search_term and not chosen(request) else found), twice


def lately(found: QuerySet[Any]) -> QuerySet[Any]:
    """Those among the newest SEARCHED rows of the table."""
    newest = found.model._base_manager.aggregate(newest=Max("pk"))["newest"] or 0
    return found.filter(pk__gt=newest - SEARCHED)


class WatchedInline(admin.TabularInline[Any, Any]):
    """Rows beneath another one, only shown."""

    extra = 0
    can_delete = False
    show_change_link = False
    related: tuple[str, ...] = ()  # what a row names, read together with it

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related(*self.related) if self.related else found

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return _unnamed(request, super().get_fields(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
