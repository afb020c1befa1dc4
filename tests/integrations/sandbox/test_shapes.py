"""Every answer has the documented shape: v1's examples, v3's schemas, the web hooks' examples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .api import REFERENCE, Api

jsonschema: Any = pytest.importorskip("jsonschema")

V1_EXAMPLES = {
    "the-application-object": "/applications",
    "the-candidate-object": "/candidates",
    "the-job-object": "/jobs",
    "the-job-post-object": "/job_posts",
    "the-job-stage-object": "/job_stages",
    "the-user-object": "/users",
    "the-user-role-object": "/user_roles",
    "the-close-reason-object": "/close_reasons",
    "the-rejection-reason-object": "/rejection_reasons",
    "the-email-template-object": "/email_templates",
    "get-list-applications": "/applications",
    "get-list-candidates": "/candidates",
    "get-list-jobs": "/jobs",
    "get-list-users": "/users",
}

SCHEMAS = (
    "application_stages",
    "applications",
    "attachments",
    "candidates",
    "close_reasons",
    "custom_field_options",
    "custom_fields",
    "departments",
    "future_job_permissions",
    "job_hiring_managers",
    "job_interview_stages",
    "job_owners",
    "job_post_locations",
    "job_posts",
    "jobs",
    "offices",
    "openings",
    "referrers",
    "rejection_details",
    "rejection_reasons",
    "sources",
    "user_emails",
    "user_job_permissions",
    "user_roles",
    "users",
)

NEWER = {"applications": {"job_interview_stage_id", "rejection_reason_id"}}


def _reference(path: str) -> Any:
    file = REFERENCE / path
    if not file.exists():
        pytest.skip("the reference data is not here")
    return json.loads(file.read_text())


def _missing(example: Any, given: list[Any], path: str = "") -> list[str]:
    """Give the keys of an example that no given value has, at any depth."""
    objects = [value for value in given if isinstance(value, dict)]
    if isinstance(example, list) and example:
        items = [item for value in given if isinstance(value, list) for item in value]
        return _missing(example[0], items, f"{path}[]") if items else []
    if not isinstance(example, dict) or not objects or "custom_fields" in path:
        return []
    lost = [f"{path}.{key}" for key in example if not any(key in value for value in objects)]
    for key, value in example.items():
        inner = [one[key] for one in objects if key in one]
        lost += _missing(value, inner, f"{path}.{key}")
    return lost


@pytest.mark.parametrize("name", V1_EXAMPLES)
def test_v1_answers_have_every_key_of_the_official_example(shared: Api, name: str) -> None:
    example = _reference(f"v1-examples/{name}.response.json")
    rows = shared.v1_all(V1_EXAMPLES[name])
    one = example[0] if isinstance(example, list) else example
    assert _missing(one, rows) == []
    assert all(set(one) <= set(row) for row in rows)


def test_v1_lists_below_a_record_have_the_documented_keys(shared: Api) -> None:
    world = shared.sandbox.world()
    job = next(job.id for job in world.jobs if world.openings.ids_of("job_id", job.id))
    team = next(row.job_id for row in world.team)
    remy = shared.user_id("remy")
    for name, path in (
        ("get-list-job-openings", f"/jobs/{job}/openings"),
        ("get-list-job-stages-for-job", f"/jobs/{job}/stages"),
        ("get-list-job-permissions", f"/users/{remy}/permissions/jobs"),
        ("get-list-future-job-permissions", f"/users/{remy}/permissions/future_jobs"),
    ):
        example = _reference(f"v1-examples/{name}.response.json")
        assert _missing(example[0], shared.v1("GET", path).json()) == []
    example = _reference("v1-examples/get-hiring-team.response.json")
    assert set(shared.v1("GET", f"/jobs/{team}/hiring_team").json()) == set(example)


@pytest.mark.parametrize("name", SCHEMAS)
def test_v3_rows_are_valid_by_the_vendors_schema(shared: Api, name: str) -> None:
    schema = _reference(f"v3-schemas/{name}.json")
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    rows = shared.v3_all(f"/{name}")
    assert rows
    for row in rows:
        older = {key: value for key, value in row.items() if key not in NEWER.get(name, ())}
        checker.validate(older)
        assert set(older) == set(schema["properties"])


def test_one_record_is_the_same_in_its_list_and_alone(shared: Api) -> None:
    for path in ("jobs", "applications", "candidates", "users", "job_stages", "job_posts"):
        row = shared.v1("GET", f"/{path}").json()[0]
        assert shared.v1("GET", f"/{path}/{row['id']}").json() == row


def test_posts_and_openings_of_a_job_are_found(shared: Api) -> None:
    world = shared.sandbox.world()
    posts = {job.id: world.posts.ids_of("job_id", job.id) for job in world.jobs}
    two = next(job for job, ids in posts.items() if len(ids) == 2)
    none = next(job for job, ids in posts.items() if not ids)
    assert len(shared.v1("GET", f"/jobs/{two}/job_posts").json()) == 2
    assert shared.v1("GET", f"/jobs/{two}/job_post").json()["job_id"] == two
    assert shared.v1("GET", f"/jobs/{none}/job_posts").json() == []
    assert shared.v1("GET", f"/jobs/{none}/job_post").status_code == 404
    opening = world.openings.where("job_id", two)[0]
    assert shared.v1("GET", f"/jobs/{two}/openings/{opening.id}").json()["id"] == opening.id
    assert shared.v1("GET", f"/jobs/{none}/openings/{opening.id}").status_code == 404


@pytest.mark.parametrize(
    ("example", "action", "change"),
    [
        ("candidate-stage-change", "candidate_stage_change", "move_application"),
        ("candidate-prospect-rejected", "reject_candidate", "reject_application"),
        ("application-deleted", "delete_application", "delete_application"),
        ("job-updated", "job_updated", "close_job"),
        ("job-deleted", "job_deleted", "delete_job"),
        ("candidate-deleted", "delete_candidate", "delete_candidate"),
        ("candidate-anonymized", "candidate_anonymized", "anonymize_candidate"),
    ],
)
def test_web_hooks_have_the_keys_of_the_official_example(
    api: Api, example: str, action: str, change: str
) -> None:
    wanted = _reference(f"webhook-examples/{example}.response.json")
    heard: list[tuple[str, Any]] = []
    world = api.sandbox.world()
    world.listeners.append(lambda _, name, payload: heard.append((name, payload())))
    row = api.application()
    field = change.split("_")[1] + "_id"
    number: dict[str, Any] = {
        "application_id": row.id,
        "job_id": row.job_id,
        "candidate_id": row.candidate_id,
    }
    api.sandbox.mutate(change, **{field: number[field]})
    name, payload = heard[-1]
    assert name == wanted["action"] == action
    assert set(wanted["payload"]) <= set(payload)
    for key, value in wanted["payload"].items():
        if isinstance(value, dict):
            assert set(value) <= set(payload[key])
