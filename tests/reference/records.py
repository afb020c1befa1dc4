"""Record shapes that Greenhouse documents, read from the tables beside this module.

A table has one line per field: `name = "type"`. Types are `integer`, `number`, `string`, `boolean`,
`datetime`, `date`, `any`, `object` (its fields follow as `"name.inner"`), or another table's name;
`integer|string` is either. Suffixes: `[]` list, `{}` map by key, `?` nullable (before `[]` and `{}`
it is about the items). Then ` optional` (not in every answer) or ` newer` (missing in the published
schema, and in the answers of some accounts), and `: a | b` for the known values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
BIG_ID = 2**62 + 1
MOMENT, DAY = "2026-01-02T03:04:05.678Z", "2026-01-02"

_SPEC = re.compile(
    r"(?P<kind>[a-z_|0-9]+?)(?P<items>\?(?=\[\]|\{\}))?(?P<container>\[\]|\{\})?(?P<null>\?)?"
    r"(?: (?P<presence>optional|newer))?(?:: (?P<values>.+))?"
)
_SCALARS = {"integer", "number", "string", "boolean", "datetime", "date", "any"}


@dataclass(frozen=True)
class Field:
    kind: str
    container: str = ""
    nullable: bool = False
    nullable_items: bool = False
    presence: str = ""
    values: tuple[str, ...] = ()
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def is_object(self) -> bool:
        return not set(self.kind.split("|")) <= _SCALARS


Record = dict[str, Field]


def parse_field(spec: str) -> Field:
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(f"Not a field: {spec!r}")
    return Field(
        kind=match["kind"],
        container=match["container"] or "",
        nullable=bool(match["null"]),
        nullable_items=bool(match["items"]),
        presence=match["presence"] or "",
        values=tuple(match["values"].split(" | ")) if match["values"] else (),
    )


def parse_record(lines: Mapping[str, str]) -> Record:
    record: Record = {}
    for path, spec in lines.items():
        *parents, name = path.split(".")
        fields = record
        for parent in parents:
            fields = fields[parent].fields
        fields[name] = parse_field(spec)
    return record


def read_table(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


class Schema(dict[str, Record]):
    """Records by name; fields of the kind `name` hold such a record."""

    @classmethod
    def of(cls, *tables: Mapping[str, Mapping[str, str]]) -> Schema:
        return cls({name: parse_record(lines) for table in tables for name, lines in table.items()})

    def fields_of(self, inner: Field) -> Record:
        return inner.fields if inner.kind == "object" else self[inner.kind]

    def flatten(self, name: str) -> dict[str, Field]:
        """Every field by its path, through the records it holds."""
        return dict(self._flatten(self[name], ""))

    def _flatten(self, record: Record, prefix: str) -> Iterator[tuple[str, Field]]:
        for name, inner in record.items():
            yield f"{prefix}{name}", inner
            if inner.is_object:
                yield from self._flatten(self.fields_of(inner), f"{prefix}{name}{inner.container}.")

    def find_mismatches(self, name: str, value: object) -> list[str]:
        """Where the value is not what the table says; unknown fields are mismatches, too."""
        return list(self._check_object(self[name], value, name))

    def _check_object(self, record: Record, value: object, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        for name in value.keys() - record.keys():
            yield f"{path}.{name}: unknown field"
        for name, inner in record.items():
            if name in value:
                yield from self._check_field(inner, value[name], f"{path}.{name}")
            elif not inner.presence:
                yield f"{path}.{name}: missing"

    def _check_field(self, inner: Field, value: object, path: str) -> Iterator[str]:
        if value is None:
            if not inner.nullable and inner.kind != "any":
                yield f"{path}: null"
        elif not inner.container:
            yield from self._check_item(inner, value, path)
        elif inner.container == "[]" and isinstance(value, list):
            yield from self._check_items(inner, value, path)
        elif inner.container == "{}" and isinstance(value, dict):
            yield from self._check_items(inner, value.values(), path)
        else:
            yield f"{path}: {value!r} is not {inner.container}"

    def _check_items(self, inner: Field, items: Iterable[object], path: str) -> Iterator[str]:
        for item in items:
            if item is not None:
                yield from self._check_item(inner, item, f"{path}{inner.container}")
            elif not inner.nullable_items and inner.kind != "any":
                yield f"{path}{inner.container}: null"

    def _check_item(self, inner: Field, value: object, path: str) -> Iterator[str]:
        if inner.is_object:
            yield from self._check_object(self.fields_of(inner), value, path)
        elif not any(_is_a(kind, value) for kind in inner.kind.split("|")):
            yield f"{path}: {value!r} is no {inner.kind}"
        elif inner.values and value not in inner.values:
            yield f"{path}: {value!r} is none of {inner.values}"

    def build(self, name: str, *, sparse: bool = False, **given: Any) -> dict[str, Any]:
        """A record of this shape: with a value everywhere, or `sparse`: null or left out if it may.

        `given` replaces fields; what it makes must still fit the table.
        """
        record: dict[str, Any] = self._build_object(self[name], sparse) | given
        assert self.find_mismatches(name, record) == []
        return record

    def _build_object(self, record: Record, sparse: bool) -> dict[str, Any]:
        return {
            name: self._build_field(inner, sparse)
            for name, inner in record.items()
            if not (sparse and inner.presence)
        }

    def _build_field(self, inner: Field, sparse: bool) -> Any:
        if sparse and inner.nullable:
            return None
        if not inner.container:
            return self._build_item(inner, sparse)
        items = [
            None if sparse and inner.nullable_items else self._build_item(inner, sparse)
            for _ in range(2)
        ]
        return items if inner.container == "[]" else {"a": items[0], "b": items[1]}

    def _build_item(self, inner: Field, sparse: bool) -> Any:
        if inner.is_object:
            return self._build_object(self.fields_of(inner), sparse)
        if inner.values:
            return inner.values[0]
        kind = inner.kind.split("|")[-1]
        return {
            "integer": BIG_ID,
            "number": 1.5,
            "boolean": True,
            "datetime": MOMENT,
            "date": DAY,
        }.get(kind, "text")


def _is_a(kind: str, value: object) -> bool:
    if kind == "any":
        return True
    if kind in ("datetime", "date"):
        return isinstance(value, str) and _is_moment(value, has_time=kind == "datetime")
    kinds: dict[str, type | tuple[type, ...]] = {
        "integer": int,
        "number": (int, float),
        "string": str,
        "boolean": bool,
    }
    return isinstance(value, kinds[kind]) and (kind == "boolean") == isinstance(value, bool)


def _is_moment(text: str, *, has_time: bool) -> bool:
    try:
        if has_time:
            return "T" in text and datetime.fromisoformat(text).tzinfo is not None
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_HOOKS = read_table("webhooks")
V1 = Schema.of(read_table("v1_records"))
V3 = Schema.of(read_table("v3_records"))
WEBHOOKS = Schema.of(_HOOKS["records"], _HOOKS["payloads"])
ACTIONS: tuple[str, ...] = tuple(_HOOKS["payloads"])
EVENT_IDS: dict[str, dict[str, list[str]]] = {name: _HOOKS["ids"].get(name, {}) for name in ACTIONS}
"""Action to kind of record to the paths of its ids in the payload."""


def find_values(payload: object, path: str) -> list[Any]:
    """What stands at a path such as `application.jobs[].id`."""
    values = [payload]
    for step in path.split("."):
        name = step.removesuffix("[]")
        values = [value[name] for value in values if isinstance(value, dict) and name in value]
        if step.endswith("[]"):
            values = [item for value in values if isinstance(value, list) for item in value]
    return values


def find_parents(payload: object, path: str) -> list[Any]:
    """The objects in which a path ends."""
    parent, _, _ = path.rpartition(".")
    values = find_values(payload, parent) if parent else [payload]
    return [value for value in values if isinstance(value, dict)]
