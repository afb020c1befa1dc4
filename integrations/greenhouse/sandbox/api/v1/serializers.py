"""Harvest v1 serializers: documented objects, with the nulls observed in recordings."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    Attachment,
    Candidate,
    CloseReason,
    CustomField,
    CustomFields,
    Department,
    EmailTemplate,
    FutureJobPermission,
    Job,
    JobPermission,
    JobPost,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    User,
    UserRole,
)

JsonObject = dict[str, Any]


def flatten_custom_fields(fields: CustomFields) -> JsonObject:
    return {key: field["value"] for key, field in fields.items()}


def serialize_user_reference(dataset: Dataset, user_id: int | None) -> JsonObject | None:
    user = dataset.users.get(user_id)
    if user is None:
        return None
    return {
        "id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "name": user.name,
        "employee_id": user.employee_id,
    }


def serialize_department(dataset: Dataset, row: Department) -> JsonObject:
    children = [other for other in dataset.departments if other.parent_id == row.id]
    parent = dataset.departments.get(row.parent_id)
    return {
        "id": row.id,
        "name": row.name,
        "parent_id": row.parent_id,
        "parent_department_external_id": parent.external_id if parent else None,
        "child_ids": [other.id for other in children],
        "child_department_external_ids": [o.external_id for o in children if o.external_id],
        "external_id": row.external_id,
    }


def serialize_office(dataset: Dataset, row: Office) -> JsonObject:
    """Serialize an office; its location's name can be null."""
    children = [other for other in dataset.offices if other.parent_id == row.id]
    parent = dataset.offices.get(row.parent_id)
    return {
        "id": row.id,
        "name": row.name,
        "location": {"name": row.location},
        "primary_contact_user_id": row.primary_contact_user_id,
        "parent_id": row.parent_id,
        "parent_office_external_id": parent.external_id if parent else None,
        "child_ids": [other.id for other in children],
        "child_office_external_ids": [o.external_id for o in children if o.external_id],
        "external_id": row.external_id,
    }


def serialize_user(dataset: Dataset, row: User) -> JsonObject:
    """Serialize a user. Service accounts have no email (that v1 lists them is inferred)."""
    emails = dataset.list_user_emails(row.id)
    return {
        "id": row.id,
        "name": row.name,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "primary_email_address": dataset.primary_email(row.id),
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "disabled": row.deactivated,
        "site_admin": row.site_admin,
        "emails": [address.email for address in emails],
        "employee_id": row.employee_id,
        "linked_candidate_ids": row.linked_candidate_ids,
        "offices": [
            serialize_office(dataset, o) for o in map(dataset.offices.get, row.office_ids) if o
        ],
        "departments": [
            serialize_department(dataset, d)
            for d in map(dataset.departments.get, row.department_ids)
            if d
        ],
        "custom_fields": {},
        "keyed_custom_fields": {},
    }


def serialize_user_role(dataset: Dataset, row: UserRole) -> JsonObject:
    return {"id": row.id, "type": row.role_type, "name": row.name}


def serialize_job_permission(dataset: Dataset, row: JobPermission) -> JsonObject:
    return {"id": row.id, "job_id": row.job_id, "user_role_id": row.role_id}


def serialize_future_job_permission(dataset: Dataset, row: FutureJobPermission) -> JsonObject:
    office = dataset.offices.get(row.office_id)
    department = dataset.departments.get(row.department_id)
    return {
        "id": row.id,
        "office_id": row.office_id,
        "external_office_id": office.external_id if office else None,
        "department_id": row.department_id,
        "external_department_id": department.external_id if department else None,
        "user_role_id": row.role_id,
    }


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
        "keyed_custom_fields": row.custom,
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
        "keyed_custom_fields": row.custom,
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


def serialize_rejection_reason(dataset: Dataset, row: RejectionReason) -> JsonObject:
    _, label = sample_values.REJECTION_TYPES[row.type_id]
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": label}}


def serialize_source(dataset: Dataset, row: Source) -> JsonObject:
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": row.type_name}}


def serialize_email_template(dataset: Dataset, row: EmailTemplate) -> JsonObject:
    """Serialize an email template; ``user`` null is organization-wide."""
    return {
        "id": row.id,
        "name": row.name,
        "description": None,
        "default": row.default,
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "type": row.email_type,
        "from": None,
        "cc": [],
        "body": None,
        "html_body": row.html_body,
        "user": serialize_user_reference(dataset, row.user_id),
    }


