"""The sandbox answers what Greenhouse documents: records of v1 and v3, and webhook payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.greenhouse.sandbox.auth.permissions import V3_ROUTE_SCOPES
from integrations.greenhouse.sandbox.webhooks.delivery import WEBHOOK_EVENTS
from tests.integrations.greenhouse.sandbox.api_client import ApiClient
from tests.reference.records import V1, V3, WEBHOOKS, Record, Schema

V1_LISTS = {
    "/applications": "application",
    "/candidates": "candidate",
    "/jobs": "job",
    "/job_posts": "job_post",
    "/job_stages": "job_stage",
    "/users": "user",
    "/user_roles": "user_role",
    "/close_reasons": "close_reason",
    "/rejection_reasons": "rejection_reason",
    "/email_templates": "email_template",
    "/departments": "department",
    "/offices": "office",
    "/sources": "source",
    "/custom_fields/application": "custom_field",
}

NOT_SENT = {
    "job_stage.interviews.created_at",
    "job_stage.interviews.updated_at",
    "job_stage.interviews.job_id",
    "job.openings.custom_fields",
    "job.openings.keyed_custom_fields",
    # webhooks, without their action
    "application.jobs.hiring_team",
    "application.jobs.url",
    "application.source.public_name",
}
"""Fields that only some examples have and the sandbox leaves out."""

V3_LISTS = [path[4:] for method, path in V3_ROUTE_SCOPES if method == "GET" and "{" not in path]


def find_mismatches(schema: Schema, name: str, rows: list[Any]) -> list[str]:
    """What differs from the table, and documented fields that no row shows, at any depth."""
    mismatches = {mismatch for row in rows for mismatch in schema.find_mismatches(name, row)}
    missing = {f"{name}.{key}: missing" for row in rows for key in schema[name].keys() - row.keys()}
    absent = {
        f"{path}: absent"
        for path in find_absent(schema, schema[name], rows, name)
        if path not in NOT_SENT and path.partition(".")[2] not in NOT_SENT
    }
    return sorted(mismatches | missing | absent)


def find_absent(schema: Schema, record: Record, rows: list[Any], path: str) -> Iterator[str]:
    for name, field in record.items():
        values = [row[name] for row in rows if name in row]
        if rows and not values:
            yield f"{path}.{name}"
        if field.is_object:
            items = [item for value in values for item in list_items(value, field.container)]
            yield from find_absent(schema, schema.fields_of(field), items, f"{path}.{name}")


def list_items(value: Any, container: str) -> list[Any]:
    if value and container:
        value = list(value.values()) if container == "{}" else value
    else:
        value = [value] if not container else []
    return [item for item in value if item is not None]


@pytest.mark.parametrize("path", V1_LISTS)
def test_v1_list_matches_documentation(shared: ApiClient, path: str) -> None:
    rows = shared.list_v1(path)
    assert rows
    assert find_mismatches(V1, V1_LISTS[path], rows) == []


def test_v1_nested_lists_match_documentation(shared: ApiClient) -> None:
    world = shared.sandbox.dataset()
    job = next(job.id for job in world.jobs if world.openings.find_ids("job_id", job.id))
    posted = next(post.job_id for post in world.posts if post.job_id)
    team = next(row.job_id for row in world.team)
    remy = shared.find_user_id("remy")
    for path, name in (
        (f"/jobs/{job}/openings", "opening"),
        (f"/jobs/{job}/stages", "job_stage"),
        (f"/jobs/{posted}/job_posts", "job_post"),
        (f"/users/{remy}/permissions/jobs", "job_permission"),
        (f"/users/{remy}/permissions/future_jobs", "future_job_permission"),
    ):
        rows = shared.v1("GET", path).json()
        assert rows, path
        assert find_mismatches(V1, name, rows) == [], path
    rows = [shared.v1("GET", f"/jobs/{team}/hiring_team").json()]
    assert find_mismatches(V1, "hiring_team", rows) == []


@pytest.mark.parametrize("name", V3_LISTS)
def test_v3_list_matches_documentation(shared: ApiClient, name: str) -> None:
    rows = shared.list_v3(f"/{name}")
    assert rows
    assert find_mismatches(V3, name, rows) == []


def test_v3_newer_fields_can_be_left_out(make_api: Callable[..., ApiClient]) -> None:
    rows = make_api(jobs=2, job_interview_stage_id=False).list_v3("/applications")
    newer = {name for name, field in V3["applications"].items() if field.presence == "newer"}
    assert rows
    assert {name for row in rows for name in row} == V3["applications"].keys() - newer


def test_record_is_same_in_list_and_alone(shared: ApiClient) -> None:
    for path in ("jobs", "applications", "candidates", "users", "job_stages", "job_posts"):
        row = shared.v1("GET", f"/{path}").json()[0]
        assert shared.v1("GET", f"/{path}/{row['id']}").json() == row


def test_posts_and_openings_of_job_are_found(shared: ApiClient) -> None:
    world = shared.sandbox.dataset()
    posts = {job.id: world.posts.find_ids("job_id", job.id) for job in world.jobs}
    two = next(job for job, ids in posts.items() if len(ids) == 2)
    none = next(job for job, ids in posts.items() if not ids)
    assert len(shared.v1("GET", f"/jobs/{two}/job_posts").json()) == 2
    assert shared.v1("GET", f"/jobs/{two}/job_post").json()["job_id"] == two
    assert shared.v1("GET", f"/jobs/{none}/job_posts").json() == []
    assert shared.v1("GET", f"/jobs/{none}/job_post").status_code == 404
    opening = world.openings.filter_by("job_id", two)[0]
    assert shared.v1("GET", f"/jobs/{two}/openings/{opening.id}").json()["id"] == opening.id
    assert shared.v1("GET", f"/jobs/{none}/openings/{opening.id}").status_code == 404


NEW_NAME = {"first_name": "Nova", "last_name": "Newman"}


def test_webhook_payloads_match_documentation(api: ApiClient) -> None:
    """Each event once, in an order in which its record is still there."""
    heard: list[tuple[str, Any]] = []
    world = api.sandbox.dataset()
    world.event_listeners.append(lambda _, action, payload: heard.append((action, payload())))
    application = {"application_id": api.find_application().id}
    rejected = {"application_id": api.find_application(status="rejected", stage=None).id}
    candidate = {"candidate_id": world.applications[rejected["application_id"]].candidate_id}
    others = {  # by candidate, since candidates are deleted and merged
        row.candidate_id: row
        for row in world.applications
        if row.id not in application.values() and row.candidate_id != candidate["candidate_id"]
    }
    first, second, *_ = others.values()
    job = {"job_id": world.applications[application["application_id"]].job_id}
    stage = world.list_job_stages(job["job_id"], active_only=True)[-1]
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("new_candidate_application", "new_application", job),
        ("candidate_stage_change", "move_application", application),
        ("reject_candidate", "reject_application", application),
        ("unreject_candidate", "unreject_application", application),
        ("application_updated", "", {"source_id": world.sources.ids[0]}),
        ("hire_candidate", "hire_application", application),
        ("unreject_candidate", "unreject_application", rejected),
        ("update_candidate", "rename_candidate", candidate | NEW_NAME),
        ("candidate_anonymized", "anonymize_candidate", candidate),
        ("delete_application", "delete_application", rejected),
        ("delete_candidate", "delete_candidate", candidate),
        (
            "merge_candidate",
            "merge_candidate",
            {"candidate_id": first.candidate_id, "into_id": second.candidate_id},
        ),
        ("job_created", "create_job", {"name": "Gardener"}),
        ("job_updated", "close_job", job),
        ("job_interview_stage_deleted", "delete_stage", {"stage_id": stage.id}),
        ("job_deleted", "delete_job", job),
    ]
    for action, change, values in changes:
        heard.clear()
        if change:
            api.sandbox.run_mutation(change, **values)
        else:
            api.v1("PATCH", f"/applications/{application['application_id']}", by="ada", json=values)
        ((name, payload),) = heard
        assert name == action
        mismatches = find_mismatches(WEBHOOKS, action, [payload])
        # No example proves that a field is never null.
        assert [mismatch for mismatch in mismatches if not mismatch.endswith(": null")] == [], (
            action
        )
    assert {action for action, _, _ in changes} == set(WEBHOOK_EVENTS)
