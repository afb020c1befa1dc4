"""Query parameters of v1 lists; unknown ones are ignored (observed in a recording)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from integrations.ats.emails import normalize_email
from integrations.greenhouse.sandbox.api.listing import (
    Condition,
    by_ids,
    by_index,
    by_list_member,
    by_timestamp,
    by_value,
)
from integrations.greenhouse.sandbox.api.pagination import v1_validation_error
from integrations.greenhouse.sandbox.clock import normalize_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset

Query = Mapping[str, str]

_TIMESTAMP_FILTERS = {
    "created_after": ("created_at", "gte"),
    "created_before": ("created_at", "lt"),
    "updated_after": ("updated_at", "gte"),
    "updated_before": ("updated_at", "lt"),
    "last_activity_after": ("last_activity_at", "gte"),
}

# Documented: applications have no ``updated_after``.
_TIMESTAMP_FILTERS_BY_KIND = {
    "applications": ("created_after", "created_before", "last_activity_after"),
    "candidates": ("created_after", "created_before", "updated_after", "updated_before"),
    "jobs": ("created_after", "created_before", "updated_after", "updated_before"),
    "job_posts": ("created_after", "created_before", "updated_after", "updated_before"),
    "job_interview_stages": ("created_after", "created_before", "updated_after", "updated_before"),
    "users": ("created_after", "created_before", "updated_after", "updated_before"),
}


def build_conditions(dataset: Dataset, kind: str, query: Query) -> list[Condition]:
    result = list(_filter_timestamps(kind, query))
    extra = {
        "applications": _filter_applications,
        "candidates": _filter_candidates,
        "jobs": _filter_jobs,
        "job_posts": _filter_job_posts,
        "users": _filter_users,
        "openings": _filter_openings,
        "rejection_reasons": _filter_rejection_reasons,
    }.get(kind)
    if extra:
        result.extend(extra(dataset, query))
    return result


def _filter_timestamps(kind: str, query: Query) -> Iterable[Condition]:
    for name in _TIMESTAMP_FILTERS_BY_KIND.get(kind, ()):
        if query.get(name):
            field, operator = _TIMESTAMP_FILTERS[name]
            moment = normalize_timestamp(query[name])
            if moment is None:
                raise v1_validation_error(name, "Must be a valid ISO-8601 timestamp.")
            yield by_timestamp(field, operator, moment)


def _parse_number(query: Query, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    return int(text) if text.isdecimal() else -1  # matches nothing (inferred)


def _filter_applications(dataset: Dataset, query: Query) -> Iterable[Condition]:
    job_id = _parse_number(query, "job_id")
    if job_id is not None:
        table = dataset.applications
        ids = [*table.find_ids("job_id", job_id), *table.find_ids("prospective_job_ids", job_id)]
        yield by_ids(ids)
    if query.get("status"):
        # Documented: another value gives an empty list.
        yield by_index(dataset, "applications", "status", [query["status"]])


def _filter_candidates(dataset: Dataset, query: Query) -> Iterable[Condition]:
    job_id = _parse_number(query, "job_id")
    if job_id is not None:
        # Documented: without prospects.
        yield by_ids(row.candidate_id for row in dataset.applications.filter_by("job_id", job_id))
    if query.get("email"):
        wanted = normalize_email(query["email"])
        yield Condition(
            ("email", wanted),
            lambda row: any(normalize_email(email["value"]) == wanted for email in row.emails),
        )
    if query.get("candidate_ids"):
        parts = query["candidate_ids"].split(",")
        if len(parts) > 50:
            raise v1_validation_error("candidate_ids", "Must not have more than 50 ids.")
        yield by_ids(int(part) for part in parts if part.isdecimal())


def _filter_jobs(dataset: Dataset, query: Query) -> Iterable[Condition]:
    if query.get("status"):
        yield by_index(dataset, "jobs", "status", [query["status"]])
    if query.get("requisition_id"):
        yield by_value("requisition_id", [query["requisition_id"]])
    if query.get("opening_id"):
        wanted = query["opening_id"]
        rows = [row for row in dataset.openings if row.opening_id == wanted]
        yield by_ids(row.job_id for row in rows)
    department, office = _parse_number(query, "department_id"), _parse_number(query, "office_id")
    if department is not None:
        yield by_value("department_id", [department])
    if office is not None:
        yield by_list_member("office_ids", [office])
    if query.get("external_department_id"):
        wanted = query["external_department_id"]
        department_ids = [row.id for row in dataset.departments if row.external_id == wanted]
        yield by_value("department_id", department_ids)
    if query.get("external_office_id"):
        wanted = query["external_office_id"]
        yield by_list_member(
            "office_ids", [o.id for o in dataset.offices if o.external_id == wanted]
        )


def _filter_job_posts(dataset: Dataset, query: Query) -> Iterable[Condition]:
    for name in ("live", "active", "internal"):
        if query.get(name) in ("true", "false"):
            yield by_value(name, [query[name] == "true"])


def _filter_users(dataset: Dataset, query: Query) -> Iterable[Condition]:
    if query.get("email"):
        # Documented: primary or secondary.
        wanted = normalize_email(query["email"])
        rows = [row for row in dataset.user_emails if normalize_email(row.email) == wanted]
        yield by_ids(row.user_id for row in rows)
    if query.get("employee_id"):
        yield by_value("employee_id", [query["employee_id"]])


def _filter_openings(dataset: Dataset, query: Query) -> Iterable[Condition]:
    if query.get("status"):
        # Documented: the filter's value is ``opened``, the attribute's ``open``.
        wanted = {"opened": True, "closed": False}.get(query["status"])
        yield by_value("open", [wanted])


def _filter_rejection_reasons(dataset: Dataset, query: Query) -> Iterable[Condition]:
    if query.get("include_defaults") != "true":
        yield by_value("default", [False])
