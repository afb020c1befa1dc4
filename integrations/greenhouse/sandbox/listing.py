"""Choosing records for a list, cheaply: indices first, choices remembered, bytes kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .http import encode
from .records import Record
from .world import World

Shaper = Callable[[World, Any], dict[str, Any]]

_REMEMBERED = 64


@dataclass(frozen=True)
class Condition:
    """One filter of a list.

    key: what tells this condition from others (its name and value).
    test: says whether a record passes; None when ``narrow`` is exact.
    narrow: gives the ids that can pass at all, from an index.
    """

    key: Hashable
    test: Callable[[Any], bool] | None = None
    narrow: Callable[[], Iterable[int]] | None = None


def select(world: World, kind: str, conditions: Sequence[Condition]) -> Sequence[int]:
    """Give the ascending ids of the records that pass all conditions."""
    table = world.tables[kind]
    if not conditions:
        return table.ids
    key = (kind, tuple(condition.key for condition in conditions))
    known = world.selections.get(key)
    if known and known[0] == world.version:
        return known[1]
    ids = _evaluate(table.ids, table.rows, conditions)
    if len(world.selections) >= _REMEMBERED:
        world.selections.clear()
    world.selections[key] = (world.version, ids)
    return ids


def _evaluate(
    ids: Sequence[int], rows: dict[int, Record], conditions: Sequence[Condition]
) -> list[int]:
    narrows = [condition.narrow for condition in conditions if condition.narrow]
    if narrows:
        sets = [set(narrow()) for narrow in narrows]
        ids = sorted(number for number in set.intersection(*sets) if number in rows)
    tests = [condition.test for condition in conditions if condition.test]
    return [number for number in ids if all(test(rows[number]) for test in tests)]


def by_index(world: World, kind: str, field: str, values: Iterable[Hashable]) -> Condition:
    """Make the condition that an indexed field is one of these values."""
    wanted = tuple(values)
    table = world.tables[kind]

    def narrow() -> Iterable[int]:
        return [number for value in wanted for number in table.ids_of(field, value)]

    return Condition((field, wanted), narrow=narrow)


def by_ids(ids: Iterable[int]) -> Condition:
    """Make the condition that a record is one of these."""
    wanted = tuple(ids)
    return Condition(("id", wanted), narrow=lambda: wanted)


def by_value(field: str, values: Iterable[Hashable]) -> Condition:
    """Make the condition that a field is one of these values."""
    wanted = frozenset(values)
    return Condition((field, wanted), lambda row: getattr(row, field) in wanted)


def by_member(field: str, values: Iterable[Hashable]) -> Condition:
    """Make the condition that a field's list holds one of these values."""
    wanted = frozenset(values)
    return Condition((field, wanted), lambda row: not wanted.isdisjoint(getattr(row, field)))


def by_moment(field: str, operator: str, moment: str) -> Condition:
    """Make a condition on a moment: ``gte``, ``gt``, ``lte`` or ``lt``."""
    tests: dict[str, Callable[[str], bool]] = {
        "gte": lambda value: value >= moment,
        "gt": lambda value: value > moment,
        "lte": lambda value: value <= moment,
        "lt": lambda value: value < moment,
    }
    test = tests[operator]

    def passes(row: Any) -> bool:
        value = getattr(row, field)
        return value is not None and test(value)

    return Condition((field, operator, moment), passes)


def record_bytes(world: World, dialect: str, kind: str, number: int, shape: Shaper) -> bytes:
    """Give one record as JSON bytes, kept until something it shows changes."""
    kept = world.encoded.setdefault((dialect, kind), {})
    text = kept.get(number)
    if text is None:
        text = kept[number] = encode(shape(world, world.tables[kind][number]))
    return text


def page_bytes(world: World, dialect: str, kind: str, ids: Iterable[int], shape: Shaper) -> bytes:
    """Give records as the bytes of a JSON array."""
    rows = [record_bytes(world, dialect, kind, number, shape) for number in ids]
    return b"[" + b",".join(rows) + b"]"
