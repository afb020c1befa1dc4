"""Every public example is read; odd records are set aside; nothing crashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableAnswer
from integrations.greenhouse import custom_fields
from integrations.greenhouse import payloads_v1 as v1
from integrations.greenhouse import payloads_v3 as v3
from integrations.greenhouse.reading import Reader, moment, read_one, read_records
from integrations.http.redact import redact
from tests.integrations.greenhouse.hand import REFERENCE, needs_reference, reference

V1_READERS: dict[str, Reader[Any]] = {
    "application": v1.read_application,
    "candidate": v1.read_candidate,
    "close-reason": v1.read_close_reason,
    "email-template": v1.read_email_template,
    "future-job-permission": v1.future_grant_of(1),
    "job-permission": v1.grant_of(1),
    "job-opening": v1.opening_of(1),
    "opening": v1.opening_of(1),
    "job-post": v1.read_job_post,
    "job-stage": v1.read_stage,
    "job": v1.read_job,
    "rejection-reason": v1.read_rejection_reason,
    "user-role": v1.read_user_role,
    "user": v1.read_user,
}

V3_READERS: dict[str, Reader[Any]] = {
    "applications": v3.read_application,
    "application_stages": v3.read_stage_entry,
    "attachments": v3.read_attachment,
    "candidates": v3.read_candidate,
    "close_reasons": v3.read_close_reason,
    "departments": v3.read_department,
    "future_job_permissions": v3.read_future_grant,
    "job_hiring_managers": v3.read_hiring_manager,
    "job_interview_stages": v3.read_stage,
    "job_owners": v3.read_owner,
    "job_posts": v3.read_job_post,
    "jobs": v3.read_job,
    "offices": v3.read_office,
    "openings": v3.read_opening,
    "rejection_reasons": v3.read_rejection_reason,
    "sources": v3.read_source,
    "user_emails": v3.read_user_email,
    "user_job_permissions": v3.read_grant,
    "user_roles": v3.read_user_role,
    "users": v3.read_user,
}

V3_FIELDS_OF: dict[str, type[msgspec.Struct]] = {
    "applications": v3._Application,
    "application_stages": v3._Entry,
    "candidates": v3._Candidate,
    "jobs": v3._Job,
    "job_interview_stages": v3._Stage,
    "job_posts": v3._Post,
    "openings": v3._Opening,
    "user_job_permissions": v3._Grant,
    "users": v3._User,
}
NEWER_THAN_THE_SCHEMAS = {"job_interview_stage_id", "rejection_reason_id", "emails"}

_WORDS = sorted(V1_READERS, key=len, reverse=True)
_NOT_A_RECORD = ("hiring-team", "custom-locations")


def _reader_for(path: Path) -> Reader[Any] | None:
    """The reader of the record that an example shows, by the example's name."""
    name = path.name.split(".")[0]
    if any(part in name for part in _NOT_A_RECORD) or "permission-level" in name:
        return None
    for action, record in (
        ("application", "application"),
        ("openings", "opening"),
        ("add-prospect", "candidate"),
        ("education", None),
        ("employment", None),
        ("note", None),
        ("attachment", None),
    ):
        if action in name and "candidate-prospect" not in name:
            return V1_READERS[record] if record else None
    found = next((word for word in _WORDS if word in name), None)
    return V1_READERS[found] if found else None


@needs_reference
@pytest.mark.parametrize("path", reference("v1-examples"), ids=lambda path: path.name)
def test_every_v1_example_is_read_or_set_aside_with_a_reason(path: Path) -> None:
    body = path.read_bytes()
    value = json.loads(body)
    rows = value if isinstance(value, list) else [value]
    reader = _reader_for(path)
    if reader is None or ".request" in path.name:
        reader = v1.read_application  # whatever it is: no crash, and a reason
        _, aside = read_records(json.dumps(rows).encode(), reader)
        assert all(one.reason for one in aside)
        return
    records, aside = read_records(json.dumps(rows).encode(), reader)
    is_record = [row for row in rows if isinstance(row, dict) and _complete(row, path)]
    assert len(records) >= len(is_record), aside
    assert len(records) + len(aside) == len(rows)


def _complete(row: dict[str, Any], path: Path) -> bool:
    """Some answers are only `{"message": …}` or `{"success": …}`, some lack their parent's id."""
    if "id" not in row:
        return False
    if "application" in path.name:
        return "candidate_id" in row
    return "permission" not in path.name or "future" in path.name or "job_id" in row


@needs_reference
def test_a_v1_application_says_in_our_words_what_the_example_says() -> None:
    body = (REFERENCE / "v1-examples" / "get-retrieve-application.response.json").read_bytes()
    read = read_one(body, v1.read_application)
    assert (read.id, read.candidate_id, read.job_id) == (69306314, 57683957, 107761)
    assert (read.stage_id, read.stage_name) == (767358, "Application Review")
    assert (read.source_id, read.source_name) == (2, "Jobs page on your website")
    assert (read.recruiter_id, read.coordinator_id) == (92120, 453636)
    assert read.applied_at == datetime(2017, 9, 29, 12, 56, 5, 244000, UTC)
    assert [one.answer for one in read.answers] == ["Online Research", "mytestwebsite.com"]


