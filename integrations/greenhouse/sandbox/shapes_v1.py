"""Records in the words of Harvest v1 (documented objects, with the nulls seen in recordings)."""

from __future__ import annotations

from typing import Any

from . import names
from .records import (
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
from .world import World

Shape = dict[str, Any]


def plain(fields: CustomFields) -> Shape:
    """Give custom fields without their names and types."""
    return {key: field["value"] for key, field in fields.items()}


def person(world: World, user_id: int | None) -> Shape | None:
    """Give the short form of a user, as it stands inside other records."""
    user = world.users.get(user_id)
    if user is None:
        return None
    return {
        "id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "name": user.name,
        "employee_id": user.employee_id,
    }


def department(world: World, row: Department) -> Shape:
    """Shape a department."""
    children = [other for other in world.departments if other.parent_id == row.id]
    parent = world.departments.get(row.parent_id)
    return {
        "id": row.id,
        "name": row.name,
        "parent_id": row.parent_id,
        "parent_department_external_id": parent.external_id if parent else None,
        "child_ids": [other.id for other in children],
        "child_department_external_ids": [o.external_id for o in children if o.external_id],
        "external_id": row.external_id,
    }


def office(world: World, row: Office) -> Shape:
    """Shape an office; a location's name can be null."""
    children = [other for other in world.offices if other.parent_id == row.id]
    parent = world.offices.get(row.parent_id)
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


def user(world: World, row: User) -> Shape:
    """Shape a user. A service account has no e-mail (that v1 lists it is inferred)."""
    emails = world.emails_of(row.id)
    return {
        "id": row.id,
        "name": row.name,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "primary_email_address": world.primary_email(row.id),
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "disabled": row.deactivated,
        "site_admin": row.site_admin,
        "emails": [address.email for address in emails],
        "employee_id": row.employee_id,
        "linked_candidate_ids": row.linked_candidate_ids,
        "offices": [office(world, o) for o in map(world.offices.get, row.office_ids) if o],
        "departments": [
            department(world, d) for d in map(world.departments.get, row.department_ids) if d
        ],
        "custom_fields": {},
        "keyed_custom_fields": {},
    }


def user_role(world: World, row: UserRole) -> Shape:
    """Shape a role."""
    return {"id": row.id, "type": row.role_type, "name": row.name}


def job_permission(world: World, row: JobPermission) -> Shape:
    """Shape a grant of one job."""
    return {"id": row.id, "job_id": row.job_id, "user_role_id": row.role_id}


def future_job_permission(world: World, row: FutureJobPermission) -> Shape:
    """Shape a grant of jobs to come."""
    place, group = world.offices.get(row.office_id), world.departments.get(row.department_id)
    return {
        "id": row.id,
        "office_id": row.office_id,
        "external_office_id": place.external_id if place else None,
        "department_id": row.department_id,
        "external_department_id": group.external_id if group else None,
        "user_role_id": row.role_id,
    }


def job(world: World, row: Job) -> Shape:
    """Shape a job. ``departments`` is ``[null]`` where there is none (seen in recordings)."""
    group = world.departments.get(row.department_id)
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
        "departments": [department(world, group) if group else None],
        "offices": [office(world, o) for o in map(world.offices.get, row.office_ids) if o],
        "custom_fields": plain(row.custom),
        "keyed_custom_fields": row.custom,
        "hiring_team": _hiring_team(world, row.id),
        "openings": [_job_opening(world, o) for o in world.openings.where("job_id", row.id)],
    }


_SEATS = (
    ("hiring_managers", "hiring_manager"),
    ("recruiters", "recruiter"),
    ("coordinators", "coordinator"),
    ("sourcers", "sourcer"),
)


def _hiring_team(world: World, job_id: int) -> Shape:
    team: Shape = {name: [] for name, _ in _SEATS}
    names_of = {kind: name for name, kind in _SEATS}
    for member in world.team.where("job_id", job_id):
        seat = person(world, member.user_id)
        if seat is None:
            continue
        if member.type in ("recruiter", "coordinator"):
            seat["responsible"] = member.responsible
        team[names_of[member.type]].append(seat)
    return team


def hiring_team(world: World, job_id: int) -> Shape:
    """Shape ``GET /jobs/{id}/hiring_team``: ids, and whether each still has access."""
    team: Shape = {name: [] for name, _ in _SEATS}
    names_of = {kind: name for name, kind in _SEATS}
    for member in world.team.where("job_id", job_id):
        known = world.users.get(member.user_id)
        seat: Shape = {
            "user_id": member.user_id,
            "active": known is not None and not known.deactivated,
        }
        if member.type in ("recruiter", "coordinator"):
            seat["responsible"] = member.responsible
        team[names_of[member.type]].append(seat)
    return team


