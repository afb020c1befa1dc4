"""The permission (v1) and the scope (v3) that each route requires."""

from __future__ import annotations

from collections.abc import Iterable

# Each permission is a separate checkbox (documented).
V1_ROUTE_PERMISSIONS: dict[tuple[str, str], str] = {
    ("GET", "/v1/applications"): "applications.list",
    ("GET", "/v1/applications/{id}"): "applications.retrieve",
    ("PATCH", "/v1/applications/{id}"): "applications.update",
    ("POST", "/v1/applications/{id}/advance"): "applications.advance",
    ("POST", "/v1/applications/{id}/move"): "applications.move",
    ("POST", "/v1/applications/{id}/transfer_to_job"): "applications.transfer",
    ("POST", "/v1/applications/{id}/reject"): "applications.reject",
    ("PATCH", "/v1/applications/{id}/reject"): "applications.update_rejection_reason",
    ("POST", "/v1/applications/{id}/unreject"): "applications.unreject",
    ("GET", "/v1/candidates"): "candidates.list",
    ("GET", "/v1/candidates/{id}"): "candidates.retrieve",
    ("POST", "/v1/candidates/{id}/activity_feed/notes"): "notes.create",
    ("GET", "/v1/jobs"): "jobs.list",
    ("GET", "/v1/jobs/{id}"): "jobs.retrieve",
    ("GET", "/v1/jobs/{id}/hiring_team"): "hiring_team.list",
    ("GET", "/v1/jobs/{id}/job_post"): "job_posts.retrieve_for_job",
    ("GET", "/v1/jobs/{id}/job_posts"): "job_posts.list_for_job",
    ("GET", "/v1/jobs/{id}/stages"): "job_stages.list_for_job",
    ("GET", "/v1/jobs/{id}/openings"): "openings.list_for_job",
    ("GET", "/v1/jobs/{id}/openings/{other}"): "openings.retrieve",
    ("GET", "/v1/job_posts"): "job_posts.list",
    ("GET", "/v1/job_posts/{id}"): "job_posts.retrieve",
    ("GET", "/v1/job_stages"): "job_stages.list",
    ("GET", "/v1/job_stages/{id}"): "job_stages.retrieve",
    ("GET", "/v1/users"): "users.list",
    ("GET", "/v1/users/{id}"): "users.retrieve",
    ("GET", "/v1/users/{id}/permissions/jobs"): "user_permissions.list_job_permissions",
    ("GET", "/v1/users/{id}/permissions/future_jobs"): "future_job_permissions.list",
    ("GET", "/v1/user_roles"): "user_roles.list",
    ("GET", "/v1/close_reasons"): "close_reasons.list",
    ("GET", "/v1/rejection_reasons"): "rejection_reasons.list",
    ("GET", "/v1/departments"): "departments.list",
    ("GET", "/v1/departments/{id}"): "departments.retrieve",
    ("GET", "/v1/offices"): "offices.list",
    ("GET", "/v1/offices/{id}"): "offices.retrieve",
    ("GET", "/v1/sources"): "sources.list",
    ("GET", "/v1/custom_fields/application"): "custom_fields.list",
    ("GET", "/v1/email_templates"): "email_templates.list",
    ("GET", "/v1/email_templates/{id}"): "email_templates.retrieve",
}

V3_ROUTE_SCOPES: dict[tuple[str, str], str] = {
    ("GET", "/v3/applications"): "harvest:applications:list",
    ("PATCH", "/v3/applications/{id}"): "harvest:applications:update",
    ("POST", "/v3/applications/{id}/move"): "harvest:applications:move",
    ("POST", "/v3/applications/{id}/reject"): "harvest:applications:reject",
    ("POST", "/v3/applications/{id}/unreject"): "harvest:applications:unreject",
    ("POST", "/v3/notes"): "harvest:notes:create",
    ("GET", "/v3/rejection_reasons/{id}"): "harvest:rejection_reasons:list",
} | {
    ("GET", f"/v3/{name}"): f"harvest:{name}:list"
    for name in (
        "application_stages",
        "attachments",
        "candidates",
        "close_reasons",
        "custom_field_options",
        "custom_fields",
        "departments",
        "email_templates",
        "future_job_permissions",
        "job_hiring_managers",
        "job_interview_stages",
        "job_owners",
        "job_post_locations",
        "job_posts",
        "jobs",
        "notes",
        "offices",
        "openings",
        "referrers",
        "rejection_details",
        "rejection_reasons",
        "scorecards",
        "sources",
        "user_emails",
        "user_job_permissions",
        "user_roles",
        "users",
    )
}

