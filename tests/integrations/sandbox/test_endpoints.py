"""The sandbox has the v3 endpoints, scopes and parameters that Greenhouse documents."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from integrations.ats.port import Provider
from integrations.greenhouse.catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.permissions import V3_ROUTES
from integrations.greenhouse.sandbox.reads_v3 import RESOURCES
from tests.integrations.greenhouse.hand import V3, HandClock, open_on, sandbox_on
from tests.reference.records import parse_record, read_table

from .api import Api

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
    assert V3_ROUTES.items() <= documented.items()
    used = {permission.scope for permission in CATALOGUE.permissions}
    assert used <= set(documented.values())


@pytest.mark.parametrize("name", RESOURCES)
def test_list_checks_documented_parameters(shared: Api, name: str) -> None:
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
        *resource.moments,
    }
    assert filters <= LISTS[name].keys()


def test_client_asks_documented_parameters_only() -> None:
    clock = HandClock()
    with sandbox_on(clock, jobs=2) as sandbox:
        provider = open_on(V3, sandbox.url, clock).provider
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
            list(call())
            moments = inspect.signature(call).parameters.keys() & {"updated_after", "changed_after"}
            for since in moments:
                list(call(**{since: datetime(2026, 1, 1, tzinfo=UTC)}))


def read_records(provider: Provider, sandbox: Sandbox) -> None:
    world = sandbox.world()
    application = next(iter(world.applications))
    job = next(iter(world.jobs)).id
    provider.get_user(world.user("remy").id)
    provider.get_job(job)
    provider.get_application(application.id)
    provider.get_candidate(application.candidate_id)
    provider.attachments(application.candidate_id)
    provider.stage_history(application.id)
    for read in ("stages_of_job", "posts_of_job", "openings_of_job", "applications_of_job"):
        getattr(provider, read)(job)
