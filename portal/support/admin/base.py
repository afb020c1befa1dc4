"""Base classes for admins that show more than they change and stay fast on large tables."""

from __future__ import annotations

from functools import cached_property
from math import ceil
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Max, Model, Q, QuerySet
from django.http import HttpRequest

from portal.core.names.search_keys import MAX_QUERY_WORDS, match_name
from portal.support.access.roles import can_see_people
from portal.support.admin.customer_filter import is_customer_chosen

SEARCHED_ROWS = 50_000  # newest rows of a log to search without an index
PEOPLE_FIELDS = ("requested_by", "created_by", "entered_by")  # may name customers' members
MAX_COUNTED = 5_000  # beyond this, an estimate will do


class EstimatingPaginator(Paginator):
    """Counts up to MAX_COUNTED rows; beyond that uses PostgreSQL's estimate.

    COUNT(*) and late pages read every row, which takes seconds for millions of them.
    """

    @cached_property
    def _capped_count(self) -> int:
        rows: Any = self.object_list
        row_count: int = rows.order_by()[: MAX_COUNTED + 1].count()
        return row_count

    @property
    def exceeds_max_count(self) -> bool:
        return self._capped_count > MAX_COUNTED

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if self.exceeds_max_count and not getattr(rows.query, "where", None):
            return max(MAX_COUNTED, self._estimate_count(rows))
        return min(self._capped_count, MAX_COUNTED)

    @cached_property
    def num_pages(self) -> int:
        return max(1, ceil(min(self._capped_count, MAX_COUNTED) / self.per_page))

    def _estimate_count(self, rows: Any) -> int:
        connection = connections[rows.db]
        if connection.vendor != "postgresql":
            return 0
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                [rows.model._meta.db_table],
            )
            return int(cursor.fetchone()[0])


class TitledChangeList(ChangeList):
    """Titled after the model; result counts are shown for searches only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plural = str(self.opts.verbose_name_plural)
        self.title = plural[:1].upper() + plural[1:]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query:
            self.full_result_count = self.result_count


class UrgencyChangeList(TitledChangeList):
    """Sorted by the admin's `urgency` annotation unless the user chose an order."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        if ORDER_VAR in self.params:
            return super().get_ordering(request, queryset)
        return [*getattr(self.model_admin, "urgency", ())]

    def get_ordering_field_columns(self) -> Any:
        return super().get_ordering_field_columns() if ORDER_VAR in self.params else {}


def _hide_people_fields(request: HttpRequest, names: Any) -> Any:
    return (
        names if can_see_people(request) else [name for name in names if name not in PEOPLE_FIELDS]
    )


class PeopleSearchAdmin(admin.ModelAdmin[Any]):
    """Finds people however their name is typed; of `search_fields`, the first is a search key."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        name_field, email_field = self.get_search_fields(request)
        for word in search_term.split()[:MAX_QUERY_WORDS]:
            # A subquery, as joins would repeat people with several addresses.
            emails = self.model._default_manager.filter(**{f"{email_field}__icontains": word})
            queryset = queryset.filter(match_name(name_field, word) | Q(pk__in=emails.values("pk")))
        return queryset, False


class NoAddDeleteAdmin(admin.ModelAdmin[Any]):
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER  # facets cost one count per filter choice

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TitledChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        return _hide_people_fields(request, super().get_list_display(request))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return _hide_people_fields(request, super().get_fields(request, obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(NoAddDeleteAdmin):
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LogAdmin(ReadOnlyAdmin):
    """Searches the newest rows of a growing table, or all rows of one customer."""

    search_help_text = (
        f"Searches the newest {SEARCHED_ROWS:,} rows, or all rows of the selected customer."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        matches, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        return (
            limit_to_recent(matches) if search_term and not is_customer_chosen(request) else matches
        ), may_have_duplicates


def limit_to_recent(queryset: QuerySet[Any]) -> QuerySet[Any]:
    newest = queryset.model._base_manager.aggregate(newest=Max("pk"))["newest"] or 0
    return queryset.filter(pk__gt=newest - SEARCHED_ROWS)


class ReadOnlyInline(admin.TabularInline[Any, Any]):
    extra = 0
    can_delete = False
    show_change_link = False
    related_fields: tuple[str, ...] = ()  # for select_related

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.select_related(*self.related_fields) if self.related_fields else queryset

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return _hide_people_fields(request, super().get_fields(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
