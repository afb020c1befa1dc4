"""Any JSON value in any field: the record is read or set aside, and the others are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableResponse
from integrations.ats.webhooks import WebhookEvent
from integrations.greenhouse.payloads.decoding import RecordParser, decode_record, decode_records
from integrations.greenhouse.webhooks import parse_event
from tests.integrations.greenhouse.test_payloads import RECORDS
from tests.reference.records import ACTIONS, WEBHOOKS, Schema

MARKER = "Quickenmarker"
PLACEHOLDER = "the odd value goes here"
Path = tuple[str | int, ...]

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
# As text, because not all of it is JSON that Python would write.
ODD_TEXTS = JSON_VALUES.map(json.dumps) | st.sampled_from(
    [
        f'"{MARKER}"',
        f'{{"{MARKER}": ["{MARKER}"]}}',
        f'"{MARKER} \\ud83d"',
        '"\\u0000"',
        f'"{"x" * 20_000}"',
        "[" * 5_000 + "]" * 5_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "9" * 400,
        "-9223372036854775809",
        "1e999",
        "1E-999",
        "NaN",
        "-Infinity",
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
        '{"id": 1, "id": 2}',
    ]
)


def list_paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """Every place in a record, at any depth."""
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield (*start, key)
        yield from list_paths(value[key], (*start, key))


def write_with_odd_value(record: dict[str, Any], path: Path, odd_text: str) -> str:
    parent: Any = json.loads(json.dumps(record))
    root = parent
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = PLACEHOLDER
    return json.dumps(root).replace(json.dumps(PLACEHOLDER), odd_text)


@st.composite
def odd_records(draw: st.DrawFn, record: dict[str, Any]) -> tuple[Path, str]:
    """A record with an odd value at one place, and that place."""
    path = draw(st.sampled_from(list(list_paths(record))))
    odd_text = draw(ODD_TEXTS)
    text = write_with_odd_value(record, path, odd_text)
    if draw(st.booleans()) and path != ("id",):  # doubled
        text = f"{text[:-1]}, {json.dumps(path[0])}: {odd_text}}}"
    return path, text


def _read_error(read: Callable[[], object]) -> str:
    """The text of the only error that reading may raise; "" without one."""
    try:
        read()
    except UnreadableResponse as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("schema", "name", "read"), RECORDS)
@given(data=st.data())
@settings(max_examples=20)
def test_any_value_affects_its_record_only(
    schema: Schema, name: str, read: RecordParser[Any], data: st.DataObject
) -> None:
    record = schema.build(name)
    path, odd_text = data.draw(odd_records(record))
    others = [json.dumps(record | {"id": 5 + n} if "id" in record else record) for n in range(2)]
    body = f"[{others[0]}, {odd_text}, {others[1]}]".encode()
    records, aside = decode_records(body, read)
    assert len(records) + len(aside) == 3
    assert len(aside) <= 1
    if "id" in record:
        assert {5, 6} <= {item.id for item in records if hasattr(item, "id")} or not any(
            hasattr(item, "id") for item in records
        )
    for item in aside:
        assert MARKER not in item.reason
        assert path == ("id",) or item.remote_id == record.get("id")
    assert MARKER not in _read_error(lambda: decode_record(odd_text.encode(), read))


@pytest.mark.parametrize("action", ACTIONS)
@given(data=st.data())
@settings(max_examples=10)
def test_any_value_in_webhook_is_read_or_unreadable(action: str, data: st.DataObject) -> None:
    event = {"action": action, "payload": WEBHOOKS.build(action)}
    _, body = data.draw(odd_records(event))
    events: list[WebhookEvent] = []
    assert MARKER not in _read_error(lambda: events.append(parse_event(body.encode())))
    for event_read in events:
        ids = (*event_read.application_ids, *event_read.candidate_ids, *event_read.job_ids)
        assert all(0 < record_id < 2**63 for record_id in (*ids, *event_read.stage_ids))
