"""Records in the words of Harvest v3 (the vendor's schemas: flat, ids instead of objects)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from . import names
from .records import (
    Application,
    ApplicationStage,
    Attachment,
    Candidate,
    CloseReason,
    CustomField,
    CustomFieldOption,
    Department,
    EmailTemplate,
    FutureJobPermission,
    Job,
    JobPermission,
    JobPost,
    Office,
    Opening,
    Record,
    Referrer,
    RejectionDetail,
    RejectionReason,
    Source,
    Stage,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)
from .world import World

Shape = dict[str, Any]


def _base(row: Record) -> Shape:
    return {"id": row.id, "created_at": row.created_at, "updated_at": row.updated_at}


def application(world: World, row: Application) -> Shape:
    """Shape an application. ``stage_id`` is a row of ``application_stages``, not a job stage."""
    stage = world.stages.get(row.stage_id)
    return _base(row) | {
        "agency_note_id": None,
        "candidate_id": row.candidate_id,
        "coordinator_id": row.coordinator_id,
        "job_id": row.job_id,
        "job_post_id": row.job_post_id,
        "recruiter_id": row.recruiter_id,
        "referrer_id": row.referrer_id,
        "source_id": row.source_id,
        "stage_id": row.entry_id,
        "stage_name": stage.name if stage else None,
        "job_interview_stage_id": row.stage_id,
        "rejection_reason_id": row.rejection_reason_id,
        "status": "in_process" if row.status == "active" else row.status,
        "needs_decision": row.needs_decision,
        "prospect": row.prospect,
        "rejected_at": row.rejected_at,
        "last_activity_at": row.last_activity_at,
        "location_address": row.location,
        "answers": row.answers,
        "prospective_job_ids": row.prospective_job_ids,
        "custom_fields": row.custom or None,
    }


def old_application(world: World, row: Application) -> Shape:
    """Shape an application as before the newer fields came (2026-08)."""
    shape = application(world, row)
    del shape["job_interview_stage_id"], shape["rejection_reason_id"]
    return shape


def application_stage(world: World, row: ApplicationStage) -> Shape:
    """Shape one stay of an application in a stage."""
    days = 0
    if row.entered_at:
        end = datetime.fromisoformat(row.exited_at) if row.exited_at else world.clock()
        days = max(0, (end - datetime.fromisoformat(row.entered_at)).days)
    return _base(row) | {
        "application_id": row.application_id,
        "job_interview_stage_id": row.stage_id,
        "entered_at": row.entered_at,
        "exited_at": row.exited_at,
        "days_in_stage": days,
        "current": row.current,
    }


def candidate(world: World, row: Candidate) -> Shape:
    """Shape a candidate: no applications and no attachments inside."""
    return _base(row) | {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "preferred_name": row.preferred_name,
        "company": row.company,
        "title": row.title,
        "last_activity_at": row.last_activity_at,
        "private": row.private,
        "can_email": row.can_email,
        "time_zone": None,
        "tags": row.tags,
        "linked_user_ids": row.linked_user_ids,
        "phone_numbers": row.phones,
        "addresses": row.addresses,
        "email_addresses": row.emails,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "custom_fields": row.custom or None,
    }


def job(world: World, row: Job) -> Shape:
    """Shape a job: no hiring team and no openings inside."""
    return _base(row) | {
        "name": row.name,
        "requisition_id": row.requisition_id,
        "notes": row.notes,
        "confidential": row.confidential,
        "status": row.status,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "is_template": row.is_template,
        "copied_from_id": row.copied_from_id,
        "department_id": row.department_id,
        "office_ids": row.office_ids or None,
        "custom_fields": row.custom or None,
    }


def job_interview_stage(world: World, row: Stage) -> Shape:
    """Shape a stage of a job."""
    return _base(row) | {
        "job_id": row.job_id,
        "sort_order": row.priority,
        "name": row.name,
        "active": row.active,
    }


_POST_QUESTIONS: tuple[Shape, ...] = tuple(
    {
        "id": None,
        "description": None,
        "answer_type": kind,
        "required": required,
        "private": False,
        "label": label,
        "name": label.lower().replace(" ", "_"),
        "options": [],
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
    """Shape a job post: no ``external`` and no location."""
    return _base(row) | {
        "title": row.title,
        "internal": row.internal,
        "active": row.active,
        "live": row.live,
        "featured": False,
        "first_published_at": row.first_published_at,
        "content": row.content,
        "internal_content": row.internal_content,
        "language": "en",
        "public_url": f"https://boards.{world.domain}/jobs/{row.id}" if row.live else None,
        "demographic_question_set_id": None,
        "job_id": row.job_id,
        "job_board_id": 1,
        "questions": _POST_QUESTIONS,
    }


def job_post_location(world: World, row: JobPost) -> Shape:
    """Shape the place of a job post."""
    return _base(row) | {
        "plain_text_location": None if row.office_id else row.location,
        "office_id": row.office_id,
        "type": "office" if row.office_id else "free_text",
        "job_post_id": row.id,
        "custom_location_id": None,
    }


def user(world: World, row: User) -> Shape:
    """Shape a user. A service account's ``primary_email`` is null, whatever the schema says."""
    emails = [address.email for address in world.emails_of(row.id)]
    return _base(row) | {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "primary_email": world.primary_email(row.id),
        "job_title": row.job_title,
        "agency_id": None,
        "name": row.name,
        "deactivated": row.deactivated,
        "site_admin": row.site_admin,
        "employee_id": row.employee_id,
        "linked_candidate_ids": row.linked_candidate_ids,
        "office_ids": row.office_ids,
        "department_ids": row.department_ids,
        "interviewer_tags": [],
        "emails": emails or None,
        "custom_fields": None,
    }


