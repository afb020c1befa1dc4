"""Admin pages that show more than they change, and stay quick however much there is."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Model
from django.http import HttpRequest

COUNTED = 10_000  # from here on a guess is as good as a count, and quick


class EstimatingPaginator(Paginator):
    """Counts up to COUNTED; beyond that PostgreSQL's own estimate, or "at least so many".

    COUNT(*) reads every row: with millions of them a list would take many seconds to open.
    """

    @cached_property
    def count(self) -> int:
        found: Any = self.object_list
        few: int = found.order_by()[: COUNTED + 1].count()
        if few <= COUNTED:
            return few
        where = getattr(found.query, "where", None)
        return few if where else max(few, self._estimate(found))

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


class Urgent(ChangeList):
    """A list that begins with what is most urgent, by what its admin annotates (`urgency`)."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> Any:
        if ORDER_VAR in self.params:
            return super().get_ordering(request, queryset)
        return [*getattr(self.model_admin, "urgency", ())]


class Kept(admin.ModelAdmin[Any]):
    """Rows that nobody makes or deletes by hand."""

    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Watched(Kept):
    """Rows that nobody changes by hand either."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class WatchedInline(admin.TabularInline[Any, Any]):
    """Rows beneath another one, only shown."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
