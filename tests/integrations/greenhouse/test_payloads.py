"""Reading Harvest records: public examples are read, malformed records are set aside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.ats.errors import UnreadableResponse
from integrations.greenhouse.payloads import custom_fields, v1, v3
from integrations.greenhouse.payloads.decoding import (
    RecordParser,
    decode_record,
    decode_records,
    parse_timestamp,
)
from integrations.http.redaction import redact_text
from tests.reference.records import BIG_ID, V1, V3, Schema, read_table

V1_READERS: dict[str, RecordParser[Any]] = {
    "application": v1.read_application,
    "candidate": v1.read_candidate,
    "close_reason": v1.read_close_reason,
    "custom_field": custom_fields.read_field,
    "department": v1.read_department,
    "email_template": v1.read_email_template,
    "job_permission": v1.make_grant_reader(1),
    "opening": v1.make_opening_reader(1),
    "job_post": v1.read_job_post,
    "job_stage": v1.read_stage,
    "job": v1.read_job,
    "office": v1.read_office,
    "rejection_reason": v1.read_rejection_reason,
    "source": v1.read_source,
    "user_role": v1.read_user_role,
    "user": v1.read_user,
}

V3_READERS: dict[str, RecordParser[Any]] = {
    "applications": v3.read_application,
    "application_stages": v3.read_stage_entry,
    "attachments": v3.read_attachment,
    "candidates": v3.read_candidate,
    "close_reasons": v3.read_close_reason,
    "custom_field_options": custom_fields.read_option,
    "custom_fields": custom_fields.read_field,
    "departments": v3.read_department,
    "email_templates": v3.read_email_template,
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

V1_WIRE: dict[str, type[msgspec.Struct]] = {
    "application": v1._Application,
    "attachment": v1._Attachment,
    "candidate": v1._Candidate,
    "department": v1._Department,
    "email_template": v1._EmailTemplate,
    "hiring_team": v1._HiringTeam,
    "job": v1._Job,
    "job_permission": v1._JobGrant,
    "job_post": v1._JobPost,
    "job_stage": v1._Stage,
    "office": v1._Office,
    "opening": v1._Opening,
    "rejection_reason": v1._Reason,
    "user": v1._User,
    "user_role": v1._UserRole,
}

V3_WIRE: dict[str, type[msgspec.Struct]] = {
    "applications": v3._Application,
    "application_stages": v3._StageEntry,
    "attachments": v3._Attachment,
    "candidates": v3._Candidate,
    "close_reasons": v3._NamedRecord,
    "departments": v3._Department,
    "email_templates": v3._EmailTemplate,
    "job_interview_stages": v3._Stage,
    "job_owners": v3._TeamMember,
    "job_posts": v3._JobPost,
    "jobs": v3._Job,
    "offices": v3._Office,
    "openings": v3._Opening,
    "rejection_reasons": v3._Reason,
    "sources": v3._NamedRecord,
    "user_emails": v3._UserEmail,
    "user_job_permissions": v3._JobGrant,
    "user_roles": v3._UserRole,
    "users": v3._User,
}

RECORDS = [
    *(pytest.param(V1, name, read, id=f"v1-{name}") for name, read in V1_READERS.items()),
    *(pytest.param(V3, name, read, id=f"v3-{name}") for name, read in V3_READERS.items()),
]


@pytest.mark.parametrize(("schema", "name", "read"), RECORDS)
def test_documented_record_is_read(schema: Schema, name: str, read: RecordParser[Any]) -> None:
    """With a value everywhere, and null or absent wherever that is documented."""
    rows = [schema.build(name), schema.build(name, sparse=True)]
    records, aside = decode_records(json.dumps(rows).encode(), read)
    assert aside == ()
    assert len(records) == len(rows)
    assert all(record.id == BIG_ID for record in records if hasattr(record, "id"))


@pytest.mark.parametrize(("schema", "name", "read"), RECORDS)
def test_record_lacking_one_field_is_handled(
    schema: Schema, name: str, read: RecordParser[Any]
) -> None:
    """One field missing, or null, at a time: read, or set aside with a reason."""
    whole = schema.build(name)
    rows = [{k: v for k, v in whole.items() if k != missing} for missing in whole]
    rows += [whole | {null: None} for null in whole]
    records, aside = decode_records(json.dumps(rows).encode(), read)
    assert len(records) + len(aside) == len(rows)
    assert all(record.reason for record in aside)
    assert len(aside) <= 2 * len(REQUIRED & whole.keys())


REQUIRED = {
    "id",
    "application_id",
    "candidate_id",
    "email",
    "job_id",
    "job_interview_stage_id",
    "name_key",
    "url",
    "user_id",
}
"""Fields without which a record cannot be placed."""


@pytest.mark.parametrize(
    "name", sorted(V3.keys() - V3_READERS.keys() - {"custom_value", "address"})
)
def test_unread_v3_record_is_handled(name: str) -> None:
    rows = [V3.build(name), V3.build(name, sparse=True)]
    records, aside = decode_records(json.dumps(rows).encode(), v3.read_user)
    assert len(records) + len(aside) == len(rows)


NOT_A_RECORD = [
    *(error["body"] for error in read_table("errors")["v1"].values() if "body" in error),
    {"success": True},
    {"success": True, "message": "Rejection reason updated"},
    {"from_stage_id": 1, "to_stage_id": 2},
    {"new_job_id": 1, "new_stage_id": 2},
    {"rejection_reason_id": 1, "notes": "x", "rejection_email": {"email_template_id": 2}},
    V1.build("hiring_team"),
    {},
]


@pytest.mark.parametrize("name", V1_READERS)
def test_answer_without_record_is_set_aside(name: str) -> None:
    """Errors, confirmations, request bodies and teams, wherever a record was expected."""
    body = json.dumps(NOT_A_RECORD).encode()
    records, aside = decode_records(body, V1_READERS[name])
    assert records == ()
    assert len(aside) == len(NOT_A_RECORD)
    assert all(record.reason for record in aside)


@pytest.mark.parametrize(("schema", "wire"), [(V1, V1_WIRE), (V3, V3_WIRE)], ids=["v1", "v3"])
def test_only_documented_fields_are_read(
    schema: Schema, wire: dict[str, type[msgspec.Struct]]
) -> None:
    unknown = {
        name: set(struct.__struct_encode_fields__) - schema[name].keys()
        for name, struct in wire.items()
    }
    assert {name: fields for name, fields in unknown.items() if fields} == {}


def test_v1_application_is_translated() -> None:
    def person(number: int) -> dict[str, Any]:
        return V1.build("user_summary", id=number)

    row = V1.build(
        "application",
        id=1,
        candidate_id=2,
        jobs=[{"id": 3, "name": "Gardener"}],
        current_stage={"id": 4, "name": "Application Review"},
        source={"id": 5, "public_name": "Jobs page"},
        recruiter=person(6),
        coordinator=person(7),
        prospect=False,
        applied_at="2017-09-29T12:56:05.244Z",
        answers=[{"question": "How?", "answer": "Online"}, {"question": "Where?", "answer": "a.b"}],
    )
    read = decode_record(json.dumps(row).encode(), v1.read_application)
    assert (read.id, read.candidate_id, read.job_id) == (1, 2, 3)
    assert (read.stage_id, read.stage_name) == (4, "Application Review")
    assert (read.source_id, read.source_name) == (5, "Jobs page")
    assert (read.recruiter_id, read.coordinator_id) == (6, 7)
    assert read.applied_at == datetime(2017, 9, 29, 12, 56, 5, 244000, UTC)
    assert [answer.answer for answer in read.answers] == ["Online", "a.b"]


def test_v1_prospect_has_prospective_jobs() -> None:
    jobs = [{"id": 87752, "name": "Gardener"}]
    row = V1.build("application", prospect=True, jobs=jobs, current_stage=None)
    read = decode_record(json.dumps(row).encode(), v1.read_application)
    assert (read.prospect, read.job_id, read.prospective_job_ids) == (True, None, (87752,))


# -- malformed records -------------------------------------------------------------------------
def test_malformed_record_is_set_aside_with_id() -> None:
    body = b'[{"id": 1, "job_id": 5}, {"id": 77, "job_id": {"no": 1}}, {"id": 3, "job_id": 5}]'
    records, aside = decode_records(body, v3.read_stage)
    assert [record.id for record in records] == [1, 3]
    assert aside[0].remote_id == 77
    assert "job_id" in aside[0].reason


@pytest.mark.parametrize(
    ("text", "remote_id"),
    [("5", 5), ('"5"', 5), ('"31/12/2026"', None), ("1.5", None), ("-5", None)],
)
def test_only_whole_id_names_a_record(text: str, remote_id: int | None) -> None:
    _, aside = decode_records(f'[{{"id": {text}, "name": NaN}}]'.encode(), v3.read_user)
    assert [record.remote_id for record in aside] == [remote_id]


def test_body_cut_off_within_quotes_is_read_once() -> None:
    with pytest.raises(UnreadableResponse):
        decode_records(b'[{"id": 1, "name": "' + b'\\"' * 1_000_000, v3.read_user)


@pytest.mark.parametrize("item", [b"null", b"5", b'"x"', b"[]", b'{"message": "later"}'])
def test_non_record_items_are_set_aside(item: bytes) -> None:
    records, aside = decode_records(b'[{"id": 1}, ' + item + b"]", v3.read_user)
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
def test_page_without_list_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableResponse):
        decode_records(body, v3.read_user)


def test_64_bit_and_string_ids_are_read() -> None:
    body = b'[{"id": 9223372036854775807, "job_id": "169024258003"}]'
    (stage,), _ = decode_records(body, v3.read_stage)
    assert (stage.id, stage.job_id) == (9223372036854775807, 169024258003)


def test_nulls_in_lists_are_skipped() -> None:
    body = (
        b'{"id": 1, "departments": [null], "offices": [null, {"id": 4}], "openings": [null],'
        b' "hiring_team": {"recruiters": [null, {"id": 9}], "sourcers": null}, "new_field": 1}'
    )
    job = decode_record(body, v1.read_job)
    assert (job.department_ids, job.office_ids, job.openings) == ((), (4,), ())
    assert [(member.user_id, member.role) for member in job.hiring_team or ()] == [(9, "recruiter")]


@pytest.mark.parametrize("read", [v1.read_job, v3.read_job])
def test_job_is_confidential_by_default(read: RecordParser[Any]) -> None:
    assert decode_record(b'{"id": 1}', read).confidential is True
    assert decode_record(b'{"id": 1, "confidential": null}', read).confidential is True
    assert decode_record(b'{"id": 1, "confidential": false}', read).confidential is False


@pytest.mark.parametrize(
    ("read", "flag", "of_null"),
    [(v1.read_candidate, "is_private", True), (v3.read_candidate, "private", False)],
    ids=["v1", "v3"],
)
def test_candidate_is_private_by_default(read: RecordParser[Any], flag: str, of_null: bool) -> None:
    """Null is v3's documented default; v1 documents none."""

    def is_private(**fields: object) -> bool:
        return bool(decode_record(json.dumps({"id": 1, **fields}).encode(), read).private)

    assert is_private() is True
    assert is_private(**{flag: None}) is of_null
    assert is_private(**{flag: True}) is True
    assert is_private(**{flag: False}) is False


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
def test_nul_characters_are_removed_from_records(read: RecordParser[Any]) -> None:
    ids = dict.fromkeys(("id", "job_id", "user_id", "candidate_id", "application_id"), 1)
    shapes = (NUL, {"id": 1, "name": NUL})  # a string in some records, an object in others
    bodies = [
        json.dumps(
            {**WITH_NULS, **ids, "job_interview_stage_id": 1, "type": kind, "location": location}
        )
        for kind in shapes
        for location in shapes
    ]
    records, _ = decode_records(f"[{','.join(bodies)}]".encode(), read)
    assert records
    assert "\\u0000" not in msgspec.json.encode(records).decode()