def user_email(world: World, row: UserEmail) -> Shape:
    """Shape an address of a user."""
    return _base(row) | {
        "user_id": row.user_id,
        "email": row.email,
        "verified": row.verified,
        "verification_token_sent_at": None if row.verified else row.created_at,
    }


def user_role(world: World, row: UserRole) -> Shape:
    """Shape a role; v1's interviewer type is called deprecated here."""
    kind = "deprecated_interviewer" if row.role_type == "interviewer" else row.role_type
    return _base(row) | {"role_type": kind, "name": row.name}


def user_job_permission(world: World, row: JobPermission) -> Shape:
    """Shape a grant of one job."""
    return _base(row) | {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "role_id": row.role_id,
        "automated": row.automated,
    }


def future_job_permission(world: World, row: FutureJobPermission) -> Shape:
    """Shape a grant of jobs to come; neither department nor office means every job."""
    return _base(row) | {
        "department_id": row.department_id,
        "user_id": row.user_id,
        "office_id": row.office_id,
        "role_id": row.role_id,
    }


def job_owner(world: World, row: TeamMember) -> Shape:
    """Shape a recruiter, coordinator or sourcer of a job."""
    return _base(row) | {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "type": row.type,
        "responsible": row.responsible,
    }


def job_hiring_manager(world: World, row: TeamMember) -> Shape:
    """Shape a hiring manager of a job."""
    return _base(row) | {"user_id": row.user_id, "job_id": row.job_id}


def opening(world: World, row: Opening) -> Shape:
    """Shape an opening."""
    return _base(row) | {
        "job_id": row.job_id,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "sort_order": row.sort_order,
        "opening_id": row.opening_id,
        "application_id": row.application_id,
        "close_reason_id": row.close_reason_id,
        "target_start_on": None,
        "open": row.open,
        "custom_fields": row.custom or None,
    }


def close_reason(world: World, row: CloseReason) -> Shape:
    """Shape a close reason."""
    return _base(row) | {"name": row.name}


def rejection_reason(world: World, row: RejectionReason) -> Shape:
    """Shape a rejection reason."""
    key, label = names.REJECTION_TYPES[row.type_id]
    return _base(row) | {
        "name": row.name,
        "type": {"id": row.type_id, "key": key, "name": label},
    }


def rejection_detail(world: World, row: RejectionDetail) -> Shape:
    """Shape how an application was rejected."""
    return _base(row) | {
        "application_id": row.application_id,
        "rejected_by_id": row.rejected_by_id,
        "rejection_note_id": None,
        "rejection_reason_id": row.rejection_reason_id,
        "rejected_at": row.rejected_at,
        "question_custom_fields": None,
    }


def department(world: World, row: Department) -> Shape:
    """Shape a department."""
    return _base(row) | {
        "name": row.name,
        "parent_id": row.parent_id,
        "external_id": row.external_id,
    }


def office(world: World, row: Office) -> Shape:
    """Shape an office."""
    return _base(row) | {
        "name": row.name,
        "parent_id": row.parent_id,
        "external_id": row.external_id,
        "location": row.location,
        "primary_in_house_contact_user_id": row.primary_contact_user_id,
    }


def source(world: World, row: Source) -> Shape:
    """Shape a source."""
    return _base(row) | {"name": row.name, "type": {"id": row.type_id, "name": row.type_name}}


def referrer(world: World, row: Referrer) -> Shape:
    """Shape a referrer, who need not be a user."""
    return _base(row) | {"user_id": row.user_id, "name": row.name}


def attachment(world: World, row: Attachment) -> Shape:
    """Shape an attachment. Its address is made up; the real ones live seven days at most."""
    return _base(row) | {
        "application_id": row.application_id,
        "candidate_id": row.candidate_id,
        "type": row.type,
        "filename": row.filename,
        "url": f"https://attachments.{world.domain}/{row.id}/{row.filename}?expires=604800",
    }


def email_template(world: World, row: EmailTemplate) -> Shape:
    """Shape an e-mail template. Which ``from_type`` a real one has is inferred."""
    return _base(row) | {
        "name": row.name,
        "description": None,
        "default": row.default,
        "email_type": row.email_type,
        "from_type": "user_email" if row.user_id else "organization_email",
        "subject": row.subject,
        "body": None,
        "html_body": row.html_body,
        "recipients": None,
        "cc_recruiter": False,
        "cc_coordinator": False,
        "office_anywhere": True,
        "user_id": row.user_id,
    }


def custom_field(world: World, row: CustomField) -> Shape:
    """Shape a custom field; its options are a list of their own."""
    of_application = row.field_type == "application"
    return _base(row) | {
        "field_type": row.field_type,
        "sort_order": row.priority,
        "name": row.name,
        "value_type": row.value_type,
        "private": row.private,
        "required": row.required,
        "require_approval": False,
        "trigger_new_version": False,
        "active": row.active,
        "updated_by_id": None,
        "internal_type": None,
        "expose_in_job_board_api": False,
        "placeholder": None,
        "name_key": row.name_key,
        "description": row.description,
        "application_type": "all_applications" if of_application else None,
        "api_only": None,
        "use_for_job_approvals": None,
        "use_for_offer_approvals": None,
        "template_token_string": None,
        "default_value": None,
    }


def custom_field_option(world: World, row: CustomFieldOption) -> Shape:
    """Shape an option of a select."""
    return _base(row) | {
        "custom_field_id": row.custom_field_id,
        "name": row.name,
        "external_id": None,
        "sort_order": row.priority,
        "active": row.active,
    }
