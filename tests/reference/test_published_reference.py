"""The tables against a copy of Greenhouse's published reference data, where there is one.

GREENHOUSE_REFERENCE names its folder: `v1-examples/`, `webhook-examples/` (official examples),
`v3-schemas/` (JSON schemas of v3's list items), `harvest-v3-get-endpoints.json` and
`errors-observed.json`. Every other test needs the tables alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests.plugins.requirements import find_reference_folder
from tests.reference.records import (
    ACTIONS,
    EVENT_IDS,
    V1,
    V3,
    WEBHOOKS,
    Field,
    Schema,
    find_parents,
    parse_field,
    read_table,
)

REFERENCE = find_reference_folder()

pytestmark = pytest.mark.reference

V1_EXAMPLES = {
    "application": (
        "the-application-object",
        "get-list-applications",
        "get-retrieve-application",
        "post-advance-application",
        "post-move-application-same-job",
        "post-move-application-different-job",
        "post-reject-application",
        "post-unreject-application",
        "patch-update-application",
        "post-hire-application",
    ),
    "candidate": (
        "the-candidate-object",
        "get-list-candidates",
        "get-retrieve-candidate",
        "post-add-candidate",
        "post-add-prospect",
        "patch-edit-candidate",
        "put-anonymize-candidate",
        "put-merge-candidates",
    ),
    "job": (
        "the-job-object",
        "get-list-jobs",
        "get-retrieve-job",
        "patch-update-job",
        "post-create-job",
    ),
    "job_post": (
        "the-job-post-object",
        "get-list-job-posts",
        "get-list-job-posts-for-job",
        "get-retrieve-job-post",
        "get-retrieve-job-post-for-job",
    ),
    "job_stage": (
        "the-job-stage-object",
        "get-list-job-stages",
        "get-list-job-stages-for-job",
        "get-retrieve-job-stage",
    ),
    "opening": ("the-job-opening-object", "get-list-job-openings", "get-single-opening-for-job"),
    "job_permission": (
        "the-job-permission-object",
        "get-list-job-permissions",
        "put-add-a-job-permission",
    ),
    "future_job_permission": (
        "the-future-job-permission-object",
        "get-list-future-job-permissions",
        "put-add-a-future-job-permission",
    ),
    "user": ("the-user-object", "get-list-users", "get-retrieve-user", "post-add-user"),
    "user_role": ("the-user-role-object", "get-list-user-roles"),
    "close_reason": ("the-close-reason-object", "get-list-close-reasons"),
    "rejection_reason": ("the-rejection-reason-object", "get-list-rejection-reasons"),
    "email_template": (
        "the-email-template-object",
        "get-list-email-templates",
        "get-retrieve-email-template",
    ),
    "hiring_team": ("get-hiring-team",),
}
"""Record to the examples that show it."""

SCHEMA_PREFERRED = {("notes", "email_attachment_file_names")}
"""Fields of which the schemas and the endpoint list disagree about the type."""

WITHOUT_EXAMPLE = {"source", "custom_field"}


@cache
def read_reference(path: str) -> Any:
    return json.loads((REFERENCE / path).read_text(encoding="utf-8"))


def read_examples(name: str) -> list[Any]:
    value = read_reference(f"v1-examples/{name}.response.json")
    return value if isinstance(value, list) else [value]


def read_events() -> dict[str, Any]:
    files = sorted((REFERENCE / "webhook-examples").glob("*.json"))
    events = [read_reference(f"webhook-examples/{file.name}") for file in files]
    return {event["action"]: event["payload"] for event in events}


def find_seen(schema: Schema, name: str, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Record and field of everything that an example shows, by the table it stands in."""
    yield from _find_seen(schema, schema[name], value, name, "")


def _find_seen(
    schema: Schema, record: dict[str, Field], value: dict[str, Any], table: str, prefix: str
) -> Iterator[tuple[str, str]]:
    for name, inner in record.items():
        if name not in value:
            continue
        yield table, f"{prefix}{name}"
        items = value[name]
        if inner.container:
            items = list(items.values()) if isinstance(items, dict) else items
        else:
            items = [items]
        for item in items or ():
            if inner.is_object and isinstance(item, dict):
                own = inner.kind == "object"
                where = (table, f"{prefix}{name}.") if own else (inner.kind, "")
                yield from _find_seen(schema, schema.fields_of(inner), item, *where)


