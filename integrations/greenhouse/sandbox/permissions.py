"""One table: which route asks for which permission (v1) and which scope (v3)."""

from __future__ import annotations

from collections.abc import Iterable

V1_ROUTES: dict[tuple[str, str], str] = {
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
"""Method and path template of v1 to the key of its permission. Each tick box is its own (docs)."""

V3_ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/v3/applications"): "harvest:applications:list",
    ("PATCH", "/v3/applications/{id}"): "harvest:applications:update",
    ("POST", "/v3/applications/{id}/move"): "harvest:applications:move",
    ("POST", "/v3/applications/{id}/reject"): "harvest:applications:reject",
    ("POST", "/v3/applications/{id}/unreject"): "harvest:applications:unreject",
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
}
"""Method and path template of v3 to its scope."""

SCOPES_OF: dict[str, tuple[str, ...]] = {
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
        "offices",
        "referrers",
        "rejection_details",
        "rejection_reasons",
        "sources",
        "user_emails",
        "user_roles",
    )
}
"""Permission key to the scopes that stand for it in v3."""

_OTHER_NAMES = {
    "user_permissions.list_future_job_permissions": "future_job_permissions.list",
    "job_permissions.list": "user_permissions.list_job_permissions",
}

ALL_KEYS = frozenset(V1_ROUTES.values())
"""Every permission that a v1 key can have."""

ALL_SCOPES = frozenset(V3_ROUTES.values())
"""Every scope that a v3 client can have."""

EVERY_NAME = ALL_KEYS | ALL_SCOPES | SCOPES_OF.keys() | _OTHER_NAMES.keys()


def check_names(names: Iterable[str]) -> list[str]:
    """The permissions and scopes of these names. Raises ValueError for unknown ones."""
    known = [_OTHER_NAMES.get(name, name) for name in names]
    strange = sorted(set(known) - EVERY_NAME)
    if strange:
        raise ValueError(
            f"Unknown permission: {', '.join(strange)}. Known: {', '.join(sorted(EVERY_NAME))}."
        )
    return known


def keys_named(names: Iterable[str]) -> set[str]:
    """Turn permission keys, or scopes, into permission keys of v1; those of v3 alone fall away."""
    keys = set()
    for name in check_names(names):
        if name.startswith("harvest:"):
            keys |= {key for key, scopes in SCOPES_OF.items() if name in scopes}
        else:
            keys.add(name)
    return keys & ALL_KEYS


def scopes_named(names: Iterable[str]) -> set[str]:
    """Turn permission keys, or scopes, into scopes."""
    scopes: set[str] = set()
    for name in check_names(names):
        scopes |= {name} if name.startswith("harvest:") else set(SCOPES_OF.get(name, ()))
    return scopes & ALL_SCOPES