# The v3 scopes that replace a v1 permission.
SCOPES_BY_PERMISSION: dict[str, tuple[str, ...]] = {
    "applications.retrieve": ("harvest:applications:list",),
    "applications.list": ("harvest:applications:list",),
    "applications.update": ("harvest:applications:update",),
    "applications.advance": ("harvest:applications:move",),
    "applications.move": ("harvest:applications:move",),
    "applications.transfer": ("harvest:applications:move",),
    "applications.reject": ("harvest:applications:reject",),
    "applications.unreject": ("harvest:applications:unreject",),
    "candidates.retrieve": ("harvest:candidates:list",),
    "candidates.list": ("harvest:candidates:list",),
    "jobs.retrieve": ("harvest:jobs:list",),
    "jobs.list": ("harvest:jobs:list",),
    "job_posts.list": ("harvest:job_posts:list",),
    "job_posts.retrieve": ("harvest:job_posts:list",),
    "job_posts.retrieve_for_job": ("harvest:job_posts:list",),
    "job_posts.list_for_job": ("harvest:job_posts:list",),
    "job_stages.retrieve": ("harvest:job_interview_stages:list",),
    "job_stages.list": ("harvest:job_interview_stages:list",),
    "job_stages.list_for_job": ("harvest:job_interview_stages:list",),
    "users.retrieve": ("harvest:users:list",),
    "users.list": ("harvest:users:list",),
    "openings.list_for_job": ("harvest:openings:list",),
    "openings.retrieve": ("harvest:openings:list",),
    "user_permissions.list_job_permissions": ("harvest:user_job_permissions:list",),
    "hiring_team.list": ("harvest:job_owners:list", "harvest:job_hiring_managers:list"),
    "hiring_team.owners": ("harvest:job_owners:list",),
    "hiring_team.managers": ("harvest:job_hiring_managers:list",),
    "departments.retrieve": ("harvest:departments:list",),
    "offices.retrieve": ("harvest:offices:list",),
    "email_templates.retrieve": ("harvest:email_templates:list",),
    "notes.create": ("harvest:notes:create",),
} | {
    f"{name}.list": (f"harvest:{name}:list",)
    for name in (
        "application_stages",
        "attachments",
        "close_reasons",
        "custom_field_options",
        "custom_fields",
        "departments",
        "email_templates",
        "future_job_permissions",
        "job_post_locations",
        "notes",
        "offices",
        "referrers",
        "rejection_details",
        "rejection_reasons",
        "sources",
        "user_emails",
        "user_roles",
    )
}

_PERMISSION_ALIASES = {
    "user_permissions.list_future_job_permissions": "future_job_permissions.list",
    "job_permissions.list": "user_permissions.list_job_permissions",
}

ALL_V1_PERMISSIONS = frozenset(V1_ROUTE_PERMISSIONS.values())

ALL_SCOPES = frozenset(V3_ROUTE_SCOPES.values())

ALL_PERMISSION_NAMES = (
    ALL_V1_PERMISSIONS | ALL_SCOPES | SCOPES_BY_PERMISSION.keys() | _PERMISSION_ALIASES.keys()
)


def normalize_permission_names(names: Iterable[str]) -> list[str]:
    """Resolve aliases. Raises ValueError for unknown permissions and scopes."""
    normalized = [_PERMISSION_ALIASES.get(name, name) for name in names]
    unknown = sorted(set(normalized) - ALL_PERMISSION_NAMES)
    if unknown:
        allowed = ", ".join(sorted(ALL_PERMISSION_NAMES))
        raise ValueError(f"Unknown permission: {', '.join(unknown)}. Known: {allowed}.")
    return normalized


def to_v1_permissions(names: Iterable[str]) -> set[str]:
    """Convert permission keys or scopes to v1 permission keys; v3-only ones are dropped."""
    keys = set()
    for name in normalize_permission_names(names):
        if name.startswith("harvest:"):
            keys |= {key for key, scopes in SCOPES_BY_PERMISSION.items() if name in scopes}
        else:
            keys.add(name)
    return keys & ALL_V1_PERMISSIONS


def to_v3_scopes(names: Iterable[str]) -> set[str]:
    scopes: set[str] = set()
    for name in normalize_permission_names(names):
        scopes |= {name} if name.startswith("harvest:") else set(SCOPES_BY_PERMISSION.get(name, ()))
    return scopes & ALL_SCOPES
