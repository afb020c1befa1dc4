"""One page, one statement: what is new or differs is written, what is equal is not touched.

The page travels as one JSON document, which the database itself takes apart, joins with the parents
and compares with what it holds, so that a page costs our process next to nothing. What Greenhouse
told of a record is compared by a fingerprint; its parents, which may come later, by their keys.

A page may be written after a newer answer about one of its records (a click, a web hook): whoever
knows when the page was asked for says so by `asked_at`, and what is here of a later asking is left
alone, also where that is being written by another at this moment.
One that comes when its connection has ended is not written at all (`portal.mirror.guard`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec
from django.db import connection as database
from django.db import models
from django.utils import timezone

from portal.connections.models import Connection
from portal.mirror import guard
from portal.mirror.models import Mirrored

_encode = msgspec.json.Encoder().encode
Row = dict[str, Any]
ID = "remote_id"
_WHENEVER = datetime(9999, 12, 31, tzinfo=UTC)
_asked: ContextVar[datetime] = ContextVar("asked", default=_WHENEVER)


@contextmanager
def asked_at(moment: datetime) -> Iterator[None]:
    """What is written inside was asked of Greenhouse at this moment, not later."""
    token = _asked.set(moment)
    try:
        yield
    finally:
        _asked.reset(token)


def asking() -> datetime:
    """When what is written now was asked of Greenhouse: just now, where nobody says."""
    return min(_asked.get(), timezone.now())


@dataclass(frozen=True)
class Written:
    """What became of a page: Greenhouse's ids of new and changed rows; how many it told of."""

    told: int = 0
    created: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()

    @property
    def touched(self) -> tuple[int, ...]:
        return self.created + self.changed


@dataclass(frozen=True)
class Parent:
    """A foreign key, told by Greenhouse's id. Without a `needed` one the record is left out."""

    model: type[Mirrored]
    needed: bool = False


