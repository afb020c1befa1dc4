"""Query parameters of v1 lists. Unknown ones are ignored (seen in a recording)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from integrations.ats.emails import normalize_email

from .clock import normal
from .listing import Condition, by_ids, by_index, by_member, by_moment, by_value
from .paging import v1_error
from .world import World

Query = Mapping[str, str]

_MOMENTS = {
    "created_after": ("created_at", "gte"),
    "created_before": ("created_at", "lt"),
    "updated_after": ("updated_at", "gte"),
    "updated_before": ("updated_at", "lt"),
    "last_activity_after": ("last_activity_at", "gte"),
}

_MOMENTS_OF = {
    "applications": ("created_after", "created_before", "last_activity_after"),
    "candidates": ("created_after", "created_before", "updated_after", "updated_before"),
    "jobs": ("created_after", "created_before", "updated_after", "updated_before"),
    "job_posts": ("created_after", "created_before", "updated_after", "updated_before"),
    "job_interview_stages": ("created_after", "created_before", "updated_after", "updated_before"),
    "users": ("created_after", "created_before", "updated_after", "updated_before"),
}
"""Documented: applications have no ``updated_after``."""


def conditions(world: World, kind: str, query: Query) -> list[Condition]:
    """Give the conditions that a query puts on a list of this kind."""
    found = list(_moments(kind, query))
    extra = {
        "applications": _applications,
        "candidates": _candidates,
        "jobs": _jobs,
        "job_posts": _job_posts,
        "users": _users,
        "openings": _openings,
        "rejection_reasons": _rejection_reasons,
    }.get(kind)
    if extra:
        found.extend(extra(world, query))
    return found


def _moments(kind: str, query: Query) -> Iterable[Condition]:
    for name in _MOMENTS_OF.get(kind, ()):
        if query.get(name):
            field, operator = _MOMENTS[name]
            moment = normal(query[name])
            if moment is None:
                raise v1_error(name, "Must be a valid ISO-8601 timestamp.")
            yield by_moment(field, operator, moment)


def _number(query: Query, name: str) -> int | None:
    """Give a numeric parameter; a text that is no number matches nothing (inferred)."""
    text = query.get(name)
    if not text:
        return None
    return int(text) if text.isdecimal() else -1


def _applications(world: World, query: Query) -> Iterable[Condition]:
    job_id = _number(query, "job_id")
    if job_id is not None:
        table = world.applications
        ids = [*table.ids_of("job_id", job_id), *table.ids_of("prospective_job_ids", job_id)]
        yield by_ids(ids)
    if query.get("status"):
        # Documented: another value gives an empty list.
        yield by_index(world, "applications", "status", [query["status"]])


def _candidates(world: World, query: Query) -> Iterable[Condition]:
    job_id = _number(query, "job_id")
    if job_id is not None:
        # Documented: leaves prospects out.
        yield by_ids(row.candidate_id for row in world.applications.where("job_id", job_id))
    if query.get("email"):
        wanted = normalize_email(query["email"])
        yield Condition(
            ("email", wanted),
            lambda row: any(normalize_email(one["value"]) == wanted for one in row.emails),
        )
    if query.get("candidate_ids"):
        parts = query["candidate_ids"].split(",")
        if len(parts) > 50:
            raise v1_error("candidate_ids", "Must not have more than 50 ids.")
        yield by_ids(int(part) for part in parts if part.isdecimal())


def _jobs(world: World, query: Query) -> Iterable[Condition]:
    if query.get("status"):
        yield by_index(world, "jobs", "status", [query["status"]])
    if query.get("requisition_id"):
        yield by_value("requisition_id", [query["requisition_id"]])
    if query.get("opening_id"):
        wanted = query["opening_id"]
        rows = [row for row in world.openings if row.opening_id == wanted]
        yield by_ids(row.job_id for row in rows)
    department, office = _number(query, "department_id"), _number(query, "office_id")
    if department is not None:
        yield by_value("department_id", [department])
    if office is not None:
        yield by_member("office_ids", [office])
    if query.get("external_department_id"):
        wanted = query["external_department_id"]
        known = [row.id for row in world.departments if row.external_id == wanted]
        yield by_value("department_id", known)
    if query.get("external_office_id"):
        wanted = query["external_office_id"]
        yield by_member("office_ids", [o.id for o in world.offices if o.external_id == wanted])


def _job_posts(world: World, query: Query) -> Iterable[Condition]:
    for name in ("live", "active", "internal"):
        if query.get(name) in ("true", "false"):
            yield by_value(name, [query[name] == "true"])


def _users(world: World, query: Query) -> Iterable[Condition]:
    if query.get("email"):
        # Documented: primary or secondary.
        wanted = normalize_email(query["email"])
        rows = [row for row in world.user_emails if normalize_email(row.email) == wanted]
        yield by_ids(row.user_id for row in rows)
    if query.get("employee_id"):
        yield by_value("employee_id", [query["employee_id"]])


def _openings(world: World, query: Query) -> Iterable[Condition]:
    if query.get("status"):
        # Documented: the filter says ``opened``, the attribute ``open``.
        wanted = {"opened": True, "closed": False}.get(query["status"])
        yield by_value("open", [wanted])


def _rejection_reasons(world: World, query: Query) -> Iterable[Condition]:
    if query.get("include_defaults") != "true":
        yield by_value("default", [False])
