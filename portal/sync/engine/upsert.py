"""Upsert one page of records in one statement, skipping rows that did not change."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from portal.core.database.prepared_statements import send_values_apart
from portal.sync.integrity import write_guard
from portal.sync.models import SyncedRecord

_encode_json = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode_ids = msgspec.json.Decoder(tuple[int, ...]).decode
Row = dict[str, Any]
ID_COLUMN = "remote_id"
SOURCE_COLUMN = "source_fingerprint"
_NO_LIMIT = datetime(9999, 12, 31, tzinfo=UTC)
_request_time: ContextVar[datetime] = ContextVar("request_time", default=_NO_LIMIT)


@contextmanager
def written_as_of(moment: datetime) -> Iterator[None]:
    """Mark everything written inside as requested from Greenhouse at this moment."""
    token = _request_time.set(moment)
    try:
        yield
    finally:
        _request_time.reset(token)


def get_request_time() -> datetime:
    """Return when the data being written was requested: now, outside of `written_as_of`."""
    return min(_request_time.get(), timezone.now())


@dataclass(frozen=True)
class WriteResult:
    """Greenhouse ids of the new and changed rows of a page, and its number of records."""

    record_count: int = 0
    created: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()

    @property
    def written_ids(self) -> tuple[int, ...]:
        return self.created + self.changed


@dataclass(frozen=True)
class ParentRef:
    """A foreign key given as a Greenhouse id; a record without a `needed` parent is skipped."""

    model: type[SyncedRecord]
    needed: bool = False


@dataclass(frozen=True)
class UpsertTable:
    """How a model's rows are written, from dicts with `remote_id`, `columns` and ids of `parents`.

    SQL expressions may refer to `incoming`, the parents' names, `existing` and `excluded`.
    """

    model: type[SyncedRecord]
    columns: tuple[str, ...]
    parents: Mapping[str, ParentRef] = field(default_factory=dict)
    on_insert: Mapping[str, str] = field(default_factory=dict)  # SQL by column
    on_update: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)  # SQL instead of the incoming value
    compares_source: bool = False  # rows may have a `source_fingerprint`

    def write(self, connection: Connection, rows: Iterable[Row]) -> WriteResult:
        """Write a page's rows; of rows with the same id the last one wins."""
        # Keys that are no columns or parents still count for the fingerprint.
        page = _encode_rows(rows)
        if not page:
            return WriteResult()
        document = (b"[" + b",".join(page.values()) + b"]").decode()
        connection_id, lock_params = connection.pk, write_guard.build_lock_params(connection)
        now, requested_at, newest = map(
            database.ops.adapt_datetimefield_value,
            (timezone.now(), get_request_time(), _request_time.get()),
        )
        params = [*lock_params, document, *(connection_id for _ in self.parents)]
        params += [connection_id, now, now, requested_at, connection_id, newest, newest]
        with send_values_apart(), database.cursor() as cursor:
            cursor.execute(self._sql, params)
            created, changed = _fetch_written_ids(cursor)
            if len(created) + len(changed) < len(page) and self.compares_source:
                params = [*lock_params, document, *(connection_id for _ in self.parents)]
                cursor.execute(self._source_sql, [*params, connection_id])
        return WriteResult(record_count=len(page), created=created, changed=changed)

    @cached_property
    def _sql(self) -> str:
        return _shorten(self._build_statement(database.vendor))

    @cached_property
    def _source_sql(self) -> str:
        return _shorten(self._build_source_statement(database.vendor))

    def _build_source_statement(self, vendor: str) -> str:
        """The source fingerprints of rows that have the page's content already."""
        table = _quote_name(self.model._meta.db_table)
        equal = "IS NOT DISTINCT FROM" if vendor == "postgresql" else "IS"
        keys = [_quote_name(f"{name}_id") for name in self.parents]
        unchanged = " AND ".join(
            f"existing.{column} {equal} resolved.{column}" for column in ('"fingerprint"', *keys)
        )
        return f"""
            WITH {write_guard.build_lock_ctes(vendor)},
            incoming AS ({self._build_incoming_sql(vendor)}),
            resolved AS ({self._build_resolved_sql()})
            UPDATE {table} AS existing SET {SOURCE_COLUMN} = resolved.{SOURCE_COLUMN}
            FROM resolved
            WHERE existing.connection_id = %s AND existing.remote_id = resolved.remote_id
                AND resolved.{SOURCE_COLUMN} IS NOT NULL AND existing.gone_at IS NULL
                AND NOT existing.{SOURCE_COLUMN} {equal} resolved.{SOURCE_COLUMN}
                AND {unchanged} AND {write_guard.WRITE_ALLOWED_SQL}
        """  # noqa: S608  # only table and column names of our own models

    def _build_resolved_sql(self) -> str:
        selected = ", ".join(
            f"{self.overrides.get(name, f'incoming.{_quote_name(name)}')} AS {_quote_name(name)}"
            for name in (ID_COLUMN, *self.columns, "fingerprint")
        )
        # A record whose parent has not arrived has to be read again.
        missing_parents = "".join(
            f" WHEN incoming.{_quote_name(name)} IS NOT NULL AND {_quote_name(name)}.id IS NULL"
            " THEN NULL"
            for name, parent in self.parents.items()
            if not parent.needed
        )
        source = f"incoming.{SOURCE_COLUMN}"
        if missing_parents:
            source = f"CASE{missing_parents} ELSE {source} END"
        parent_keys = "".join(
            f", {_quote_name(name)}.id AS {_quote_name(f'{name}_id')}" for name in self.parents
        )
        computed = "".join(
            f", {sql} AS {_quote_name(name)}" for name, sql in self.on_insert.items()
        )
        return (
            f"SELECT {selected}, {source} AS {SOURCE_COLUMN}{parent_keys}{computed}"  # noqa: S608
            f" FROM incoming {self._build_join_sql()}"
        )

    def _build_statement(self, vendor: str) -> str:
        table = _quote_name(self.model._meta.db_table)
        keys = [_quote_name(f"{name}_id") for name in self.parents]
        plain = [_quote_name(name) for name in (*self.columns, "fingerprint", SOURCE_COLUMN)]
        extra = [_quote_name(name) for name in self.on_insert]
        into = [_quote_name(ID_COLUMN), *plain, *keys]
        is_distinct = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
        # A row from a later request wins. Checked again on conflict: a concurrent statement may
        # have written the row in between.
        differs_from_resolved, differs_from_excluded = (
            "COALESCE(existing.requested_at, existing.changed_at) <= %s"
            " AND (existing.gone_at IS NOT NULL OR "
            + " OR ".join(
                f"existing.{column} {is_distinct} {source}.{column}"
                for column in ('"fingerprint"', *keys)
            )
            + ")"
            for source in ("resolved", "excluded")
        )
        assignments = [f"{column} = excluded.{column}" for column in (*plain, *keys)]
        assignments += [f"{_quote_name(name)} = {sql}" for name, sql in self.on_update.items()]
        columns = ", ".join(into + extra)
        selected_columns = ", ".join(f"resolved.{column}" for column in into + extra)
        default_columns = "".join(f", {_quote_name(name)}" for name in self._column_defaults)
        default_values = "".join(f", {literal}" for literal in self._column_defaults.values())
        # The database expands the page's JSON itself: that keeps our own cost per page low.
        ctes = f"""
            WITH {write_guard.build_lock_ctes(vendor)},
            incoming AS ({self._build_incoming_sql(vendor)}),
            resolved AS ({self._build_resolved_sql()})
        """
        insert = f"""
            INSERT INTO {table} AS existing
                (connection_id, {columns}, first_seen_at, changed_at, requested_at{default_columns})
            SELECT %s, {selected_columns}, %s, %s, %s{default_values}
            FROM resolved LEFT JOIN {table} existing
                ON existing.connection_id = %s AND existing.remote_id = resolved.remote_id
            WHERE {write_guard.WRITE_ALLOWED_SQL}
                AND (existing.id IS NULL OR {differs_from_resolved})
            ORDER BY resolved.remote_id
            ON CONFLICT (connection_id, remote_id) DO UPDATE SET
                {", ".join(assignments)}, changed_at = excluded.changed_at,
                requested_at = excluded.requested_at, gone_at = NULL
            WHERE {differs_from_excluded}
            RETURNING remote_id, first_seen_at = changed_at AS is_new
        """  # noqa: S608  # only table and column names of our own models
        if vendor == "sqlite":  # no INSERT in a WITH
            return ctes + insert
        return f"""
            {ctes}, written AS ({insert})
            SELECT json_agg(remote_id) FILTER (WHERE is_new)::text,
                json_agg(remote_id) FILTER (WHERE NOT is_new)::text
            FROM written
        """  # noqa: S608

    # Columns maintained by other packages: a new row gets their model defaults.
    @cached_property
    def _column_defaults(self) -> dict[str, str]:
        managed = {
            *self.columns,
            *self.parents,
            *self.on_insert,
            "id",
            "connection",
            ID_COLUMN,
            "fingerprint",
            SOURCE_COLUMN,
        }
        managed |= {"first_seen_at", "changed_at"}
        unmanaged = [
            model_field
            for model_field in self.model._meta.concrete_fields
            if model_field.name not in managed and not model_field.null
        ]
        return {
            str(model_field.column): _to_sql_literal(model_field.get_default())
            for model_field in unmanaged
        }

    def _build_incoming_sql(self, vendor: str) -> str:
        names = [ID_COLUMN, *self.columns, *self.parents, "fingerprint", SOURCE_COLUMN]
        if vendor == "postgresql":
            typed = ", ".join(
                f"{_quote_name(name)} {self._get_column_type(name)}" for name in names
            )
            return f"SELECT * FROM json_to_recordset(%s::json) AS incoming({typed})"  # noqa: S608
        parts = ", ".join(
            f"{self._build_extract_sql(name)} AS {_quote_name(name)}" for name in names
        )
        return f"SELECT {parts} FROM json_each(%s)"  # noqa: S608

    def _get_column_type(self, name: str) -> str:
        if name in self.parents:
            return "bigint"
        return str(self.model._meta.get_field(name).db_type(database))

    def _build_extract_sql(self, name: str) -> str:
        value = f"json_extract(value, '$.{name}')"
        if name not in self.parents and isinstance(
            self.model._meta.get_field(name), models.DateTimeField
        ):
            # Django stores datetimes in SQLite with a space instead of the T and without a zone.
            return f"replace(replace({value}, 'T', ' '), 'Z', '')"
        return value

    def _build_join_sql(self) -> str:
        return " ".join(
            f"{'' if parent.needed else 'LEFT '}JOIN {_quote_name(parent.model._meta.db_table)} "
            f"{_quote_name(name)} ON {_quote_name(name)}.connection_id = %s "
            f"AND {_quote_name(name)}.remote_id = incoming.{_quote_name(name)}"
            for name, parent in self.parents.items()
        )