def find_unseen(schema: Schema, seen: set[tuple[str, str]], tables: set[str]) -> list[str]:
    """Lines of the tables that no example shows."""

    def paths(record: dict[str, Field], prefix: str = "") -> Iterator[str]:
        for name, inner in record.items():
            yield f"{prefix}{name}"
            yield from paths(inner.fields, f"{prefix}{name}.")

    lines = {(table, path) for table in tables for path in paths(schema[table])}
    return sorted(f"{table}.{path}: in no example" for table, path in lines - seen)


def test_v1_records_match_examples() -> None:
    mismatches, seen = [], set()
    for name, examples in V1_EXAMPLES.items():
        for example in examples:
            for row in read_examples(example):
                mismatches += [
                    f"{example}: {mismatch}" for mismatch in V1.find_mismatches(name, row)
                ]
                seen |= set(find_seen(V1, name, row))
    mismatches += find_unseen(V1, seen, V1.keys() - WITHOUT_EXAMPLE)
    assert mismatches == []


def test_webhook_payloads_match_examples() -> None:
    mismatches, seen = [], set()
    for action, payload in read_events().items():
        mismatches += [
            f"webhook {mismatch}" for mismatch in WEBHOOKS.find_mismatches(action, payload)
        ]
        seen |= set(find_seen(WEBHOOKS, action, payload))
    mismatches += find_unseen(WEBHOOKS, seen, set(WEBHOOKS))
    assert mismatches == []


KIND_OF_PARENT = {
    "application": "application",
    "candidate": "candidate",
    "person": "candidate",
    "job": "job",
    "jobs[]": "job",
    "job_post": "job_post",
    "job_interview_stage": "stage",
    "current_stage": "stage",
}
KIND_OF_NAME = {
    "application_id": "application",
    "deleted_application_ids[]": "application",
    "candidate_id": "candidate",
    "new_candidate_id": "merged_into",
    "job_id": "job",
    "job_post_id": "job_post",
}


