"""Lookups that Django compiles once per process, which takes longer than PostgreSQL's answer.

`@compile_once` calls the function with placeholders, so it may depend on nothing but its arguments.
Positional ones become parameters of the statement; each value of a keyword argument gets a
statement of its own, and so does each kind of scope, whose IDs are parameters, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, wraps
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.db.models.sql import UpdateQuery
from django.db.transaction import TransactionManagementError, mark_for_rollback_on_error

from portal.core.database.id_lists import collect_ids
from portal.core.tenancy.scope import Scope, get_scope, resume_scope

Row = TypeVar("Row")
P = ParamSpec("P")

_MAX_STATEMENTS = 1000
_MAX_PLACEHOLDERS = 100_000  # of a statement
# Values that no row has, by the type of the argument.
_PLACEHOLDERS: dict[type, Callable[[int], Any]] = {
    int: lambda n: 10**18 + n,
    str: lambda n: f"\ue000{n}",
    datetime: lambda n: datetime(1, 1, 1, microsecond=n, tzinfo=UTC),
    date: lambda n: date(1, 1, 1) + timedelta(days=n),
}


class NotCompilable(Exception):
    """A queryset depends on more than the arguments of the function that builds it."""


def compile_once(build: Callable[P, QuerySet[Any, Row]]) -> Callable[P, list[Row]]:
    """Arguments are int, str, datetime or date, or nested tuples of these. With None among them, or
    on SQLite, the queryset is compiled as usual.
    """

    @wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> list[Row]:
        if not _can_compile(args):
            return list(build(*args, **kwargs))
        statement, values = _find_statement(build, args, kwargs)
        return statement.run(values)

    return run


def count_once(build: Callable[P, QuerySet[Any, Any]]) -> Callable[P, int]:
    """Like `compile_once`, to count the rows."""

    @wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        if not _can_compile(args):
            return build(*args, **kwargs).count()
        statement, values = _find_statement(build, args, kwargs)
        return statement.count(values)

    return run


def collect_once(
    build: Callable[P, QuerySet[Any, Any]],
) -> Callable[P, tuple[str | None, int]]:
    """Like `compile_once`, for a queryset of IDs: all of them as `CollectIds`, and how many."""

    @wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> tuple[str | None, int]:
        if not _can_compile(args):
            return collect_ids(build(*args, **kwargs))
        statement, values = _find_statement(build, args, kwargs)
        return statement.collect(values)

    return run


def update_once(
    build: Callable[P, tuple[QuerySet[Any, Any], dict[str, Any]]],
) -> Callable[P, int]:
    """Like `compile_once`, to update rows to values; how many there were."""

    def build_update(*args: P.args, **kwargs: P.kwargs) -> QuerySet[Any, Any]:
        rows, values = build(*args, **kwargs)
        rows = rows.all()
        rows.query = rows.query.chain(UpdateQuery)
        rows.query.add_update_values(values)  # type: ignore[attr-defined]
        return rows

    @wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        if not _can_compile(args):
            rows, values = build(*args, **kwargs)
            return rows.update(**values)
        statement, params = _find_statement(build_update, args, kwargs)
        return statement.update(params)

    return run


def _can_compile(args: Sequence[Any]) -> bool:
    return None not in args and connections["default"].vendor == "postgresql"


def _find_statement(
    build: Callable[..., QuerySet[Any, Any]], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[_Statement, list[Any]]:
    """With the values of its placeholders."""
    scope = get_scope()
    if scope is None or scope.organization_id is None:
        owners, ids = None, []
    else:
        owners, ids = tuple(scope.owner_ids), [scope.organization_id, *scope.owner_ids.values()]
    types = tuple(map(_get_type, args))
    return _compile(build, types, tuple(kwargs.items()), owners), [*ids, *_flatten(args)]


def _get_type(argument: Any) -> Any:
    kind = type(argument)
    if kind in _PLACEHOLDERS:
        return kind
    if isinstance(argument, tuple):
        return tuple(map(_get_type, argument))
    return next(kind for kind in _PLACEHOLDERS if isinstance(argument, kind))


def _flatten(arguments: Iterable[Any]) -> Iterable[Any]:
    for argument in arguments:
        if isinstance(argument, tuple):
            yield from _flatten(argument)
        else:
            yield argument


@lru_cache(maxsize=_MAX_STATEMENTS)
def _compile(
    build: Callable[..., QuerySet[Any, Any]],
    argument_types: tuple[Any, ...],
    variant: tuple[tuple[str, Any], ...],
    scope_owners: tuple[Any, ...] | None,
) -> _Statement:
    """Raises NotCompilable if other placeholders change more than themselves."""
    statement, other = (
        _compile_with(_Placeholders(start), build, argument_types, variant, scope_owners)
        for start in (0, _MAX_PLACEHOLDERS)
    )
    if statement.shape != other.shape:
        raise NotCompilable(statement.sql)
    return statement


def _compile_with(
    placeholders: _Placeholders,
    build: Callable[..., QuerySet[Any, Any]],
    argument_types: tuple[Any, ...],
    variant: tuple[tuple[str, Any], ...],
    scope_owners: tuple[Any, ...] | None,
) -> _Statement:
    scope = Scope(None, "the statement is for any organization")
    if scope_owners is not None:
        scope = Scope(placeholders.add(int))
        scope.owner_ids = {owner: placeholders.add(int) for owner in scope_owners}
    scope_size = len(placeholders.values)
    arguments = [placeholders.add(kind) for kind in argument_types]
    with resume_scope(scope):
        statement = _Statement(build(*arguments, **dict(variant)), placeholders.values)
    statement.check(range(scope_size, len(placeholders.values)))
    return statement


class _Placeholders:
    def __init__(self, start: int) -> None:
        self._start = start
        self.values: list[Any] = []

    def add(self, kind: Any) -> Any:
        if isinstance(kind, tuple):
            return tuple(map(self.add, kind))
        self.values.append(_PLACEHOLDERS[kind](self._start + len(self.values)))
        return self.values[-1]


class _Statement:
    def __init__(self, queryset: Any, placeholders: Sequence[Any]) -> None:
        self._queryset: Any = queryset
        self._compiler: Any = queryset.query.get_compiler(queryset.db)
        try:
            self.sql, params = self._compiler.as_sql()
        except EmptyResultSet:  # as of an empty tuple
            self.sql, params = "", ()
        self._compiler.connection = None  # each thread has its own
        self._converters: dict[int, Any] | None = None
        self._params = list(params)
        patterns = [f"%{placeholder}%" for placeholder in placeholders]
        self._slots: list[tuple[int, int, Callable[[Any], Any] | None]] = []
        for position, param in enumerate(params):
            if param in placeholders:
                # Integers have a type for their column's width.
                adapter = type(param) if isinstance(param, int) else None
                self._slots.append((position, placeholders.index(param), adapter))
            elif param in patterns:  # of `contains`
                self._slots.append((position, patterns.index(param), _format_pattern))

    @property
    def shape(self) -> tuple[Any, ...]:
        """All but the placeholders."""
        slots = {position for position, *_ in self._slots}
        fixed = [param for position, param in enumerate(self._params) if position not in slots]
        return self.sql, self._slots, fixed

    def check(self, arguments: Iterable[int]) -> None:
        """Raise NotCompilable if an argument isn't sent, or not as it is, or if a time is fixed."""
        if not self.sql:
            return
        positions = {position for position, *_ in self._slots}
        is_missing = not set(arguments) <= {index for _, index, _ in self._slots}
        has_fixed_time = any(
            isinstance(param, date) and position not in positions
            for position, param in enumerate(self._params)
        )
        has_related_rows = bool(self._queryset._prefetch_related_lookups)
        if is_missing or has_fixed_time or has_related_rows:
            raise NotCompilable(self.sql)

    def count(self, values: Sequence[Any]) -> int:
        if not self.sql:
            return 0
        return int(self._select("COUNT(*)", values)[0])

    def collect(self, values: Sequence[Any]) -> tuple[str | None, int]:
        if not self.sql:
            return None, 0
        ids, count = self._select("CAST(ARRAY_AGG(pk) AS text), COUNT(*)", values)
        return ids, count

    def update(self, values: Sequence[Any]) -> int:
        if not self.sql:
            return 0
        connection = connections["default"]
        with mark_for_rollback_on_error(), connection.cursor() as cursor:
            cursor.execute(self.sql, self._fill(values))
            return int(cursor.rowcount)

    def _select(self, aggregates: str, values: Sequence[Any]) -> tuple[Any, ...]:
        sql = f"SELECT {aggregates} FROM ({self.sql}) AS found (pk)"  # noqa: S608 - compiled
        self._queryset = self._compiler = None  # they are large, and no rows are built
        with connections["default"].cursor() as cursor:
            cursor.execute(sql, self._fill(values))
            return tuple(cursor.fetchone())

    def _fill(self, values: Sequence[Any]) -> list[Any]:
        params = self._params.copy()
        for position, index, adapter in self._slots:
            params[position] = adapter(values[index]) if adapter else values[index]
        return params

    def run(self, values: Sequence[Any]) -> list[Any]:
        if not self.sql:
            return []
        params = self._fill(values)
        queryset = self._queryset
        if queryset.query.select_for_update and connections[queryset.db].get_autocommit():
            raise TransactionManagementError("rows are locked until a transaction ends")
        compiler = copy(self._compiler)
        compiler.connection = connections[queryset.db]
        compiler.as_sql = lambda: (self.sql, tuple(params))
        if self._converters is None:
            columns = [column for column, *_ in compiler.select[: compiler.col_count]]
            self._converters = compiler.get_converters(columns)
        compiler.get_converters = lambda _: self._converters
        # What the iterables of Django read of a queryset.
        bound_queryset = SimpleNamespace(
            db=queryset.db,
            model=queryset.model,
            query=_BoundQuery(queryset.query, compiler),
            _fields=queryset._fields,
            _known_related_objects={},
        )
        return list(queryset._iterable_class(bound_queryset))


def _format_pattern(text: str) -> str:
    return f"%{connections['default'].ops.prep_for_like_query(text)}%"


class _BoundQuery:
    """A query whose compiler has compiled it already."""

    def __init__(self, query: Any, compiler: Any) -> None:
        self._query = query
        self._compiler = compiler

    def get_compiler(self, *_: Any, **__: Any) -> Any:
        return self._compiler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._query, name)
