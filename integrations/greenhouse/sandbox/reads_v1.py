"""The reads of Harvest v1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import shapes_v1 as shapes
from .filters_v1 import conditions
from .http import Answer, Request, Response, not_found, ok
from .listing import (
    Condition,
    Shaper,
    by_ids,
    by_index,
    by_value,
    page_bytes,
    record_bytes,
    select,
)
from .paging import v1_page
from .records import Record
from .rights import shown_grants
from .settings import Settings
from .world import World


@dataclass(frozen=True)
class Resource:
    """What a path of v1 lists: a table and its shape."""

    kind: str
    shape: Shaper
    next_only: bool = False


RESOURCES: dict[str, Resource] = {
    "applications": Resource("applications", shapes.application),
    "candidates": Resource("candidates", shapes.candidate),
    "jobs": Resource("jobs", shapes.job),
    "job_posts": Resource("job_posts", shapes.job_post),
    "job_stages": Resource("job_interview_stages", shapes.stage),
    "users": Resource("users", shapes.user),
    "user_roles": Resource("user_roles", shapes.user_role, next_only=True),
    "close_reasons": Resource("close_reasons", shapes.close_reason),
    "rejection_reasons": Resource("rejection_reasons", shapes.rejection_reason),
    "departments": Resource("departments", shapes.department),
    "offices": Resource("offices", shapes.office),
    "sources": Resource("sources", shapes.source),
    "email_templates": Resource("email_templates", shapes.email_template),
    "custom_fields": Resource("custom_fields", shapes.custom_field, next_only=True),
    "openings": Resource("openings", shapes.opening, next_only=True),
    "permissions": Resource("user_job_permissions", shapes.job_permission),
    "future": Resource("future_job_permissions", shapes.future_job_permission),
}


@dataclass(frozen=True)
class Call:
    """What a read works with."""

    world: World
    request: Request
    settings: Settings


def listed(call: Call, name: str, *more: Condition) -> Response:
    """Answer a page of a list, by id ascending (the order of v1 is inferred)."""
    resource, world, request = RESOURCES[name], call.world, call.request
    wanted = [*more, *conditions(world, resource.kind, request.query)]
    ids = select(world, resource.kind, wanted)
    most = call.settings.skip_count_needed
    if most and len(ids) > most and request.query.get("skip_count") != "true":
        raise Answer(500, {"message": "Server timeout in API"})
    url = request.base_url + request.path
    page, headers = v1_page(ids, request.query, url, next_only=resource.next_only)
    answer = ok(page_bytes(world, "v1", resource.kind, page, resource.shape))
    answer.headers.update(headers)
    return answer


def retrieved(call: Call, name: str, number: int | None) -> Response:
    """Answer one record."""
    resource = RESOURCES[name]
    row = found(call.world, resource.kind, number)
    return ok(record_bytes(call.world, "v1", resource.kind, row.id, resource.shape))


def found(world: World, kind: str, number: int | None) -> Record:
    """Give the record of an id, or end with 404."""
    row: Record | None = world.tables[kind].get(number)
    if row is None:
        raise not_found()
    return row


def _of_job(call: Call, name: str, job_id: int | None) -> Response:
    found(call.world, "jobs", job_id)
    kind = RESOURCES[name].kind
    return listed(call, name, by_index(call.world, kind, "job_id", [job_id]))


def _job_post(call: Call, job_id: int | None) -> Response:
    """Answer the singular post of a job: the first, the others stay unseen (inferred)."""
    found(call.world, "jobs", job_id)
    ids = call.world.posts.ids_of("job_id", job_id)
    return retrieved(call, "job_posts", ids[0] if ids else None)


def _hiring_team(call: Call, job_id: int | None) -> Response:
    job = found(call.world, "jobs", job_id)
    return ok(shapes.hiring_team(call.world, job.id))


def _opening(call: Call, job_id: int | None, number: int | None) -> Response:
    found(call.world, "jobs", job_id)
    row = call.world.openings.get(number)
    if row is None or row.job_id != job_id:
        raise not_found()
    return retrieved(call, "openings", number)


def _permissions(call: Call, user_id: int | None) -> Response:
    """Answer the job grants of a user: empty for Site Admins and for Basic users (documented)."""
    found(call.world, "users", user_id)
    user = call.world.users[int(user_id or 0)]
    rows = shown_grants(call.world, user, site_admins=call.settings.site_admin_grants)
    return listed(call, "permissions", by_ids(row.id for row in rows))


def _future(call: Call, user_id: int | None) -> Response:
    found(call.world, "users", user_id)
    kind = "future_job_permissions"
    return listed(call, "future", by_index(call.world, kind, "user_id", [user_id]))


def _custom_fields(call: Call) -> Response:
    """Answer the fields of applications; deleted ones only where asked for (documented)."""
    asked = [by_value("field_type", ["application"])]
    if call.request.query.get("include_inactive") != "true":
        asked.append(by_value("active", [True]))
    return listed(call, "custom_fields", *asked)


def _list(name: str) -> Callable[[Call], Response]:
    return lambda call: listed(call, name)


def _retrieve(name: str) -> Callable[[Call, int | None], Response]:
    return lambda call, number: retrieved(call, name, number)


READS: dict[str, Callable[..., Any]] = {
    f"/v1/{name}": _list(name)
    for name in RESOURCES
    if name not in ("custom_fields", "openings", "permissions", "future")
}
READS |= {
    f"/v1/{name}/{{id}}": _retrieve(name)
    for name in (
        "applications",
        "candidates",
        "jobs",
        "job_posts",
        "job_stages",
        "users",
        "departments",
        "offices",
        "email_templates",
    )
}
READS |= {
    "/v1/custom_fields/application": _custom_fields,
    "/v1/jobs/{id}/job_post": _job_post,
    "/v1/jobs/{id}/job_posts": lambda call, job_id: _of_job(call, "job_posts", job_id),
    "/v1/jobs/{id}/stages": lambda call, job_id: _of_job(call, "job_stages", job_id),
    "/v1/jobs/{id}/openings": lambda call, job_id: _of_job(call, "openings", job_id),
    "/v1/jobs/{id}/openings/{other}": _opening,
    "/v1/jobs/{id}/hiring_team": _hiring_team,
    "/v1/users/{id}/permissions/jobs": _permissions,
    "/v1/users/{id}/permissions/future_jobs": _future,
}
