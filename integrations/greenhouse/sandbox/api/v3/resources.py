"""The lists of Harvest v3 and their documented filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.ats.emails import normalize_email
from integrations.greenhouse.sandbox.api.listing import (
    Condition,
    Serializer,
    by_ids,
    by_index,
    by_list_member,
    by_timestamp,
    by_value,
)
from integrations.greenhouse.sandbox.api.pagination import v3_validation_error
from integrations.greenhouse.sandbox.api.v3 import serializers
from integrations.greenhouse.sandbox.auth.tokens import AccessToken
from integrations.greenhouse.sandbox.clock import normalize_timestamp
from integrations.greenhouse.sandbox.dataset.access_rules import get_job_role
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.settings import Settings

Query = Mapping[str, str]
SCORECARD_STATUSES = ("draft", "complete")
NOTE_VISIBILITIES = ("admin_only_visible", "privately_visible", "publicly_visible")
NOTE_TYPES = (
    *("NOTE", "ACTIVITY", "INTERVIEW", "EMAIL", "FOLLOW_UP", "TAKE_HOME_TEST", "LINKEDIN_NOTE"),
    *("LINKEDIN_INMAIL", "AVAILABILITY_REQUEST", "MIGRATION_ERROR", "TOUCHPOINT", "FORM"),
    "FEEDBACK",
)
ExtraConditions = Callable[["ListRequest"], Iterable[Condition]]


@dataclass(frozen=True)
class ListRequest:
    dataset: Dataset
    token: AccessToken
    query: Query
    settings: Settings


def _add_no_conditions(_: ListRequest) -> Iterable[Condition]:
    return ()


@dataclass(frozen=True)
class Resource:
    """A v3 list: its table, serializer and filters.

    ``ids`` and ``members`` map ID filters to fields; those of ``members`` hold lists. ``texts``,
    ``booleans`` and ``timestamps`` are filters named like their field.
    """

    kind: str
    serialize: Serializer
    ids: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    timestamps: tuple[str, ...] = ()
    extra_conditions: ExtraConditions = _add_no_conditions


def build_conditions(resource: Resource, list_request: ListRequest) -> list[Condition]:
    """Build the conditions of a query; unknown parameters are ignored (observed)."""
    result = list(resource.extra_conditions(list_request))
    dataset, query = list_request.dataset, list_request.query
    if "ids" in query:
        result.append(by_ids(parse_ids(query, "ids")))
    for name, column in resource.ids.items():
        if name in query:
            numbers = parse_ids(query, name)
            table = dataset.tables[resource.kind]
            result.append(
                by_index(dataset, resource.kind, column, numbers)
                if table.has_index(column)
                else by_value(column, numbers)
            )
    for name, column in resource.members.items():
        if name in query:
            result.append(by_list_member(column, parse_ids(query, name)))
    result += [by_value(name, [query[name]]) for name in resource.texts if name in query]
    result += [
        by_value(name, [parse_boolean(query, name)]) for name in resource.booleans if name in query
    ]
    for name in ("created_at", "updated_at", *resource.timestamps):
        result.extend(parse_timestamp_conditions(query, name))
    return result


def parse_ids(query: Query, name: str) -> list[int]:
    """Parse a comma-separated list of at most 50 IDs (documented; texts inferred)."""
    parts = [part.strip() for part in query[name].split(",") if part.strip()]
    if len(parts) > 50:
        raise v3_validation_error({name: f"array size ({len(parts)}) is greater than: 50"})
    for part in parts:
        if not part.lstrip("-").isdecimal():
            raise v3_validation_error({name: f"`{part}` is not an integer"})
    return [int(part) for part in parts]


def parse_boolean(query: Query, name: str) -> bool:
    if query[name] not in ("true", "false"):
        raise v3_validation_error({name: f"`{query[name]}` is not a boolean"})
    return query[name] == "true"


def parse_timestamp_conditions(query: Query, name: str) -> Iterable[Condition]:
    """Parse ``gte|A`` or a range such as ``gte|A|lte|B`` (documented operators)."""
    if name not in query:
        return
    parts = query[name].split("|")
    if len(parts) % 2:
        raise v3_validation_error(
            {name: f"`{query[name]}` must look like gte|2024-01-01T00:00:00Z"}
        )
    for operator, text in zip(parts[::2], parts[1::2], strict=True):
        moment = normalize_timestamp(text)
        if operator not in ("gte", "gt", "lte", "lt") or moment is None:
            raise v3_validation_error(
                {name: f"`{query[name]}` must look like gte|2024-01-01T00:00:00Z"}
            )
        yield by_timestamp(name, operator, moment)


def _parse_choice(query: Query, name: str, allowed: tuple[str, ...]) -> str:
    if query[name] not in allowed:
        raise v3_validation_error({name: f"`{query[name]}` is not one of: {', '.join(allowed)}"})
    return query[name]


def _filter_applications(list_request: ListRequest) -> Iterable[Condition]:
    query, dataset = list_request.query, list_request.dataset
    if "status" in query:
        # The filter's value is ``active``, the response's ``in_process``.
        status = _parse_choice(query, "status", ("rejected", "hired", "converted", "active"))
        yield by_index(dataset, "applications", "status", [status])
    if "stage_name" in query:
        name = query["stage_name"]
        wanted = frozenset(stage.id for stage in dataset.stages if stage.name == name)
        yield Condition(("stage_name", name, len(wanted)), lambda row: row.stage_id in wanted)
    if not list_request.settings.confidential_jobs:
        hidden = frozenset(_find_hidden_jobs(list_request))
        yield Condition(("hidden", hidden), lambda row: row.job_id not in hidden)


def _filter_jobs(list_request: ListRequest) -> Iterable[Condition]:
    query, dataset = list_request.query, list_request.dataset
    if "status" in query:
        status = _parse_choice(query, "status", ("open", "draft", "closed"))
        yield by_index(dataset, "jobs", "status", [status])
    if "office_id" in query:
        yield by_list_member("office_ids", parse_ids(query, "office_id"))
    if not list_request.settings.confidential_jobs:
        hidden = frozenset(_find_hidden_jobs(list_request))
        yield Condition(("hidden", hidden), lambda row: row.id not in hidden)


def _find_hidden_jobs(list_request: ListRequest) -> Iterable[int]:
    # One reading of the documentation: users only see confidential jobs granted to them.
    user = list_request.dataset.users.get(list_request.token.user_id)
    for job in list_request.dataset.jobs:
        if job.confidential and not (user and get_job_role(list_request.dataset, user, job.id)):
            yield job.id


def _filter_candidates(list_request: ListRequest) -> Iterable[Condition]:
    if "email" in list_request.query:
        wanted = normalize_email(list_request.query["email"])
        yield Condition(
            ("email", wanted),
            lambda row: any(normalize_email(email["value"]) == wanted for email in row.emails),
        )
    if "tag" in list_request.query:
        yield by_list_member("tags", [list_request.query["tag"]])


def _filter_users(list_request: ListRequest) -> Iterable[Condition]:
    query, dataset = list_request.query, list_request.dataset
    if query.get("show_service_accounts") != "true":
        yield by_value("service_account", [False])
    if "primary_email" in query:
        # Primary addresses only.
        wanted = normalize_email(query["primary_email"])
        rows = [
            row
            for row in dataset.user_emails
            if row.primary and normalize_email(row.email) == wanted
        ]
        yield by_ids(row.user_id for row in rows)
    if "employee_ids" in query:
        yield by_value("employee_id", query["employee_ids"].split(","))


def _filter_user_emails(list_request: ListRequest) -> Iterable[Condition]:
    if "email" in list_request.query:
        wanted = frozenset(normalize_email(part) for part in list_request.query["email"].split(","))
        yield Condition(("email", wanted), lambda row: normalize_email(row.email) in wanted)


def _filter_job_permissions(list_request: ListRequest) -> Iterable[Condition]:
    # Documented: Site Admins and interviewer roles never appear.
    dataset = list_request.dataset
    admins = frozenset(
        user.id
        for user in dataset.users
        if user.site_admin and not user.deactivated and not list_request.settings.site_admin_grants
    )
    roles = frozenset(role.id for role in dataset.user_roles if role.role_type == "job_admin")
    yield Condition(
        ("shown", admins, roles),
        lambda row: row.user_id not in admins and row.role_id in roles,
    )


def _filter_job_owners(list_request: ListRequest) -> Iterable[Condition]:
    types: tuple[str, ...] = ("recruiter", "coordinator", "sourcer")
    if "type" in list_request.query:
        types = (
            _parse_choice(list_request.query, "type", ("sourcer", "recruiter", "coordinator")),
        )
    yield by_value("type", types)


def _filter_hiring_managers(_: ListRequest) -> Iterable[Condition]:
    yield by_value("type", ["hiring_manager"])


def _filter_job_posts(list_request: ListRequest) -> Iterable[Condition]:
    if "active" not in list_request.query:  # observed by public clients
        yield by_value("active", [True])


def _filter_field_options(list_request: ListRequest) -> Iterable[Condition]:
    if "custom_field_key" in list_request.query:
        key = list_request.query["custom_field_key"]
        fields = list_request.dataset.custom_fields
        yield by_value("custom_field_id", [row.id for row in fields if row.name_key == key])


def _filter_rejection_reasons(list_request: ListRequest) -> Iterable[Condition]:
    if list_request.query.get("include_defaults") != "true":
        yield by_value("default", [False])


def _filter_scorecards(list_request: ListRequest) -> Iterable[Condition]:
    if "status" in list_request.query:
        yield by_value("status", [_parse_choice(list_request.query, "status", SCORECARD_STATUSES)])


def _filter_notes(list_request: ListRequest) -> Iterable[Condition]:
    for name, choices in (("type", NOTE_TYPES), ("visibility", NOTE_VISIBILITIES)):
        if name in list_request.query:
            yield by_value(name, [_parse_choice(list_request.query, name, choices)])


RESOURCES: dict[str, Resource] = {
    "applications": Resource(
        "applications",
        serializers.serialize_application,
        ids={
            "candidate_ids": "candidate_id",
            "job_ids": "job_id",
            "job_post_ids": "job_post_id",
            "source_ids": "source_id",
            "referrer_ids": "referrer_id",
            "stage_ids": "entry_id",
            "job_interview_stage_ids": "stage_id",
        },
        members={"prospective_job_ids": "prospective_job_ids"},
        booleans=("prospect",),
        timestamps=("last_activity_at",),
        extra_conditions=_filter_applications,
    ),
    "application_stages": Resource(
        "application_stages",
        serializers.serialize_application_stage,
        ids={"application_ids": "application_id", "job_interview_stage_ids": "stage_id"},
        booleans=("current",),
    ),
    "attachments": Resource(
        "attachments",
        serializers.serialize_attachment,
        ids={"application_ids": "application_id", "candidate_ids": "candidate_id"},
        texts=("type",),
    ),
    "candidates": Resource(
        "candidates",
        serializers.serialize_candidate,
        booleans=("private",),
        timestamps=("last_activity_at",),
        extra_conditions=_filter_candidates,
    ),
    "close_reasons": Resource("close_reasons", serializers.serialize_close_reason),
    "custom_fields": Resource(
        "custom_fields",
        serializers.serialize_custom_field,
        texts=("field_type", "name", "name_key"),
        booleans=("active",),
    ),
    "custom_field_options": Resource(
        "custom_field_options",
        serializers.serialize_custom_field_option,
        ids={"custom_field_ids": "custom_field_id"},
        booleans=("active",),
        extra_conditions=_filter_field_options,
    ),
    "departments": Resource(
        "departments",
        serializers.serialize_department,
        ids={"parent_id": "parent_id"},
        texts=("external_id",),
    ),
    "email_templates": Resource(
        "email_templates", serializers.serialize_email_template, texts=("email_type",)
    ),
    "future_job_permissions": Resource(
        "future_job_permissions",
        serializers.serialize_future_job_permission,
        ids={
            "department_ids": "department_id",
            "office_ids": "office_id",
            "user_ids": "user_id",
            "role_ids": "role_id",
        },
    ),
    "job_hiring_managers": Resource(
        "team_members",
        serializers.serialize_job_hiring_manager,
        ids={"user_ids": "user_id", "job_ids": "job_id"},
        extra_conditions=_filter_hiring_managers,
    ),
    "job_interview_stages": Resource(
        "job_interview_stages",
        serializers.serialize_job_interview_stage,
        ids={"job_ids": "job_id"},
        booleans=("active",),
    ),
    "job_owners": Resource(
        "team_members",
        serializers.serialize_job_owner,
        ids={"user_ids": "user_id", "job_ids": "job_id"},
        extra_conditions=_filter_job_owners,
    ),
    "job_post_locations": Resource(
        "job_posts",
        serializers.serialize_job_post_location,
        ids={"job_post_ids": "id", "office_ids": "office_id"},
    ),
    "job_posts": Resource(
        "job_posts",
        serializers.serialize_job_post,
        ids={"job_ids": "job_id"},
        booleans=("active", "live", "internal"),
        extra_conditions=_filter_job_posts,
    ),
    "jobs": Resource(
        "jobs",
        serializers.serialize_job,
        ids={"department_id": "department_id"},
        texts=("requisition_id",),
        booleans=("confidential",),
        timestamps=("opened_at", "closed_at"),
        extra_conditions=_filter_jobs,
    ),
    "notes": Resource(
        "notes",
        serializers.serialize_note,
        ids={
            "application_ids": "application_id",
            "candidate_ids": "candidate_id",
            "user_ids": "user_id",
        },
        extra_conditions=_filter_notes,
    ),
    "offices": Resource(
        "offices",
        serializers.serialize_office,
        ids={"parent_id": "parent_id"},
        texts=("external_id",),
    ),
    "openings": Resource(
        "openings",
        serializers.serialize_opening,
        ids={
            "job_ids": "job_id",
            "application_ids": "application_id",
            "close_reason_ids": "close_reason_id",
        },
        texts=("opening_id",),
        booleans=("open",),
        timestamps=("opened_at", "closed_at"),
    ),
    "referrers": Resource("referrers", serializers.serialize_referrer, ids={"user_ids": "user_id"}),
    "rejection_details": Resource(
        "rejection_details",
        serializers.serialize_rejection_detail,
        ids={
            "application_ids": "application_id",
            "rejection_reason_ids": "rejection_reason_id",
        },
    ),
    "rejection_reasons": Resource(
        "rejection_reasons",
        serializers.serialize_rejection_reason,
        extra_conditions=_filter_rejection_reasons,
    ),
    "scorecards": Resource(
        "scorecards",
        serializers.serialize_scorecard,
        ids={
            "application_ids": "application_id",
            "interviewer_ids": "interviewer_id",
            "submitter_ids": "interviewer_id",
            "interview_kit_ids": "id",
        },
        timestamps=("interviewed_at", "submitted_at"),
        extra_conditions=_filter_scorecards,
    ),
    "sources": Resource("sources", serializers.serialize_source),
    "user_emails": Resource(
        "user_emails",
        serializers.serialize_user_email,
        ids={"user_ids": "user_id"},
        booleans=("verified",),
        extra_conditions=_filter_user_emails,
    ),
    "user_job_permissions": Resource(
        "user_job_permissions",
        serializers.serialize_user_job_permission,
        ids={"user_ids": "user_id", "job_ids": "job_id", "role_ids": "role_id"},
        extra_conditions=_filter_job_permissions,
    ),
    "user_roles": Resource("user_roles", serializers.serialize_user_role),
    "users": Resource(
        "users",
        serializers.serialize_user,
        members={
            "office_ids": "office_ids",
            "department_ids": "department_ids",
            "linked_candidate_ids": "linked_candidate_ids",
        },
        booleans=("deactivated",),
        extra_conditions=_filter_users,
    ),
}


def serialize_fields(serialize: Serializer, fields: frozenset[str], *, refuse: bool) -> Serializer:
    """Reduce rows to the requested fields; ``id`` stays (inferred).

    With ``refuse``, a field that a row does not have is an error.
    """

    def serialize_row(dataset: Dataset, row: Any) -> dict[str, Any]:
        values = serialize(dataset, row)
        if refuse and (unknown := sorted(fields - values.keys())):
            raise v3_validation_error({"fields": f"`{unknown[0]}` is not a field"})
        return {name: value for name, value in values.items() if name in fields}

    return serialize_row
