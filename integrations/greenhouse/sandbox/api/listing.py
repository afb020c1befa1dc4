"""Record selection and encoding for lists, with indexes and caches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Record
from integrations.greenhouse.sandbox.http_server.messages import encode_json

Serializer = Callable[[Dataset, Any], dict[str, Any]]

_MAX_CACHED_SELECTIONS = 64


@dataclass(frozen=True)
class Condition:
    """A filter: ``candidate_ids`` narrows by index, ``matches`` tests each record.

    ``key`` identifies the condition in the cache. ``matches`` is None if the index is exact.
    """

    key: Hashable
    matches: Callable[[Any], bool] | None = None
    candidate_ids: Callable[[], Iterable[int]] | None = None


def select_ids(dataset: Dataset, kind: str, conditions: Sequence[Condition]) -> Sequence[int]:
    """Return the ascending IDs of the records that meet all conditions."""
    table = dataset.tables[kind]
    if not conditions:
        return table.ids
    key = (kind, tuple(condition.key for condition in conditions))
    cached = dataset.selection_cache.get(key)
    if cached and cached[0] == dataset.version:
        return cached[1]
    ids = _evaluate_conditions(table.ids, table.rows, conditions)
    if len(dataset.selection_cache) >= _MAX_CACHED_SELECTIONS:
        dataset.selection_cache.clear()
    dataset.selection_cache[key] = (dataset.version, ids)
    return ids


def _evaluate_conditions(
    ids: Sequence[int], rows: dict[int, Record], conditions: Sequence[Condition]
) -> list[int]:
    index_lookups = [condition.candidate_ids for condition in conditions if condition.candidate_ids]
    if index_lookups:
        sets = [set(lookup()) for lookup in index_lookups]
        ids = sorted(number for number in set.intersection(*sets) if number in rows)
    tests = [condition.matches for condition in conditions if condition.matches]
    return [number for number in ids if all(matches(rows[number]) for matches in tests)]


def by_index(dataset: Dataset, kind: str, field: str, values: Iterable[Hashable]) -> Condition:
    wanted = tuple(values)
    table = dataset.tables[kind]

    def get_candidate_ids() -> Iterable[int]:
        return [number for value in wanted for number in table.find_ids(field, value)]

    return Condition((field, wanted), candidate_ids=get_candidate_ids)


def by_ids(ids: Iterable[int]) -> Condition:
    wanted = tuple(ids)
    return Condition(("id", wanted), candidate_ids=lambda: wanted)


def by_value(field: str, values: Iterable[Hashable]) -> Condition:
    wanted = frozenset(values)
    return Condition((field, wanted), lambda row: getattr(row, field) in wanted)


def by_list_member(field: str, values: Iterable[Hashable]) -> Condition:
    wanted = frozenset(values)
    return Condition((field, wanted), lambda row: not wanted.isdisjoint(getattr(row, field)))


def by_timestamp(field: str, operator: str, moment: str) -> Condition:
    comparisons: dict[str, Callable[[str], bool]] = {
        "gte": lambda value: value >= moment,
        "gt": lambda value: value > moment,
        "lte": lambda value: value <= moment,
        "lt": lambda value: value < moment,
    }
    compare = comparisons[operator]

    def is_in_range(row: Any) -> bool:
        value = getattr(row, field)
        return value is not None and compare(value)

    return Condition((field, operator, moment), is_in_range)


def encode_record(
    dataset: Dataset, version: str, kind: str, record_id: int, serialize: Serializer
) -> bytes:
    """Encode one record as JSON, cached until something it shows changes."""
    cache = dataset.json_cache.setdefault((version, kind), {})
    text = cache.get(record_id)
    if text is None:
        text = cache[record_id] = encode_json(serialize(dataset, dataset.tables[kind][record_id]))
    return text


def encode_page(
    dataset: Dataset, version: str, kind: str, ids: Iterable[int], serialize: Serializer
) -> bytes:
    rows = [encode_record(dataset, version, kind, record_id, serialize) for record_id in ids]
    return b"[" + b",".join(rows) + b"]"
