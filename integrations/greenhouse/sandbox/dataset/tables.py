"""In-memory tables, sorted by ID and indexed, so that pages need no sorting."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from integrations.greenhouse.sandbox.dataset.records import Record

R = TypeVar("R", bound=Record)


def _get_index_values(row: Record, field: str) -> Iterable[Hashable]:
    value: Any = getattr(row, field)
    return value if isinstance(value, list) else (value,)


def _insert_sorted(ids: list[int], number: int) -> None:
    if not ids or number > ids[-1]:
        ids.append(number)
    else:
        insort(ids, number)


def _remove_sorted(ids: list[int], number: int) -> None:
    index = bisect_left(ids, number)
    if index < len(ids) and ids[index] == number:
        del ids[index]


class Table(Generic[R]):
    """Records of one kind; ``ids`` and the result of :meth:`find_ids` are ascending."""

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
        return self.rows.get(number) if number is not None else None

    def __getitem__(self, number: int) -> R:
        return self.rows[number]

    def find_ids(self, field: str, value: Hashable) -> Sequence[int]:
        """Return the IDs of records whose indexed ``field`` is, or contains, ``value``."""
        return self._indices[field].get(value, ())

    def filter_by(self, field: str, value: Hashable) -> list[R]:
        """Return the records whose indexed ``field`` is, or contains, ``value``, by ID."""
        return [self.rows[number] for number in self.find_ids(field, value)]

    def has_index(self, field: str) -> bool:
        return field in self._indices

    def add_row(self, row: R) -> None:
        self.rows[row.id] = row
        _insert_sorted(self.ids, row.id)
        for field, index in self._indices.items():
            for value in _get_index_values(row, field):
                _insert_sorted(index.setdefault(value, []), row.id)

    def remove_row(self, row: R) -> None:
        self.rows.pop(row.id, None)
        _remove_sorted(self.ids, row.id)
        self._remove_from_indices(row, self._indices)

    def update_row(self, row: R, **values: Any) -> None:
        changed_fields = [field for field in self._indices if field in values]
        self._remove_from_indices(row, changed_fields)
        for field, value in values.items():
            setattr(row, field, value)
        for field in changed_fields:
            for value in _get_index_values(row, field):
                _insert_sorted(self._indices[field].setdefault(value, []), row.id)

    def _remove_from_indices(self, row: R, fields: Iterable[str]) -> None:
        for field in fields:
            for value in _get_index_values(row, field):
                _remove_sorted(self._indices[field].get(value, []), row.id)
