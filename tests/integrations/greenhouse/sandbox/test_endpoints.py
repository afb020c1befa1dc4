"""The sandbox has the v3 endpoints, scopes and parameters that Greenhouse documents."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.provider import Provider
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.api.v3.resources import RESOURCES
from integrations.greenhouse.sandbox.auth.permissions import V3_ROUTE_SCOPES
from tests.integrations.greenhouse.provider_bench import (
    V3,
    ManualClock,
    create_sandbox,
    open_provider_bench,
)
from tests.integrations.greenhouse.sandbox.api_client import ApiClient
from tests.reference.records import parse_record, read_table

ENDPOINTS = read_table("v3_endpoints")
EVERY_LIST = parse_record(ENDPOINTS["every_list"])
LISTS = {name: EVERY_LIST | parse_record(lines) for name, lines in ENDPOINTS["lists"].items()}

WRONG = {"integer": "x", "boolean": "maybe", "range": "yesterday"}

UNCHECKED = {
    "applications": {"custom_field_option_id"},
    "attachments": {"type"},
    "candidates": {"custom_field_option_id"},
    "custom_fields": {"field_type"},
    "email_templates": {"email_type", "from_type"},
    "job_post_locations": {"custom_location_ids", "type"},
    "job_posts": {"job_board_ids", "featured"},
    "jobs": {"custom_field_option_id"},
    "openings": {"custom_field_option_id"},
    "rejection_details": {"custom_field_option_id"},
    "rejection_reasons": {"include_defaults"},
    "user_emails": {"verification_token_sent_at"},
    "users": {
        "agency_ids",
        "custom_field_option_id",
        "interviewer_tag_ids",
        "show_service_accounts",
    },
}
"""Documented parameters that the sandbox ignores, or takes with any value."""


def test_v3_routes_have_documented_scopes() -> None:
    documented = {("GET", f"/v3/{name}"): f"harvest:{name}:list" for name in LISTS}
    documented |= {
        ("GET", path): endpoint["scope"] for path, endpoint in ENDPOINTS["single"].items()
    }
    for place, write in ENDPOINTS["writes"].items():
        method, path = place.split()
        documented[method, path] = write["scope"]
    assert V3_ROUTE_SCOPES.items() <= documented.items()
    used = {permission.scope for permission in CATALOGUE.permissions}
    assert used <= set(documented.values())


@pytest.mark.parametrize("name", RESOURCES)
def test_list_checks_documented_parameters(shared: ApiClient, name: str) -> None:
    """A value of a wrong type, or none of the known, is 422: the parameter is understood."""
    ignored = set()
    for parameter, field in LISTS[name].items():
        wrong = "nonsense" if field.values else WRONG.get(field.kind)
        if wrong and shared.v3("GET", f"/{name}", params={parameter: wrong}).status_code != 422:
            ignored.add(parameter)
    assert ignored == UNCHECKED.get(name, set())


@pytest.mark.parametrize("name", RESOURCES)
def test_list_filters_by_documented_parameters(name: str) -> None:
    resource = RESOURCES[name]
    filters = {
        *resource.ids,
        *resource.members,
        *resource.texts,
        *resource.booleans,
        *resource.timestamps,
    }
    assert filters <= LISTS[name].keys()


def test_client_asks_documented_parameters_only() -> None:
    clock = ManualClock()
    with create_sandbox(clock, jobs=2) as sandbox:
        provider = open_provider_bench(V3, sandbox.url, clock).provider
        read_all_lists(provider)
        read_records(provider, sandbox)
        used = {
            (request.path.removeprefix("/v3/"), parameter)
            for request in sandbox.requests
            if request.path.startswith("/v3/")
            for parameter in parse_qs(request.query)
        }
    assert {name for name, _ in used} >= {"jobs", "users", "attachments", "application_stages"}
    assert {(name, field) for name, field in used if field not in LISTS[name]} == set()


def read_all_lists(provider: Provider) -> None:
    """Each list whole, and where it can be, what changed since a moment."""
    for name in dir(provider):
        if name.startswith("list_"):
            call = getattr(provider, name)
            parameters = inspect.signature(call).parameters
            if any(p.default is p.empty for p in parameters.values()):
                continue  # a list of one job or candidate
            list(call())
            moments = parameters.keys() & {"updated_after", "changed_after"}
            for since in moments:
                list(call(**{since: datetime(2026, 1, 1, tzinfo=UTC)}))


def read_records(provider: Provider, sandbox: Sandbox) -> None:
    world = sandbox.dataset()
    application = next(iter(world.applications))
    job = next(iter(world.jobs)).id
    provider.get_user(world.find_user("remy").id)
    provider.get_job(job)
    provider.get_application(application.id)
    provider.get_candidate(application.candidate_id)
    provider.list_attachments(application.candidate_id)
    provider.list_stage_history(application.id)
    for read in (
        "list_stages_for_job",
        "list_posts_for_job",
        "list_openings_for_job",
        "list_applications_for_job",
    ):
        getattr(provider, read)(job)