@dataclass(frozen=True)
class Table:
    """How a model's rows are written.

    A row is a dict with `remote_id`, the `columns`, and Greenhouse's id for every foreign key in
    `parents`; what else it holds counts for the fingerprint alone. `born` and `moved` are SQL for
    columns that are worked out when a row is made or changed, in terms of `told` (what came), the
    parents' names, `here` (the row) and `excluded`; `instead` is SQL for what is written of a
    column in place of what was told.
    """

    model: type[Mirrored]
    columns: tuple[str, ...]
    parents: Mapping[str, Parent] = field(default_factory=dict)
    born: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)

    def write(self, connection: Connection, rows: Iterable[Row]) -> Written:
        """Write a page's rows, the last of each id."""
        page = {row[ID]: _sealed(row) for row in rows}
        if not page:
            return Written()
        document = (b"[" + b",".join(page.values()) + b"]").decode()
        mine, allowed = connection.pk, guard.params(connection)
        now, asked, until = map(
            database.ops.adapt_datetimefield_value, (timezone.now(), asking(), _asked.get())
        )
        params = [*allowed, document, *(mine for _ in self.parents)]
        params += [mine, now, now, asked, mine, until, until]
        with database.cursor() as cursor:
            cursor.execute(self._sql[database.vendor], params)
            touched = cursor.fetchall()
        return Written(
            told=len(page),
            created=tuple(remote_id for remote_id, new in touched if new),
            changed=tuple(remote_id for remote_id, new in touched if not new),
        )

    @cached_property
    def _sql(self) -> dict[str, str]:
        return {vendor: self._statement(vendor) for vendor in ("postgresql", "sqlite")}

    def _statement(self, vendor: str) -> str:
        table = _quoted(self.model._meta.db_table)
        keys = [_quoted(f"{name}_id") for name in self.parents]
        plain = [_quoted(name) for name in (*self.columns, "fingerprint")]
        born = [_quoted(name) for name in self.born]
        into = [_quoted(ID), *plain, *keys]
        differs = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
        fresher, newer = (
            "COALESCE(here.asked_at, here.changed_at) <= %s AND (here.gone_at IS NOT NULL OR "
            + " OR ".join(f"here.{one} {differs} {new}.{one}" for one in ('"fingerprint"', *keys))
            + ")"
            for new in ("fresh", "excluded")
        )
        told = ", ".join(
            f"{self.instead.get(name, f'told.{_quoted(name)}')} AS {_quoted(name)}"
            for name in (ID, *self.columns, "fingerprint")
        )
        found = "".join(f", {_quoted(name)}.id AS {_quoted(f'{name}_id')}" for name in self.parents)
        worked_out = "".join(f", {sql} AS {_quoted(name)}" for name, sql in self.born.items())
        sets = [f"{column} = excluded.{column}" for column in (*plain, *keys)]
        sets += [f"{_quoted(name)} = {sql}" for name, sql in self.moved.items()]
        columns = ", ".join(into + born)
        first = "".join(f", {_quoted(name)}" for name in self._first_values)
        values = "".join(f", {literal}" for literal in self._first_values.values())
        return f"""
            WITH {guard.tables(vendor)}, told AS ({self._told(vendor)}),
            fresh AS (SELECT {told}{found}{worked_out} FROM told {self._joins()})
            INSERT INTO {table} AS here
                (connection_id, {columns}, first_seen_at, changed_at, asked_at{first})
            SELECT %s, {", ".join(f"fresh.{column}" for column in into + born)}, %s, %s, %s{values}
            FROM fresh LEFT JOIN {table} here
                ON here.connection_id = %s AND here.remote_id = fresh.remote_id
            WHERE {guard.ALLOWED} AND (here.id IS NULL OR {fresher})
            ORDER BY fresh.remote_id
            ON CONFLICT (connection_id, remote_id) DO UPDATE SET
                {", ".join(sets)}, changed_at = excluded.changed_at,
                asked_at = excluded.asked_at, gone_at = NULL
            WHERE {newer}
            RETURNING remote_id, first_seen_at = changed_at
        """  # noqa: S608  # names of our own models alone

    @cached_property
    def _first_values(self) -> dict[str, str]:
        """Columns that other rooms keep on the row: a new row has their defaults."""
        ours = {*self.columns, *self.parents, *self.born, "id", "connection", ID, "fingerprint"}
        ours |= {"first_seen_at", "changed_at"}
        others = [
            one for one in self.model._meta.concrete_fields if one.name not in ours and not one.null
        ]
        return {str(one.column): _literal(one.get_default()) for one in others}

    def _told(self, vendor: str) -> str:
        """The document as rows: named columns of the right types."""
        names = [ID, *self.columns, *self.parents, "fingerprint"]
        if vendor == "postgresql":
            typed = ", ".join(f"{_quoted(name)} {self._type(name)}" for name in names)
            return f"SELECT * FROM json_to_recordset(%s::json) AS told({typed})"  # noqa: S608
        parts = ", ".join(f"{self._extracted(name)} AS {_quoted(name)}" for name in names)
        return f"SELECT {parts} FROM json_each(%s)"  # noqa: S608

    def _type(self, name: str) -> str:
        if name in self.parents:
            return "bigint"
        return str(self.model._meta.get_field(name).db_type(database))

    def _extracted(self, name: str) -> str:
        value = f"json_extract(value, '$.{name}')"
        if name not in self.parents and isinstance(
            self.model._meta.get_field(name), models.DateTimeField
        ):
            # As Django writes moments in SQLite: a blank instead of the T, no zone.
            return f"replace(replace({value}, 'T', ' '), 'Z', '')"
        return value

    def _joins(self) -> str:
        return " ".join(
            f"{'' if parent.needed else 'LEFT '}JOIN {_quoted(parent.model._meta.db_table)} "
            f"{_quoted(name)} ON {_quoted(name)}.connection_id = %s "
            f"AND {_quoted(name)}.remote_id = told.{_quoted(name)}"
            for name, parent in self.parents.items()
        )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else f"'{value}'"


def _sealed(row: Row) -> bytes:
    """The row as JSON, with the fingerprint of all that it says."""
    told = _encode(row)
    seal = int.from_bytes(blake2b(told, digest_size=8).digest(), "big", signed=True)
    return b'{"fingerprint":%d,%b' % (seal, told[1:])