@needs_reference
def test_a_v1_prospect_has_prospective_jobs_and_no_job() -> None:
    body = (REFERENCE / "v1-examples" / "get-list-candidates.response.json").read_bytes()
    inside = json.loads(body)[0]["applications"][0]
    read = read_one(json.dumps(inside).encode(), v1.read_application)
    assert (read.prospect, read.job_id, read.prospective_job_ids) == (True, None, (87752,))


def _sample(schema: dict[str, Any], *, nulls: bool) -> Any:
    """A record that fits the schema: all nulls where allowed, or a value everywhere."""
    kinds = schema.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if nulls and "null" in kinds:
        return None
    kind = next(one for one in kinds if one != "null")
    if kind == "object":
        return {
            name: _sample(inner, nulls=nulls)
            for name, inner in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [_sample(schema.get("items", {}), nulls=nulls)] * 2
    if kind == "integer":
        return 2**62 + 1
    if kind == "string":
        return (schema.get("enum") or _TEXTS.get(schema.get("format", ""), ["text"]))[0]
    return {"boolean": True, "number": 1.5}[kind]


_TEXTS = {"date-time": ["2026-01-02T03:04:05.678Z"], "date": ["2026-01-02"]}


@needs_reference
@pytest.mark.parametrize("nulls", [True, False], ids=["nulls", "values"])
@pytest.mark.parametrize("path", reference("v3-schemas"), ids=lambda path: path.stem)
def test_every_v3_schema_is_read(path: Path, nulls: bool) -> None:
    record = _sample(json.loads(path.read_bytes()), nulls=nulls)
    reader = V3_READERS.get(path.stem)
    if reader is None:  # not of ours: read as a stranger, without a crash
        records, aside = read_records(json.dumps([record]).encode(), v3.read_user)
        assert len(records) + len(aside) == 1
        return
    records, aside = read_records(json.dumps([record]).encode(), reader)
    assert aside == ()
    if hasattr(records[0], "id"):
        assert records[0].id == 2**62 + 1


@needs_reference
@pytest.mark.parametrize("name", V3_FIELDS_OF)
def test_every_field_we_read_from_v3_is_in_its_schema(name: str) -> None:
    schema = json.loads((REFERENCE / "v3-schemas" / f"{name}.json").read_bytes())
    ours = set(V3_FIELDS_OF[name].__struct_fields__)
    assert ours - set(schema["properties"]) <= NEWER_THAN_THE_SCHEMAS


# -- what is odd -------------------------------------------------------------------------------
def test_one_odd_record_is_set_aside_with_its_id_and_stops_nothing() -> None:
    body = b'[{"id": 1, "job_id": 5}, {"id": 77, "job_id": {"no": 1}}, {"id": 3, "job_id": 5}]'
    records, aside = read_records(body, v3.read_stage)
    assert [record.id for record in records] == [1, 3]
    assert aside[0].remote_id == 77
    assert "job_id" in aside[0].reason


@pytest.mark.parametrize("odd", [b"null", b"5", b'"x"', b"[]", b'{"message": "later"}'])
def test_items_that_are_no_records_are_set_aside(odd: bytes) -> None:
    records, aside = read_records(b'[{"id": 1}, ' + odd + b"]", v3.read_user)
    assert (len(records), len(aside)) == (1, 1)
    assert aside[0].remote_id is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'[{"id": 1}',
        b'{"message": "Your list is being prepared"}',
        b"\xff\xfe",
        b"3",
    ],
)
def test_a_page_that_is_no_list_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        read_records(body, v3.read_user)


def test_ids_of_64_bits_and_ids_in_strings_are_read() -> None:
    body = b'[{"id": 9223372036854775807, "job_id": "169024258003"}]'
    (stage,), _ = read_records(body, v3.read_stage)
    assert (stage.id, stage.job_id) == (9223372036854775807, 169024258003)


def test_nulls_in_lists_are_passed_over() -> None:
    body = (
        b'{"id": 1, "departments": [null], "offices": [null, {"id": 4}], "openings": [null],'
        b' "hiring_team": {"recruiters": [null, {"id": 9}], "sourcers": null}, "new_field": 1}'
    )
    job = read_one(body, v1.read_job)
    assert (job.department_ids, job.office_ids, job.openings) == ((), (4,), ())
    assert [(one.user_id, one.role) for one in job.hiring_team or ()] == [(9, "recruiter")]


@pytest.mark.parametrize("read", [v1.read_job, v3.read_job])
def test_a_job_that_does_not_say_it_is_public_is_confidential(read: Reader[Any]) -> None:
    assert read_one(b'{"id": 1}', read).confidential is True
    assert read_one(b'{"id": 1, "confidential": null}', read).confidential is True
    assert read_one(b'{"id": 1, "confidential": false}', read).confidential is False