def _job_opening(world: World, row: Opening) -> Shape:
    reason = world.close_reasons.get(row.close_reason_id)
    return {
        "id": row.id,
        "opening_id": row.opening_id,
        "status": "open" if row.open else "closed",
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "application_id": row.application_id,
        "close_reason": {"id": reason.id, "name": reason.name} if reason else None,
    }


def opening(world: World, row: Opening) -> Shape:
    """Shape an opening of its own."""
    return _job_opening(world, row) | {
        "custom_fields": plain(row.custom),
        "keyed_custom_fields": row.custom,
    }


_POST_QUESTIONS: tuple[Shape, ...] = tuple(
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


def job_post(world: World, row: JobPost) -> Shape:
    """Shape a job post; ``active`` false is a deleted one."""
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


def stage(world: World, row: Stage) -> Shape:
    """Shape a stage of a job."""
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


def close_reason(world: World, row: CloseReason) -> Shape:
    """Shape a close reason."""
    return {"id": row.id, "name": row.name}


def rejection_reason(world: World, row: RejectionReason) -> Shape:
    """Shape a rejection reason."""
    _, label = names.REJECTION_TYPES[row.type_id]
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": label}}


def source(world: World, row: Source) -> Shape:
    """Shape a source."""
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": row.type_name}}


def email_template(world: World, row: EmailTemplate) -> Shape:
    """Shape an e-mail template; ``user`` null is organization-wide."""
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
        "user": person(world, row.user_id),
    }


def attachment(world: World, row: Attachment) -> Shape:
    """Shape an attachment. Its address is made up; the real ones live seven days at most."""
    return {
        "filename": row.filename,
        "url": f"https://attachments.{world.domain}/{row.id}/{row.filename}?expires=604800",
        "type": row.type,
        "created_at": row.created_at,
    }


def application(world: World, row: Application) -> Shape:
    """Shape an application."""
    reason = world.rejection_reasons.get(row.rejection_reason_id)
    current = world.stages.get(row.stage_id)
    source_row = world.sources.get(row.source_id)
    referrer = world.referrers.get(row.referrer_id)
    numbers = [row.job_id] if row.job_id else row.prospective_job_ids
    wanted = [found for found in map(world.jobs.get, numbers) if found]
    place = world.offices.get(row.prospective_office_id)
    group = world.departments.get(row.prospective_department_id)
    return {
        "id": row.id,
        "candidate_id": row.candidate_id,
        "prospect": row.prospect,
        "applied_at": row.created_at,
        "rejected_at": row.rejected_at,
        "last_activity_at": row.last_activity_at,
        "location": {"address": row.location} if row.location else None,
        "source": {"id": source_row.id, "public_name": source_row.name} if source_row else None,
        "credited_to": person(world, referrer.user_id) if referrer else None,
        "recruiter": person(world, row.recruiter_id),
        "coordinator": person(world, row.coordinator_id),
        "rejection_reason": rejection_reason(world, reason) if reason else None,
        "rejection_details": {"custom_fields": {}, "keyed_custom_fields": {}}
        if row.status == "rejected"
        else None,
        "jobs": [{"id": found.id, "name": found.name} for found in wanted],
        "job_post_id": row.job_post_id,
        "status": row.status,
        "current_stage": {"id": current.id, "name": current.name}
        if current and not row.prospect
        else None,
        "answers": row.answers,
        "prospective_office": office(world, place) if place else None,
        "prospective_department": department(world, group) if group else None,
        "prospect_detail": {
            "prospect_pool": None,
            "prospect_stage": None,
            "prospect_owner": _owner(world, row.prospect_owner_id),
        },
        "custom_fields": plain(row.custom),
        "keyed_custom_fields": row.custom,
        "attachments": [
            attachment(world, a) for a in world.attachments.where("application_id", row.id)
        ],
    }


def _owner(world: World, user_id: int | None) -> Shape | None:
    owner = world.users.get(user_id)
    return {"id": owner.id, "name": owner.name} if owner else None


def candidate(world: World, row: Candidate) -> Shape:
    """Shape a candidate with the applications inside."""
    own = world.applications.where("candidate_id", row.id)
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
            attachment(world, a) for a in world.attachments.where("candidate_id", row.id)
        ],
        "application_ids": [one.id for one in own],
        "phone_numbers": row.phones,
        "addresses": row.addresses,
        "email_addresses": row.emails,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "recruiter": person(world, row.recruiter_id),
        "coordinator": person(world, row.coordinator_id),
        "can_email": row.can_email,
        "tags": row.tags,
        "applications": [application(world, one) for one in own],
        "educations": row.educations,
        "employments": row.employments,
        "linked_user_ids": row.linked_user_ids,
        "custom_fields": plain(row.custom),
        "keyed_custom_fields": row.custom,
    }


def custom_field(world: World, row: CustomField) -> Shape:
    """Shape a custom field with the options that can be chosen."""
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
            {"id": one.id, "name": one.name, "priority": one.priority, "external_id": None}
            for one in world.options_of(row.id)
        ],
    }
