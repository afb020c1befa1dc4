"""Many IDs as one text, which is cheap to read and to send back: an array, or JSON on SQLite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import Aggregate, BooleanField, Count, Func, QuerySet, TextField


class CollectIds(Aggregate):
    template, output_field = "CAST(ARRAY_AGG(%(expressions)s) AS text)", TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="JSON_GROUP_ARRAY(%(expressions)s)")


def collect_ids(rows: QuerySet[Any, Any]) -> tuple[str | None, int]:
    """The IDs of a queryset, and how many; None if there are none."""
    if rows.query.combinator is None:
        collected = rows.aggregate(ids=CollectIds("pk"), count=Count("pk"))
        return collected["ids"], collected["count"]
    ids = [pk for row in rows for pk in row.values()]  # Django aggregates no unions
    return format_ids(ids) if ids else None, len(ids)


def format_ids(ids: Iterable[int]) -> str:
    start, end = "{}" if connection.vendor == "postgresql" else "[]"
    return f"{start}{','.join(map(str, ids))}{end}"


def parse_ids(text: str) -> list[int]:
    return [int(pk) for pk in text[1:-1].split(",") if pk]


class IsOneOf(Func):
    """Whether an ID is one of those collected by `CollectIds`."""

    template, arg_joiner = "%(expressions)s AS bigint[]))", " = ANY(CAST("
    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(
            compiler,
            connection,
            template="%(expressions)s))",
            arg_joiner=" IN (SELECT value FROM json_each(",
        )