@pytest.mark.parametrize(
    ("read", "flag", "of_null"),
    [(v1.read_candidate, "is_private", True), (v3.read_candidate, "private", False)],
    ids=["v1", "v3"],
)
def test_a_candidate_that_does_not_say_otherwise_is_private(
    read: Reader[Any], flag: str, of_null: bool
) -> None:
    """Null is v3's default, which its document names; v1's does not."""

    def private(**told: object) -> bool:
        return bool(read_one(json.dumps({"id": 1, **told}).encode(), read).private)

    assert private() is True
    assert private(**{flag: None}) is of_null
    assert private(**{flag: True}) is True
    assert private(**{flag: False}) is False


NUL = "a\0b"
WITH_NULS: dict[str, Any] = {
    "answers": [{"question": NUL, "answer": NUL}, {"question": "x", "answer": [{NUL: [NUL]}]}],
    "stage_name": NUL,
    "current_stage": {"id": 1, "name": NUL},
    "source": {"id": 1, "public_name": NUL},
    "status": NUL,
    "first_name": NUL,
    "last_name": NUL,
    "company": NUL,
    "title": NUL,
    "name": NUL,
    "name_key": NUL,
    "description": NUL,
    "field_type": NUL,
    "value_type": NUL,
    "notes": NUL,
    "requisition_id": NUL,
    "opening_id": NUL,
    "content": NUL,
    "public_url": NUL,
    "location": NUL,
    "type": NUL,
    "role_type": NUL,
    "email_type": NUL,
    "email": NUL,
    "url": NUL,
    "filename": NUL,
    "emails": [NUL],
    "primary_email": NUL,
    "primary_email_address": NUL,
    "email_addresses": [{"value": NUL}],
    "phone_numbers": [{"value": NUL}],
    "custom_field_options": [{"id": 1, "name": NUL}],
    "custom_fields": {NUL: {"name": NUL, "value": [NUL, {NUL: {"in": NUL}}, 1, None]}},
    "keyed_custom_fields": {NUL: {"type": NUL, "value": {NUL: NUL}}},
}
READERS = [
    *(pytest.param(read, id=f"v1-{name}") for name, read in V1_READERS.items()),
    *(pytest.param(read, id=f"v3-{name}") for name, read in V3_READERS.items()),
    pytest.param(custom_fields.read_field, id="custom_fields"),
    pytest.param(custom_fields.read_option, id="custom_field_options"),
]


@pytest.mark.parametrize("read", READERS)
def test_no_null_character_which_databases_refuse_comes_through(read: Reader[Any]) -> None:
    ids = dict.fromkeys(("id", "job_id", "user_id", "candidate_id", "application_id"), 1)
    shapes = (NUL, {"id": 1, "name": NUL})  # a word in some records, a record in others
    bodies = [
        json.dumps({**WITH_NULS, **ids, "job_interview_stage_id": 1, "type": one, "location": two})
        for one in shapes
        for two in shapes
    ]
    records, _ = read_records(f"[{','.join(bodies)}]".encode(), read)
    assert records
    assert "\\u0000" not in msgspec.json.encode(records).decode()


def test_no_null_character_stands_in_the_words_of_a_refusal() -> None:
    assert redact("a\0b") == "ab"


@pytest.mark.parametrize("read", [v1.read_user, v3.read_user])
def test_a_user_that_does_not_say_otherwise_is_deactivated_and_no_site_admin(
    read: Reader[Any],
) -> None:
    user = read_one(b'{"id": 1, "name": null}', read)
    assert (user.deactivated, user.site_admin, user.name) == (True, False, "")


def test_unknown_values_are_kept_and_v3_statuses_translated() -> None:
    def status(value: str) -> str:
        body = json.dumps({"id": 1, "candidate_id": 2, "status": value}).encode()
        return read_one(body, v3.read_application).status

    assert status("in_process") == "active"
    assert status("on_the_moon") == "on_the_moon"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123+02:00", datetime(2026, 1, 2, 1, 4, 5, 123000, UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        (5, None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_timestamps(text: str | None, read: datetime | None) -> None:
    assert moment(text) == read


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_NAMES = sorted(
    {
        name
        for module in (v1, v3)
        for struct in vars(module).values()
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
        for name in struct.__struct_fields__
    }
)
_RECORD = st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=12)


@settings(max_examples=150)
@given(rows=st.lists(_RECORD | _JSON, max_size=4))
def test_whatever_a_page_holds_each_record_is_read_or_set_aside(rows: list[Any]) -> None:
    body = msgspec.json.encode(rows)
    for read in (*V1_READERS.values(), *V3_READERS.values()):
        records, aside = read_records(body, read)
        assert len(records) + len(aside) == len(rows), read
        assert all(one.reason and len(one.reason) <= 200 for one in aside), read


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_read_or_unreadable(body: bytes) -> None:
    try:
        read_records(body, v1.read_application)
    except UnreadableAnswer:
        return
