"""Signatures and payloads of Greenhouse's webhooks."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableResponse
from integrations.greenhouse.webhooks import (
    MAX_RECORDS,
    WEBHOOK_SPEC,
    has_valid_signature,
    parse_event,
)
from tests.reference.records import ACTIONS, EVENT_IDS, WEBHOOKS, find_parents

READ_KINDS = ("application", "candidate", "job", "stage")


def build_numbered_event(action: str) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """A payload in which every id is another number, and those numbers by kind of record."""
    payload = WEBHOOKS.build(action)
    numbers = count(1)
    ids: dict[str, list[int]] = {}
    for kind, paths in EVENT_IDS[action].items():
        for path in paths:
            ids.setdefault(kind, []).extend(number_ids(payload, path, numbers))
    return payload, ids


def number_ids(payload: dict[str, Any], path: str, numbers: Iterator[int]) -> list[int]:
    """Put new numbers at a path, and give them."""
    name = path.rpartition(".")[2]
    given = []
    for parent in find_parents(payload, path):
        if name.endswith("[]"):
            parent[name[:-2]] = [next(numbers), next(numbers)]
            given += parent[name[:-2]]
        else:
            parent[name] = next(numbers)
            given.append(parent[name])
    return given


@pytest.mark.parametrize("action", ACTIONS)
def test_event_names_every_record_to_read(action: str) -> None:
    payload, ids = build_numbered_event(action)
    hint = parse_event(json.dumps({"action": action, "payload": payload}).encode())
    assert hint.action == action
    for kind in READ_KINDS:
        assert sorted(getattr(hint, f"{kind}_ids")) == sorted(ids.get(kind, ())), kind
    assert set(hint.job_post_ids) <= set(ids.get("job_post", ()))
    if action.startswith("job_post"):
        assert list(hint.job_post_ids) == ids["job_post"]
    assert hint.merged_into == next(iter(ids.get("merged_into", ())), None)
    assert hint.is_deleted is (
        "delete" in action or action in ("merge_candidate", "candidate_anonymized")
    )


def test_ids_given_as_text_are_read() -> None:
    payload = {"application": {"id": "71", "candidate": {"id": "9" * 30}, "jobs": [{"id": "72"}]}}
    body = json.dumps({"action": "candidate_stage_change", "payload": payload}).encode()
    event = parse_event(body)
    assert (event.application_ids, event.candidate_ids, event.job_ids) == ((71,), (), (72,))


def test_delivery_of_too_many_records_is_unreadable() -> None:
    def build_body(count: int) -> bytes:
        payload = {"candidate": {"id": 1}, "deleted_application_ids": list(range(1, count + 1))}
        return json.dumps({"action": "delete_candidate", "payload": payload}).encode()

    assert len(parse_event(build_body(MAX_RECORDS)).application_ids) == MAX_RECORDS
    with pytest.raises(UnreadableResponse, match="too many records"):
        parse_event(build_body(MAX_RECORDS + 1))


def test_payload_of_ping_may_be_null() -> None:
    assert parse_event(b'{"action": "ping", "payload": null}').action == "ping"


def test_events_without_record_name_nothing() -> None:
    nothing = {action for action in ACTIONS if not EVENT_IDS[action]}
    assert nothing == {"interview_deleted", "department_deleted", "office_deleted"}


def test_offered_events_are_documented() -> None:
    assert {event.action for event in WEBHOOK_SPEC.events} <= set(ACTIONS)


def test_signature_covers_raw_bytes() -> None:
    body = b'{"action": "ping", "payload": {"name": "J\\u003c"}}'
    wrong = "sha256 8ac4ad3ca1dd3d3bd6b9fc3c9b3ea0ee5d5ce3e1a5f7d12eb1b2d5a0a2b8c2a5"
    assert not has_valid_signature(body, wrong, "secret")
    good = "sha256 " + hmac.new(b"secret", body, "sha256").hexdigest()
    assert has_valid_signature(body, good, "secret")
    assert has_valid_signature(body, good.upper().replace("SHA256", "sha256"), "secret")
    assert not has_valid_signature(body + b" ", good, "secret")
    assert not has_valid_signature(body, good, "other")
    assert not has_valid_signature(body, good.removeprefix("sha256 "), "secret")


@given(st.text(max_size=40))
def test_malformed_signature_is_refused(signature: str) -> None:
    assert not has_valid_signature(b"{}", signature, "secret")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "job", "jobs", "application", "payload", "person", "job_id"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_payload_is_read_or_unreadable(payload: object) -> None:
    for event in (payload, {"action": "job_updated", "payload": payload}):
        try:
            parse_event(json.dumps(event).encode())
        except UnreadableResponse:
            continue
