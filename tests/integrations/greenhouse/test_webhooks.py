from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableAnswer
from integrations.greenhouse.webhooks import is_signed, read_event
from tests.integrations.greenhouse.hand import REFERENCE, needs_reference, reference

NO_RECORD_OF_OURS = {"interview_deleted", "department_deleted", "office_deleted"}


@needs_reference
@pytest.mark.parametrize("path", reference("webhook-examples"), ids=lambda path: path.stem)
def test_every_example_names_what_to_read_again(path: Path) -> None:
    hint = read_event(path.read_bytes())
    ids = (
        hint.application_ids
        + hint.candidate_ids
        + hint.job_ids
        + hint.job_post_ids
        + hint.stage_ids
    )
    assert hint.action == json.loads(path.read_bytes())["action"]
    assert ids or hint.action in NO_RECORD_OF_OURS


@needs_reference
@pytest.mark.parametrize(
    ("name", "what", "ids"),
    [
        ("candidate-stage-change", "application_ids", None),
        ("candidate-deleted", "application_ids", (46196263, 46196258)),
        ("candidate-deleted", "candidate_ids", (37031511,)),
        ("candidate-anonymized", "candidate_ids", (37031511,)),
        ("job-post-deleted", "job_post_ids", (258341,)),
        ("job-post-updated", "job_post_ids", (1813002,)),
        ("job-post-updated", "job_ids", (1842002,)),
        ("job-stage-deleted", "stage_ids", (430608,)),
        ("job-deleted", "job_ids", (209256,)),
    ],
)
def test_examples_name_these(name: str, what: str, ids: tuple[int, ...] | None) -> None:
    hint = read_event((REFERENCE / "webhook-examples" / f"{name}.response.json").read_bytes())
    found = getattr(hint, what)
    assert found if ids is None else found == ids


@needs_reference
def test_a_merge_names_the_candidate_that_stays() -> None:
    path = REFERENCE / "webhook-examples" / "candidate-merged.response.json"
    hint = read_event(path.read_bytes())
    assert (hint.candidate_ids, hint.merged_into, hint.gone) == ((37031511,), 457456, True)


def test_the_signature_is_over_the_raw_bytes() -> None:
    body = b'{"action": "ping", "payload": {"name": "J\\u003c"}}'
    right = "sha256 8ac4ad3ca1dd3d3bd6b9fc3c9b3ea0ee5d5ce3e1a5f7d12eb1b2d5a0a2b8c2a5"
    assert not is_signed(body, right, "secret")
    import hmac

    good = "sha256 " + hmac.new(b"secret", body, "sha256").hexdigest()
    assert is_signed(body, good, "secret")
    assert is_signed(body, good.upper().replace("SHA256", "sha256"), "secret")
    assert not is_signed(body + b" ", good, "secret")
    assert not is_signed(body, good, "other")
    assert not is_signed(body, good.removeprefix("sha256 "), "secret")


@given(st.text(max_size=40))
def test_no_odd_signature_is_right_or_crashes(signature: str) -> None:
    assert not is_signed(b"{}", signature, "secret")


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
def test_whatever_the_payload_is_it_is_read_or_unreadable(payload: object) -> None:
    for event in (payload, {"action": "job_updated", "payload": payload}):
        try:
            read_event(json.dumps(event).encode())
        except UnreadableAnswer:
            continue