def find_id_paths(action: str, payload: object) -> set[tuple[str, str]]:
    """Kind and path of every id of a record that the portal knows."""

    def walk(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(inner, (*path, name))
        elif isinstance(value, list):
            for item in value:
                yield from walk(item, (*path[:-1], f"{path[-1]}[]"))
        elif path[-1] in KIND_OF_NAME:
            yield KIND_OF_NAME[path[-1]], ".".join(path)
        elif path[-1] == "id" and len(path) > 1 and path[-2] in KIND_OF_PARENT:
            yield KIND_OF_PARENT[path[-2]], ".".join(path)
        elif path == ("id",) and action.startswith("job_post_"):
            yield "job_post", "id"

    return set(walk(payload, ()))


def test_webhook_ids_match_examples() -> None:
    events = read_events()
    assert sorted(ACTIONS) == sorted(events)
    for action, kinds in EVENT_IDS.items():
        listed = {(kind, path) for kind, paths in kinds.items() for path in paths}
        published = find_id_paths(action, events[action])
        assert published <= listed, f"{action}: ids that the table lacks"
        # An example may show a record without a stage, or without jobs.
        absent = [path for _, path in listed - published if find_parents(events[action], path)]
        assert absent == [], f"{action}: ids that are not there"


def describe_v3_field(schema: dict[str, Any]) -> Field:
    """The field that a JSON schema says, without its inner fields."""
    if "anyOf" in schema:
        return Field("any")
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (kind,) = [name for name in kinds if name != "null"]
    values = tuple(value for value in schema.get("enum", ()) if value is not None)
    if kind == "array":
        item = describe_v3_field(schema["items"])
        return Field(
            item.kind, "[]", "null" in kinds, nullable_items=item.nullable, values=item.values
        )
    if kind == "object" and "properties" not in schema:
        item_schema = schema.get("additionalProperties")
        item = Field("object") if isinstance(item_schema, dict) else Field("any")
        return Field(item.kind, "{}", "null" in kinds)
    kind = {"date-time": "datetime", "date": "date"}.get(schema.get("format", ""), kind)
    return Field(kind, nullable="null" in kinds, values=values)


def flatten_v3_schema(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for name, inner in schema["properties"].items():
        parsed = describe_v3_field(inner)
        yield f"{prefix}{name}", parsed
        if parsed.kind == "object":
            item = {"[]": "items", "{}": "additionalProperties", "": None}[parsed.container]
            yield from flatten_v3_schema(
                inner[item] if item else inner, f"{prefix}{name}{parsed.container}."
            )


def test_v3_records_match_schemas() -> None:
    mismatches = []
    files = sorted((REFERENCE / "v3-schemas").glob("*.json"))
    for file in files:
        published = dict(flatten_v3_schema(read_reference(f"v3-schemas/{file.name}")))
        listed = {
            path: Field(
                "object" if parsed.is_object else parsed.kind,
                parsed.container,
                parsed.nullable,
                parsed.nullable_items,
                values=parsed.values,
            )
            for path, parsed in V3.flatten(file.stem).items()
            if parsed.presence != "newer"
        }
        mismatches += compare(file.stem, published, listed)
    assert mismatches == []


def compare(place: str, published: dict[str, Any], listed: dict[str, Any]) -> list[str]:
    return [
        f"{place} {name}: published {published.get(name)}, here {listed.get(name)}"
        for name in sorted(published.keys() | listed.keys())
        if published.get(name) != listed.get(name)
    ]


def _json_type(parsed: Field) -> str:
    if parsed.container:
        return {"[]": "array", "{}": "object"}[parsed.container]
    if parsed.is_object:
        return "object"
    return "string" if parsed.kind in ("date", "datetime") else parsed.kind


def test_v3_endpoints_match_published() -> None:
    """Parameters with types and values; and the fields of each list, which the schemas lack."""
    table = read_table("v3_endpoints")
    endpoints = {row["path"]: row for row in read_reference("harvest-v3-get-endpoints.json")}
    mismatches = []
    for name, own in table["lists"].items():
        endpoint = endpoints[f"/v3/{name}"]
        parameters = {key: parse_field(spec) for key, spec in (table["every_list"] | own).items()}
        published = {
            row["name"]: (row["type"], tuple(row.get("enumValues", ())))
            for row in endpoint["parameters"]
        }
        listed = {
            key: (
                "object"
                if parsed.kind == "range"
                else "array"
                if parsed.container
                else parsed.kind,
                parsed.values,
            )
            for key, parsed in parameters.items()
            if parsed.presence != "newer"
        }
        mismatches += compare(f"{name}?", published, listed)
        answered = {row["name"]: row["type"] for row in endpoint["responseFields"]}
        fields = {key: _json_type(parsed) for key, parsed in V3[name].items()}
        missing = {
            key: kind
            for key, kind in answered.items()
            if fields.get(key) != kind and (name, key) not in SCHEMA_PREFERRED
        }
        missing.pop("message", None)  # of the answer that says that the list is being prepared
        mismatches += [f"{name}: lists {key} as {kind}" for key, kind in missing.items()]
    mismatches += [f"{path}: not published" for path in table["single"] if path not in endpoints]
    assert mismatches == []


def test_errors_match_observed() -> None:
    table = read_table("errors")
    published = read_reference("errors-observed.json")
    names = {"v1": "v1", "v3": "v3", "token": "auth.greenhouse.io/token"}

    def facts(rows: list[dict[str, Any]], text: str, status: Callable[[Any], Any]) -> Counter[str]:
        return Counter(
            json.dumps(
                [
                    status(row["status"]),
                    row.get("body"),
                    row.get(text),
                    sorted(row.get("headers", ())),
                ],
                sort_keys=True,
            )
            for row in rows
        )

    for part, name in names.items():
        listed = facts(list(table[part].values()), "text", lambda status: status)
        observed = facts(
            published[name],
            "body_contains",
            lambda status: "4xx" if str(status).startswith("4xx") else status,
        )
        assert listed - observed == Counter(), f"{part}: not published"
        assert observed - listed == Counter(), f"{part}: published only"