def serialize_attachment(dataset: Dataset, row: Attachment) -> JsonObject:
    """Serialize an attachment. Real URLs expire after seven days at most."""
    return {
        "filename": row.filename,
        "url": f"https://attachments.{dataset.domain}/{row.id}/{row.filename}?expires=604800",
        "type": row.type,
        "created_at": row.created_at,
    }


def serialize_application(dataset: Dataset, row: Application) -> JsonObject:
    reason = dataset.rejection_reasons.get(row.rejection_reason_id)
    current = dataset.stages.get(row.stage_id)
    source = dataset.sources.get(row.source_id)
    referrer = dataset.referrers.get(row.referrer_id)
    job_ids = [row.job_id] if row.job_id else row.prospective_job_ids
    jobs = [job for job in map(dataset.jobs.get, job_ids) if job]
    office = dataset.offices.get(row.prospective_office_id)
    department = dataset.departments.get(row.prospective_department_id)
    return {
        "id": row.id,
        "candidate_id": row.candidate_id,
        "prospect": row.prospect,
        "applied_at": row.created_at,
        "rejected_at": row.rejected_at,
        "last_activity_at": row.last_activity_at,
        "location": {"address": row.location} if row.location else None,
        "source": {"id": source.id, "public_name": source.name} if source else None,
        "credited_to": serialize_user_reference(dataset, referrer.user_id) if referrer else None,
        "recruiter": serialize_user_reference(dataset, row.recruiter_id),
        "coordinator": serialize_user_reference(dataset, row.coordinator_id),
        "rejection_reason": serialize_rejection_reason(dataset, reason) if reason else None,
        "rejection_details": {"custom_fields": {}, "keyed_custom_fields": {}}
        if row.status == "rejected"
        else None,
        "jobs": [{"id": job.id, "name": job.name} for job in jobs],
        "job_post_id": row.job_post_id,
        "status": row.status,
        "current_stage": {"id": current.id, "name": current.name}
        if current and not row.prospect
        else None,
        "answers": row.answers,
        "prospective_office": serialize_office(dataset, office) if office else None,
        "prospective_department": serialize_department(dataset, department) if department else None,
        "prospect_detail": {
            "prospect_pool": None,
            "prospect_stage": None,
            "prospect_owner": _serialize_prospect_owner(dataset, row.prospect_owner_id),
        },
        "custom_fields": flatten_custom_fields(row.custom),
        "keyed_custom_fields": row.custom,
        "attachments": [
            serialize_attachment(dataset, a)
            for a in dataset.attachments.filter_by("application_id", row.id)
        ],
    }


def _serialize_prospect_owner(dataset: Dataset, user_id: int | None) -> JsonObject | None:
    owner = dataset.users.get(user_id)
    return {"id": owner.id, "name": owner.name} if owner else None


def serialize_candidate(dataset: Dataset, row: Candidate) -> JsonObject:
    applications = dataset.applications.filter_by("candidate_id", row.id)
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "company": row.company,
        "title": row.title,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "last_activity": row.last_activity_at,
        "is_private": row.private,
        "photo_url": None,
        "attachments": [
            serialize_attachment(dataset, a)
            for a in dataset.attachments.filter_by("candidate_id", row.id)
        ],
        "application_ids": [application.id for application in applications],
        "phone_numbers": row.phones,
        "addresses": row.addresses,
        "email_addresses": row.emails,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "recruiter": serialize_user_reference(dataset, row.recruiter_id),
        "coordinator": serialize_user_reference(dataset, row.coordinator_id),
        "can_email": row.can_email,
        "tags": row.tags,
        "applications": [
            serialize_application(dataset, application) for application in applications
        ],
        "educations": row.educations,
        "employments": row.employments,
        "linked_user_ids": row.linked_user_ids,
        "custom_fields": flatten_custom_fields(row.custom),
        "keyed_custom_fields": row.custom,
    }


def serialize_custom_field(dataset: Dataset, row: CustomField) -> JsonObject:
    return {
        "id": row.id,
        "name": row.name,
        "active": row.active,
        "field_type": row.field_type,
        "priority": row.priority,
        "value_type": row.value_type,
        "private": row.private,
        "required": row.required,
        "require_approval": False,
        "trigger_new_version": False,
        "name_key": row.name_key,
        "description": row.description,
        "expose_in_job_board_api": False,
        "api_only": False,
        "offices": [],
        "departments": [],
        "template_token_string": None,
        "custom_field_options": [
            {"id": option.id, "name": option.name, "priority": option.priority, "external_id": None}
            for option in dataset.list_field_options(row.id)
        ],
    }