def _fetch_written_ids(cursor: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids of new and of changed rows. PostgreSQL returns them as two JSON texts."""
    if database.vendor == "postgresql":
        created, changed = cursor.fetchone()
        return _decode_ids(created or "[]"), _decode_ids(changed or "[]")
    rows = cursor.fetchall()
    return (
        tuple(remote_id for remote_id, is_new in rows if is_new),
        tuple(remote_id for remote_id, is_new in rows if not is_new),
    )


def format_array(numbers: Iterable[int]) -> str:
    """Return the numbers as a parameter: of type bigint[] in PostgreSQL, JSON in SQLite."""
    text = _encode_json([*numbers]).decode()
    return f"{{{text[1:-1]}}}" if database.vendor == "postgresql" else text


def _shorten(statement: str) -> str:
    # psycopg takes long statements apart again each time.
    return " ".join(statement.split())


def _quote_name(name: str) -> str:
    return f'"{name}"'


def _to_sql_literal(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else f"'{value}'"


def unpack_fingerprints(digests: Sequence[bytes]) -> tuple[int, ...]:
    """Return digests of eight bytes as signed integers."""
    return struct.unpack(f">{len(digests)}q", b"".join(digests))


def _encode_rows(rows: Iterable[Row]) -> dict[int, bytes]:
    """JSON by id, with fingerprints: that of the source does not count as content."""
    rows = [*rows]
    sources = [row.pop(SOURCE_COLUMN, None) for row in rows]
    documents = _encode_lines(rows).split(b"\n")[:-1]
    digests = [blake2b(document, digest_size=8).digest() for document in documents]
    numbers = unpack_fingerprints(digests)
    return {
        row[ID_COLUMN]: b'{"fingerprint":%d,"source_fingerprint":%b,%b'
        % (number, b"null" if source is None else b"%d" % source, document[1:])
        for row, source, number, document in zip(rows, sources, numbers, documents, strict=True)
    }
