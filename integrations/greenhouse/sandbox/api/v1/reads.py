"""Read endpoints of Harvest v1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.greenhouse.sandbox.api.listing import (
    Condition,
    Serializer,
    by_ids,
    by_index,
    by_value,
    encode_page,
    encode_record,
    select_ids,
)
from integrations.greenhouse.sandbox.api.pagination import paginate_v1
from integrations.greenhouse.sandbox.api.v1 import (
    application_serializers,
    job_serializers,
    organization_serializers,
)
from integrations.greenhouse.sandbox.api.v1.filters import build_conditions
from integrations.greenhouse.sandbox.dataset.access_rules import list_visible_grants
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Record
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    json_response,
    not_found_error,
)
from integrations.greenhouse.sandbox.settings import Settings


@dataclass(frozen=True)
class Resource:
    kind: str
    serialize: Serializer
    next_only: bool = False


RESOURCES: dict[str, Resource] = {
    "applications": Resource("applications", application_serializers.serialize_application),
    "candidates": Resource("candidates", application_serializers.serialize_candidate),
    "jobs": Resource("jobs", job_serializers.serialize_job),
    "job_posts": Resource("job_posts", job_serializers.serialize_job_post),
    "job_stages": Resource("job_interview_stages", job_serializers.serialize_stage),
    "users": Resource("users", organization_serializers.serialize_user),
    "user_roles": Resource(
        "user_roles", organization_serializers.serialize_user_role, next_only=True
    ),
    "close_reasons": Resource("close_reasons", job_serializers.serialize_close_reason),
    "rejection_reasons": Resource(
        "rejection_reasons", application_serializers.serialize_rejection_reason
    ),
    "departments": Resource("departments", organization_serializers.serialize_department),
    "offices": Resource("offices", organization_serializers.serialize_office),
    "sources": Resource("sources", application_serializers.serialize_source),
    "email_templates": Resource(
        "email_templates", organization_serializers.serialize_email_template
    ),
    "custom_fields": Resource(
        "custom_fields", organization_serializers.serialize_custom_field, next_only=True
    ),
    "openings": Resource("openings", job_serializers.serialize_opening, next_only=True),
    "permissions": Resource(
        "user_job_permissions", organization_serializers.serialize_job_permission
    ),
    "future": Resource(
        "future_job_permissions", organization_serializers.serialize_future_job_permission
    ),
}


@dataclass(frozen=True)
class RequestContext:
    dataset: Dataset
    request: Request
    settings: Settings


def list_records(context: RequestContext, name: str, *extra_conditions: Condition) -> Response:
    """Return a page of a list, by ascending ID (v1's order is inferred)."""
    resource, dataset, request = RESOURCES[name], context.dataset, context.request
    conditions = [*extra_conditions, *build_conditions(dataset, resource.kind, request.query)]
    ids = select_ids(dataset, resource.kind, conditions)
    skip_count_threshold = context.settings.skip_count_needed
    if (
        skip_count_threshold
        and len(ids) > skip_count_threshold
        and request.query.get("skip_count") != "true"
    ):
        raise HttpError(500, {"message": "Server timeout in API"})
    url = request.base_url + request.path
    page, headers = paginate_v1(ids, request.query, url, next_only=resource.next_only)
    response = json_response(encode_page(dataset, "v1", resource.kind, page, resource.serialize))
    response.headers.update(headers)
    return response


def retrieve_record(context: RequestContext, name: str, number: int | None) -> Response:
    resource = RESOURCES[name]
    row = get_record_or_404(context.dataset, resource.kind, number)
    return json_response(
        encode_record(context.dataset, "v1", resource.kind, row.id, resource.serialize)
    )


def get_record_or_404(dataset: Dataset, kind: str, number: int | None) -> Record:
    row: Record | None = dataset.tables[kind].get(number)
    if row is None:
        raise not_found_error()
    return row


def _list_for_job(context: RequestContext, name: str, job_id: int | None) -> Response:
    get_record_or_404(context.dataset, "jobs", job_id)
    kind = RESOURCES[name].kind
    return list_records(context, name, by_index(context.dataset, kind, "job_id", [job_id]))


def _retrieve_job_post(context: RequestContext, job_id: int | None) -> Response:
    get_record_or_404(context.dataset, "jobs", job_id)
    # The other posts of the job are not shown (inferred).
    ids = context.dataset.posts.find_ids("job_id", job_id)
    return retrieve_record(context, "job_posts", ids[0] if ids else None)


def _retrieve_hiring_team(context: RequestContext, job_id: int | None) -> Response:
    job = get_record_or_404(context.dataset, "jobs", job_id)
    return json_response(job_serializers.serialize_hiring_team(context.dataset, job.id))


def _retrieve_opening(context: RequestContext, job_id: int | None, number: int | None) -> Response:
    get_record_or_404(context.dataset, "jobs", job_id)
    row = context.dataset.openings.get(number)
    if row is None or row.job_id != job_id:
        raise not_found_error()
    return retrieve_record(context, "openings", number)


def _list_job_permissions(context: RequestContext, user_id: int | None) -> Response:
    get_record_or_404(context.dataset, "users", user_id)
    # Documented: empty for Site Admins and Basic users.
    user = context.dataset.users[int(user_id or 0)]
    rows = list_visible_grants(
        context.dataset, user, site_admins=context.settings.site_admin_grants
    )
    return list_records(context, "permissions", by_ids(row.id for row in rows))


def _list_future_job_permissions(context: RequestContext, user_id: int | None) -> Response:
    get_record_or_404(context.dataset, "users", user_id)
    kind = "future_job_permissions"
    return list_records(context, "future", by_index(context.dataset, kind, "user_id", [user_id]))


def _list_custom_fields(context: RequestContext) -> Response:
    # Documented: deleted fields only on request.
    conditions = [by_value("field_type", ["application"])]
    if context.request.query.get("include_inactive") != "true":
        conditions.append(by_value("active", [True]))
    return list_records(context, "custom_fields", *conditions)


def _build_list_handler(name: str) -> Callable[[RequestContext], Response]:
    return lambda context: list_records(context, name)


def _build_retrieve_handler(name: str) -> Callable[[RequestContext, int | None], Response]:
    return lambda context, number: retrieve_record(context, name, number)


READ_HANDLERS: dict[str, Callable[..., Any]] = {
    f"/v1/{name}": _build_list_handler(name)
    for name in RESOURCES
    if name not in ("custom_fields", "openings", "permissions", "future")
}
READ_HANDLERS |= {
    f"/v1/{name}/{{id}}": _build_retrieve_handler(name)
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
READ_HANDLERS |= {
    "/v1/custom_fields/application": _list_custom_fields,
    "/v1/jobs/{id}/job_post": _retrieve_job_post,
    "/v1/jobs/{id}/job_posts": lambda context, job_id: _list_for_job(context, "job_posts", job_id),
    "/v1/jobs/{id}/stages": lambda context, job_id: _list_for_job(context, "job_stages", job_id),
    "/v1/jobs/{id}/openings": lambda context, job_id: _list_for_job(context, "openings", job_id),
    "/v1/jobs/{id}/openings/{other}": _retrieve_opening,
    "/v1/jobs/{id}/hiring_team": _retrieve_hiring_team,
    "/v1/users/{id}/permissions/jobs": _list_job_permissions,
    "/v1/users/{id}/permissions/future_jobs": _list_future_job_permissions,
}
