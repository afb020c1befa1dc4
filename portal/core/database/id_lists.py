"""Many IDs as one text, which is cheap to read and to send back: an array, or JSON on SQLite."""

from __future__ import annotations

from typing import Any

from django.db.models import Aggregate, BooleanField, Func, TextField


class CollectIds(Aggregate):
    template, output_field = "CAST(ARRAY_AGG(%(expressions)s) AS text)", TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template="JSON_GROUP_ARRAY(%(expressions)s)")


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
