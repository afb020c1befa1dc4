"""Conditions on the JSON of an application, on PostgreSQL and SQLite."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import BooleanField, F, Func

Sql = tuple[str, tuple[str | int, ...]]


class _JsonCondition(Func):
    output_field = BooleanField()


class HasCustomValue(_JsonCondition):
    """The custom field's value is this, or a list that contains it."""

    def __init__(self, key: str, value: str) -> None:
        super().__init__(F("custom"))
        self._key, self._value = key, value

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        values = [json.dumps({self._key: value}) for value in (self._value, [self._value])]
        condition = f"({column} @> %s::jsonb OR {column} @> %s::jsonb)"
        return condition, (*params, values[0], *params, values[1])

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        path = f"$.{json.dumps(self._key)}"
        condition = f"EXISTS (SELECT 1 FROM json_each({column}, %s) WHERE value = %s)"  # noqa: S608
        return condition, (*params, path, self._value)


class HasAnswer(_JsonCondition):
    """The application form's question was answered exactly so."""

    def __init__(self, question: str, answer: str) -> None:
        super().__init__(F("answers"))
        self._question, self._answer = question, answer

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        answer = json.dumps([{"question": self._question, "answer": self._answer}])
        return f"{column} @> %s::jsonb", (*params, answer)

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        condition = (
            f"EXISTS (SELECT 1 FROM json_each({column})"  # noqa: S608
            " WHERE json_extract(value, '$.question') = %s"
            " AND json_extract(value, '$.answer') = %s)"
        )
        return condition, (*params, self._question, self._answer)