def test_nul_characters_are_removed_from_errors() -> None:
    assert redact_text("a\0b") == "ab"


@pytest.mark.parametrize("read", [v1.read_user, v3.read_user])
def test_user_has_no_rights_by_default(
    read: RecordParser[Any],
) -> None:
    user = decode_record(b'{"id": 1, "name": null}', read)
    assert (user.deactivated, user.site_admin, user.name) == (True, False, "")


def test_status_is_translated_or_kept() -> None:
    def status(value: str) -> str:
        body = json.dumps({"id": 1, "candidate_id": 2, "status": value}).encode()
        return decode_record(body, v3.read_application).status

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
def test_timestamps_are_parsed(text: str | None, read: datetime | None) -> None:
    assert parse_timestamp(text) == read


_NAMES = sorted(
    {
        name
        for module in (v1, v3)
        for struct in vars(module).values()
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
        for name in struct.__struct_fields__
    }
)
_SCALARS = (None, True, False, 0, -1, 2**63 - 1, -(2**63), 1.5, 1e300, "", "text", "a\0b", "7")


def _make_value(random: Random, depth: int = 0) -> Any:
    """Return a random JSON value: mostly a scalar, else a list or an object."""
    kind = random.random()
    if kind < 0.6 or depth == 3:
        return random.choice(_SCALARS)
    if kind < 0.8:
        return [_make_value(random, depth + 1) for _ in range(random.randrange(4))]
    return {
        random.choice((*_NAMES, "unknown", "")): _make_value(random, depth + 1)
        for _ in range(random.randrange(4))
    }


def _make_record(random: Random) -> dict[str, Any]:
    """Return an object with random values in fields that the readers know."""
    return {random.choice(_NAMES): _make_value(random) for _ in range(random.randrange(13))}


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_any_record_is_read_or_set_aside(seed: int) -> None:
    random = Random(seed)
    rows = [
        _make_record(random) if random.random() < 0.7 else _make_value(random)
        for _ in range(random.randrange(5))
    ]
    body = msgspec.json.encode(rows)
    for read in (*V1_READERS.values(), *V3_READERS.values()):
        records, aside = decode_records(body, read)
        assert len(records) + len(aside) == len(rows), read
        assert all(record.reason and len(record.reason) <= 200 for record in aside), read


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    try:
        decode_records(body, v1.read_application)
    except UnreadableResponse:
        return
