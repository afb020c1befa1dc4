"""The lists of Harvest v3: what each lists, and the filters that each documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.ats.emails import normalize_email

from . import shapes_v3 as shapes
from .clock import normal
from .listing import Condition, Shaper, by_ids, by_index, by_member, by_moment, by_value
from .paging import v3_error
from .rights import role_on
from .settings import Settings
from .tokens import Token
from .world import World

Query = Mapping[str, str]
More = Callable[["Reading"], Iterable[Condition]]


@dataclass(frozen=True)
class Reading:
    """What a list is read with."""

    world: World
    token: Token
    query: Query
    settings: Settings


def _nothing(_: Reading) -> Iterable[Condition]:
    return ()


@dataclass(frozen=True)
class Resource:
    """A list: its table, its shape, and its filters by type.

    ids: filter name to field, for comma lists of at most 50 ids.
    texts, booleans, moments: filter names that are also field names.
    members: filter name to a field that holds a list.
    """

    kind: str
    shape: Shaper
    ids: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()
    more: More = _nothing


def conditions(resource: Resource, reading: Reading) -> list[Condition]:
    """Give the conditions of a query. Unknown parameters are ignored (seen with a live client)."""
    found = list(resource.more(reading))
    world, query = reading.world, reading.query
    if "ids" in query:
        found.append(by_ids(id_list(query, "ids")))
    for name, column in resource.ids.items():
        if name in query:
            numbers = id_list(query, name)
            table = world.tables[resource.kind]
            found.append(
                by_index(world, resource.kind, column, numbers)
                if table.indexed(column)
                else by_value(column, numbers)
            )
    for name, column in resource.members.items():
        if name in query:
            found.append(by_member(column, id_list(query, name)))
    found += [by_value(name, [query[name]]) for name in resource.texts if name in query]
    found += [by_value(name, [boolean(query, name)]) for name in resource.booleans if name in query]
    for name in ("created_at", "updated_at", *resource.moments):
        found.extend(moments(query, name))
    return found


def id_list(query: Query, name: str) -> list[int]:
    """Read a comma list of ids: at most 50 (documented; words inferred)."""
    parts = [part.strip() for part in query[name].split(",") if part.strip()]
    if len(parts) > 50:
        raise v3_error({name: f"array size ({len(parts)}) is greater than: 50"})
    for part in parts:
        if not part.lstrip("-").isdecimal():
            raise v3_error({name: f"`{part}` is not an integer"})
    return [int(part) for part in parts]


def boolean(query: Query, name: str) -> bool:
    """Read ``true`` or ``false``."""
    if query[name] not in ("true", "false"):
        raise v3_error({name: f"`{query[name]}` is not a boolean"})
    return query[name] == "true"


def moments(query: Query, name: str) -> Iterable[Condition]:
    """Read ``gte|A`` or a range such as ``gte|A|lte|B`` (documented operators)."""
    if name not in query:
        return
    parts = query[name].split("|")
    if len(parts) % 2:
        raise v3_error({name: f"`{query[name]}` must look like gte|2024-01-01T00:00:00Z"})
    for operator, text in zip(parts[::2], parts[1::2], strict=True):
        moment = normal(text)
        if operator not in ("gte", "gt", "lte", "lt") or moment is None:
            raise v3_error({name: f"`{query[name]}` must look like gte|2024-01-01T00:00:00Z"})
        yield by_moment(name, operator, moment)


def _one_of(query: Query, name: str, allowed: tuple[str, ...]) -> str:
    if query[name] not in allowed:
        raise v3_error({name: f"`{query[name]}` is not one of: {', '.join(allowed)}"})
    return query[name]


def _applications(reading: Reading) -> Iterable[Condition]:
    query, world = reading.query, reading.world
    if "status" in query:
        # Asked for as ``active``, answered as ``in_process``.
        status = _one_of(query, "status", ("rejected", "hired", "converted", "active"))
        yield by_index(world, "applications", "status", [status])
    if "stage_name" in query:
        name = query["stage_name"]
        wanted = frozenset(stage.id for stage in world.stages if stage.name == name)
        yield Condition(("stage_name", name, len(wanted)), lambda row: row.stage_id in wanted)
    if not reading.settings.confidential_jobs:
        hidden = frozenset(_hidden_jobs(reading))
        yield Condition(("hidden", hidden), lambda row: row.job_id not in hidden)


def _jobs(reading: Reading) -> Iterable[Condition]:
    query, world = reading.query, reading.world
    if "status" in query:
        status = _one_of(query, "status", ("open", "draft", "closed"))
        yield by_index(world, "jobs", "status", [status])
    if "office_id" in query:
        yield by_member("office_ids", id_list(query, "office_id"))
    if not reading.settings.confidential_jobs:
        hidden = frozenset(_hidden_jobs(reading))
        yield Condition(("hidden", hidden), lambda row: row.id not in hidden)


def _hidden_jobs(reading: Reading) -> Iterable[int]:
    """Give the confidential jobs that the reading user is not explicitly on (one reading of the
    documentation; switched by an option).
    """
    user = reading.world.users.get(reading.token.user_id)
    for job in reading.world.jobs:
        if job.confidential and not (user and role_on(reading.world, user, job.id)):
            yield job.id


def _candidates(reading: Reading) -> Iterable[Condition]:
    if "email" in reading.query:
        wanted = normalize_email(reading.query["email"])
        yield Condition(
            ("email", wanted),
            lambda row: any(normalize_email(one["value"]) == wanted for one in row.emails),
        )
    if "tag" in reading.query:
        yield by_member("tags", [reading.query["tag"]])


def _users(reading: Reading) -> Iterable[Condition]:
    query, world = reading.query, reading.world
    if query.get("show_service_accounts") != "true":
        yield by_value("service_account", [False])
    if "primary_email" in query:
        # Exact and primary only.
        wanted = normalize_email(query["primary_email"])
        rows = [
            row for row in world.user_emails if row.primary and normalize_email(row.email) == wanted
        ]
        yield by_ids(row.user_id for row in rows)
    if "employee_ids" in query:
        yield by_value("employee_id", query["employee_ids"].split(","))


def _user_emails(reading: Reading) -> Iterable[Condition]:
    if "email" in reading.query:
        wanted = frozenset(normalize_email(part) for part in reading.query["email"].split(","))
        yield Condition(("email", wanted), lambda row: normalize_email(row.email) in wanted)


def _grants(reading: Reading) -> Iterable[Condition]:
    """Leave out what is documented never to appear: Site Admins, and roles of interviewers."""
    world = reading.world
    admins = frozenset(
        user.id
        for user in world.users
        if user.site_admin and not user.deactivated and not reading.settings.site_admin_grants
    )
    roles = frozenset(role.id for role in world.user_roles if role.role_type == "job_admin")
    yield Condition(
        ("shown", admins, roles),
        lambda row: row.user_id not in admins and row.role_id in roles,
    )


def _owners(reading: Reading) -> Iterable[Condition]:
    seats: tuple[str, ...] = ("recruiter", "coordinator", "sourcer")
    if "type" in reading.query:
        seats = (_one_of(reading.query, "type", ("sourcer", "recruiter", "coordinator")),)
    yield by_value("type", seats)


def _managers(_: Reading) -> Iterable[Condition]:
    yield by_value("type", ["hiring_manager"])


def _rejection_reasons(reading: Reading) -> Iterable[Condition]:
    if reading.query.get("include_defaults") != "true":
        yield by_value("default", [False])


RESOURCES: dict[str, Resource] = {
    "applications": Resource(
        "applications",
        shapes.application,
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
        moments=("last_activity_at",),
        more=_applications,
    ),
    "application_stages": Resource(
        "application_stages",
        shapes.application_stage,
        ids={"application_ids": "application_id", "job_interview_stage_ids": "stage_id"},
        booleans=("current",),
    ),
    "attachments": Resource(
        "attachments",
        shapes.attachment,
        ids={"application_ids": "application_id", "candidate_ids": "candidate_id"},
        texts=("type",),
    ),
    "candidates": Resource(
        "candidates",
        shapes.candidate,
        booleans=("private",),
        moments=("last_activity_at",),
        more=_candidates,
    ),
    "close_reasons": Resource("close_reasons", shapes.close_reason),
    "custom_fields": Resource(
        "custom_fields",
        shapes.custom_field,
        texts=("field_type", "name", "name_key"),
        booleans=("active",),
    ),
    "custom_field_options": Resource(
        "custom_field_options",
        shapes.custom_field_option,
        ids={"custom_field_ids": "custom_field_id"},
        booleans=("active",),
    ),
    "departments": Resource(
        "departments", shapes.department, ids={"parent_id": "parent_id"}, texts=("external_id",)
    ),
    "email_templates": Resource("email_templates", shapes.email_template, texts=("email_type",)),
    "future_job_permissions": Resource(
        "future_job_permissions",
        shapes.future_job_permission,
        ids={
            "department_ids": "department_id",
            "office_ids": "office_id",
            "user_ids": "user_id",
            "role_ids": "role_id",
        },
    ),
    "job_hiring_managers": Resource(
        "team_members",
        shapes.job_hiring_manager,
        ids={"user_ids": "user_id", "job_ids": "job_id"},
        more=_managers,
    ),
    "job_interview_stages": Resource(
        "job_interview_stages",
        shapes.job_interview_stage,
        ids={"job_ids": "job_id"},
        booleans=("active",),
    ),
    "job_owners": Resource(
        "team_members",
        shapes.job_owner,
        ids={"user_ids": "user_id", "job_ids": "job_id"},
        more=_owners,
    ),
    "job_post_locations": Resource(
        "job_posts",
        shapes.job_post_location,
        ids={"job_post_ids": "id", "office_ids": "office_id"},
    ),
    "job_posts": Resource(
        "job_posts",
        shapes.job_post,
        ids={"job_ids": "job_id"},
        booleans=("active", "live", "internal"),
    ),
    "jobs": Resource(
        "jobs",
        shapes.job,
        ids={"department_id": "department_id"},
        texts=("requisition_id",),
        booleans=("confidential",),
        moments=("opened_at", "closed_at"),
        more=_jobs,
    ),
    "offices": Resource(
        "offices", shapes.office, ids={"parent_id": "parent_id"}, texts=("external_id",)
    ),
    "openings": Resource(
        "openings",
        shapes.opening,
        ids={
            "job_ids": "job_id",
            "application_ids": "application_id",
            "close_reason_ids": "close_reason_id",
        },
        texts=("opening_id",),
        booleans=("open",),
        moments=("opened_at", "closed_at"),
    ),
    "referrers": Resource("referrers", shapes.referrer, ids={"user_ids": "user_id"}),
    "rejection_details": Resource(
        "rejection_details",
        shapes.rejection_detail,
        ids={
            "application_ids": "application_id",
            "rejection_reason_ids": "rejection_reason_id",
        },
    ),
    "rejection_reasons": Resource(
        "rejection_reasons", shapes.rejection_reason, more=_rejection_reasons
    ),
    "sources": Resource("sources", shapes.source),
    "user_emails": Resource(
        "user_emails",
        shapes.user_email,
        ids={"user_ids": "user_id"},
        booleans=("verified",),
        more=_user_emails,
    ),
    "user_job_permissions": Resource(
        "user_job_permissions",
        shapes.user_job_permission,
        ids={"user_ids": "user_id", "job_ids": "job_id", "role_ids": "role_id"},
        more=_grants,
    ),
    "user_roles": Resource("user_roles", shapes.user_role),
    "users": Resource(
        "users",
        shapes.user,
        members={
            "office_ids": "office_ids",
            "department_ids": "department_ids",
            "linked_candidate_ids": "linked_candidate_ids",
        },
        booleans=("deactivated",),
        more=_users,
    ),
}


def chosen(text: bytes, fields: str, decode: Callable[[bytes], Any]) -> list[dict[str, Any]]:
    """Cut rows down to the asked ``fields``; ``id`` stays (inferred)."""
    wanted = {"id", *fields.split(",")}
    return [{k: v for k, v in row.items() if k in wanted} for row in decode(text)]
