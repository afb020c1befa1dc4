"""The test database's tables: read whole, written whole, put back between two tests.

Django's own flush empties every table and has everything made again that migrations leave behind;
here only what a test wrote to is touched. Ids begin anew for each test, and in each table at
another number: an id taken for that of another kind of thing finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection, transaction

from portal.core.database.prepared_statements import use_prepared_statements

ID_RANGE_SIZE = 10_000


class Table(NamedTuple):
    """A table's rows, each in the order of `columns`; the primary key comes first."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


_migrated: dict[str, Table] = {}
"""What a migrated database holds; `remember` fills it."""


def save_migrated_tables() -> None:
    """Take what the tables hold now for what a migrated database holds."""
    _migrated.update(read_tables(list_filled_tables(list_tables())))
    reset_sequences()


def restore_migrated_tables() -> None:
    """Make the database as it was when migrated."""
    changed = [name for name, table in read_tables(_migrated).items() if table != _migrated[name]]
    emptied = list_added_tables()
    with transaction.atomic(), connection.cursor() as cursor, _trust_foreign_keys(cursor):
        _delete_rows(cursor, [*changed, *emptied])
        insert_rows({name: _migrated[name] for name in changed})
    reset_sequences()


def _delete_rows(cursor: Any, names: Sequence[str]) -> None:
    """In any order: foreign keys are checked at the end, or not at all."""
    statements = [f'DELETE FROM "{name}"' for name in names]  # noqa: S608  (our own tables)
    if connection.vendor == "postgresql" and statements:
        cursor.execute("; ".join(statements))
    else:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def _trust_foreign_keys(cursor: Any) -> Iterator[None]:
    """Check no foreign keys of rows that were valid when they were read, nor of emptied tables.

    Looking them up takes PostgreSQL longer than writing the rows. Only a superuser may skip that.
    """
    if not _can_skip_triggers():
        yield
        return
    cursor.execute("SET LOCAL session_replication_role = replica")
    yield
    cursor.execute("SET LOCAL session_replication_role = origin")


@cache
def _can_skip_triggers() -> bool:
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        return bool(cursor.fetchone() == ("on",))


def reset_sequences() -> None:
    """Give each table ids of its own to begin with, the same ones for each test."""
    _set_sequences(
        {
            name: ID_RANGE_SIZE * (place + 1)
            for place, name in enumerate(sorted(_list_serial_columns()))
        }
    )


def _set_sequences(ids: dict[str, int]) -> None:
    """Have each of these tables give the id after this one next."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany("DELETE FROM sqlite_sequence WHERE name = %s", [(n,) for n in ids])
            insert = "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)"
            cursor.executemany(insert, list(ids.items()))
        elif ids:
            sequence = "pg_get_serial_sequence('\"{}\"', '{}')".format
            column = _list_serial_columns()
            moved = [
                f"setval({sequence(name, column[name])}, {last})" for name, last in ids.items()
            ]
            cursor.execute(f"SELECT {', '.join(moved)}")


def list_added_tables() -> list[str]:
    """Name the tables that are empty after migrating and hold rows now."""
    return list_filled_tables(set(list_tables()) - _migrated.keys())


def read_tables(names: Iterable[str]) -> dict[str, Table]:
    """What these tables hold."""
    tables_by_name = {}
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'SELECT * FROM "{name}" ORDER BY 1')  # noqa: S608
            columns = tuple(column[0] for column in cursor.description)
            tables_by_name[name] = Table(columns, cursor.fetchall())
    return tables_by_name


def list_filled_tables(names: Iterable[str]) -> list[str]:
    """Those of these tables that have a row."""
    each = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in sorted(names)]  # noqa: S608
    # PostgreSQL would plan for longer than it looks into the tables.
    with use_prepared_statements(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(each))
        return [name for (name,) in cursor.fetchall()]


def is_text_stored(text: str) -> bool:
    """Whether the text is anywhere in the database."""
    return any(text in str(table.rows) for table in read_tables(list_tables()).values())


def insert_rows(tables: dict[str, Table]) -> None:
    """Add these rows; new ones get ids after theirs."""
    with transaction.atomic(), connection.cursor() as cursor, _trust_foreign_keys(cursor):
        for name, (columns, rows) in tables.items():
            into = ", ".join(f'"{column}"' for column in columns)
            if connection.vendor == "postgresql":
                _copy_rows(cursor, f'COPY "{name}" ({into}) FROM STDIN', rows)
            else:
                values = ", ".join(["%s"] * len(columns))
                cursor.executemany(f'INSERT INTO "{name}" ({into}) VALUES ({values})', rows)  # noqa: S608
    last = {name: max(row[0] for row in table.rows) for name, table in tables.items()}
    _set_sequences({name: last[name] for name in last.keys() & _list_serial_columns().keys()})


def _copy_rows(cursor: Any, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    with cursor.cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@cache
def list_tables() -> list[str]:
    """Every table of ours; the record of migrations is not among them."""
    return connection.introspection.django_table_names(only_existing=True, include_views=False)


@cache
def _list_serial_columns() -> dict[str, str]:
    """The tables whose ids the database gives, each with that column."""
    models = apps.get_models(include_auto_created=True)
    return {m._meta.db_table: m._meta.auto_field.column for m in models if m._meta.auto_field}
