"""Harvest v1 serializers of jobs and what belongs to them."""

from __future__ import annotations

from integrations.greenhouse.sandbox.api.v1.organization_serializers import (
    serialize_department,
    serialize_office,
)
from integrations.greenhouse.sandbox.api.v1.shared_serializers import (
    JsonObject,
    build_keyed_custom_fields,
    flatten_custom_fields,
    serialize_user_reference,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    CloseReason,
    Job,
    JobPost,
    Opening,
    Stage,
)


def serialize_job(dataset: Dataset, row: Job) -> JsonObject:
    """Serialize a job. Without a department, ``departments`` is ``[null]`` (observed)."""
    department = dataset.departments.get(row.department_id)
    return {
        "id": row.id,
        "name": row.name,
        "requisition_id": row.requisition_id,
        "notes": row.notes,
        "confidential": row.confidential,
        "status": row.status,
        "created_at": row.created_at,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "updated_at": row.updated_at,
        "is_template": row.is_template,
        "copied_from_id": row.copied_from_id,
        "departments": [serialize_department(dataset, department) if department else None],
        "offices": [
            serialize_office(dataset, o) for o in map(dataset.offices.get, row.office_ids) if o
        ],
        "custom_fields": flatten_custom_fields(row.custom),
        "keyed_custom_fields": build_keyed_custom_fields(row.custom),
        "hiring_team": _serialize_job_team(dataset, row.id),
        "openings": [
            _serialize_job_opening(dataset, o) for o in dataset.openings.filter_by("job_id", row.id)
        ],
    }


_TEAM_ROLES = (
    ("hiring_managers", "hiring_manager"),
    ("recruiters", "recruiter"),
    ("coordinators", "coordinator"),
    ("sourcers", "sourcer"),
)


def _serialize_job_team(dataset: Dataset, job_id: int) -> JsonObject:
    team: JsonObject = {name: [] for name, _ in _TEAM_ROLES}
    list_names = {kind: name for name, kind in _TEAM_ROLES}
    for member in dataset.team.filter_by("job_id", job_id):
        entry = serialize_user_reference(dataset, member.user_id)
        if entry is None:
            continue
        if member.type in ("recruiter", "coordinator"):
            entry["responsible"] = member.responsible
        team[list_names[member.type]].append(entry)
    return team


def serialize_hiring_team(dataset: Dataset, job_id: int) -> JsonObject:
    team: JsonObject = {name: [] for name, _ in _TEAM_ROLES}
    list_names = {kind: name for name, kind in _TEAM_ROLES}
    for member in dataset.team.filter_by("job_id", job_id):
        user = dataset.users.get(member.user_id)
        entry: JsonObject = {
            "user_id": member.user_id,
            "active": user is not None and not user.deactivated,
        }
        if member.type in ("recruiter", "coordinator"):
            entry["responsible"] = member.responsible
        team[list_names[member.type]].append(entry)
    return team


def _serialize_job_opening(dataset: Dataset, row: Opening) -> JsonObject:
    reason = dataset.close_reasons.get(row.close_reason_id)
    return {
        "id": row.id,
        "opening_id": row.opening_id,
        "status": "open" if row.open else "closed",
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "application_id": row.application_id,
        "close_reason": {"id": reason.id, "name": reason.name} if reason else None,
    }


def serialize_opening(dataset: Dataset, row: Opening) -> JsonObject:
    return _serialize_job_opening(dataset, row) | {
        "custom_fields": flatten_custom_fields(row.custom),
        "keyed_custom_fields": build_keyed_custom_fields(row.custom),
    }


_POST_QUESTIONS: tuple[JsonObject, ...] = tuple(
    {
        "required": required,
        "private": False,
        "label": label,
        "name": label.lower().replace(" ", "_"),
        "type": kind,
        "values": [],
        "description": None,
    }
    for label, kind, required in (
        ("First Name", "short_text", True),
        ("Last Name", "short_text", True),
        ("Email", "short_text", True),
        ("Resume", "attachment", False),
        ("Cover Letter", "attachment", None),
    )
)


def serialize_job_post(dataset: Dataset, row: JobPost) -> JsonObject:
    """Serialize a job post; ``active`` false means deleted."""
    return {
        "id": row.id,
        "title": row.title,
        "location": {
            "id": row.id,
            "name": row.location,
            "office_id": row.office_id,
            "job_post_custom_location_id": None,
            "job_post_location_type": {"id": 2, "name": "Office"}
            if row.office_id
            else {"id": 1, "name": "Free Text"},
        },
        "internal": row.internal,
        "external": not row.internal,
        "active": row.active,
        "live": row.live,
        "first_published_at": row.first_published_at,
        "job_id": row.job_id,
        "content": row.content,
        "internal_content": row.internal_content,
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "demographic_question_set_id": None,
        "questions": _POST_QUESTIONS,
    }


def serialize_stage(dataset: Dataset, row: Stage) -> JsonObject:
    interviews = []
    if row.priority in (1, 2):
        interviews.append(
            {
                "id": row.id,
                "name": row.name,
                "schedulable": True,
                "estimated_minutes": 30 if row.priority == 1 else None,
                "default_interviewer_users": [],
                "interview_kit": {"id": row.id, "content": None, "questions": []},
            }
        )
    return {
        "id": row.id,
        "name": row.name,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "active": row.active,
        "job_id": row.job_id,
        "priority": row.priority,
        "interviews": interviews,
    }


def serialize_close_reason(dataset: Dataset, row: CloseReason) -> JsonObject:
    return {"id": row.id, "name": row.name}
