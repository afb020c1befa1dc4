"""Tables: records by id, kept in order, with indices, so that a page never needs a sort."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from .records import Record

R = TypeVar("R", bound=Record)


def _values(row: Record, field: str) -> Iterable[Hashable]:
    value: Any = getattr(row, field)
    return value if isinstance(value, list) else (value,)


def _put(ids: list[int], number: int) -> None:
    if not ids or number > ids[-1]:
        ids.append(number)
    else:
        insort(ids, number)


def _take(ids: list[int], number: int) -> None:
    place = bisect_left(ids, number)
    if place < len(ids) and ids[place] == number:
        del ids[place]


class Table(Generic[R]):
    """Records of one kind. ``ids`` is always ascending; so is every answer of :meth:`ids_of`."""

    def __init__(self, kind: str, indexed: Sequence[str] = ()) -> None:
        self.kind = kind
        self.rows: dict[int, R] = {}
        self.ids: list[int] = []
        self._indices: dict[str, dict[Hashable, list[int]]] = {field: {} for field in indexed}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return (self.rows[number] for number in list(self.ids))

    def get(self, number: int | None) -> R | None:
        """Give the record of this id, or None."""
        return self.rows.get(number) if number is not None else None

    def __getitem__(self, number: int) -> R:
        return self.rows[number]

    def ids_of(self, field: str, value: Hashable) -> Sequence[int]:
        """Give the ids of records whose indexed ``field`` is, or holds, ``value``."""
        return self._indices[field].get(value, ())

    def where(self, field: str, value: Hashable) -> list[R]:
        """Give the records whose indexed ``field`` is, or holds, ``value``, by id."""
        return [self.rows[number] for number in self.ids_of(field, value)]

    def indexed(self, field: str) -> bool:
        """Say whether this field has an index."""
        return field in self._indices

    def add(self, row: R) -> None:
        """Take a new record in."""
        self.rows[row.id] = row
        _put(self.ids, row.id)
        for field, index in self._indices.items():
            for value in _values(row, field):
                _put(index.setdefault(value, []), row.id)

    def remove(self, row: R) -> None:
        """Forget a record."""
        self.rows.pop(row.id, None)
        _take(self.ids, row.id)
        self._unindex(row, self._indices)

    def set(self, row: R, **values: Any) -> None:
        """Change fields of a record and keep the indices true."""
        moved = [field for field in self._indices if field in values]
        self._unindex(row, moved)
        for field, value in values.items():
            setattr(row, field, value)
        for field in moved:
            for value in _values(row, field):
                _put(self._indices[field].setdefault(value, []), row.id)

    def _unindex(self, row: R, fields: Iterable[str]) -> None:
        for field in fields:
            for value in _values(row, field):
                _take(self._indices[field].get(value, []), row.id)
