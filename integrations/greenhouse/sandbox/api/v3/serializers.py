"""Harvest v3 serializers, after the vendor's schemas: flat, with IDs instead of objects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.greenhouse.sandbox.api.listing import Serializer
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.file_links import build_file_url
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.records import (
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
    Note,
    Office,
    Opening,
    Record,
    Referrer,
    RejectionDetail,
    RejectionReason,
    Scorecard,
    Source,
    Stage,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)

JsonObject = dict[str, Any]


def _serialize_base(row: Record) -> JsonObject:
    return {"id": row.id, "created_at": row.created_at, "updated_at": row.updated_at}


def serialize_application(dataset: Dataset, row: Application) -> JsonObject:
    """Serialize an application; ``stage_id`` is an ``application_stages`` row."""
    stage = dataset.stages.get(row.stage_id)
    return _serialize_base(row) | {
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


def serialize_legacy_application(dataset: Dataset, row: Application) -> JsonObject:
    """Serialize an application without the fields added in 2026-08."""
    data = serialize_application(dataset, row)
    del data["job_interview_stage_id"], data["rejection_reason_id"]
    return data


def serialize_with_job_stage(serialize: Serializer) -> Serializer:
    """The other reading of ``stage_id``: the job stage itself."""

    def serialize_row(dataset: Dataset, row: Application) -> JsonObject:
        return serialize(dataset, row) | {"stage_id": row.stage_id}

    return serialize_row


def serialize_application_stage(dataset: Dataset, row: ApplicationStage) -> JsonObject:
    days = 0
    if row.entered_at:
        end = datetime.fromisoformat(row.exited_at) if row.exited_at else dataset.clock()
        days = max(0, (end - datetime.fromisoformat(row.entered_at)).days)
    return _serialize_base(row) | {
        "application_id": row.application_id,
        "job_interview_stage_id": row.stage_id,
        "entered_at": row.entered_at,
        "exited_at": row.exited_at,
        "days_in_stage": days,
        "current": row.current,
    }


def serialize_candidate(dataset: Dataset, row: Candidate) -> JsonObject:
    return _serialize_base(row) | {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "preferred_name": row.preferred_name,
        "company": row.company,
        "title": row.title,
        "last_activity_at": row.last_activity_at,
        "private": row.private,
        "can_email": row.can_email,
        "time_zone": row.time_zone,
        "tags": row.tags,
        "linked_user_ids": row.linked_user_ids,
        "phone_numbers": row.phones,
        "addresses": row.addresses,
        "email_addresses": row.emails,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "custom_fields": row.custom or None,
    }


def serialize_job(dataset: Dataset, row: Job) -> JsonObject:
    return _serialize_base(row) | {
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


def serialize_job_interview_stage(dataset: Dataset, row: Stage) -> JsonObject:
    return _serialize_base(row) | {
        "job_id": row.job_id,
        "sort_order": row.priority,
        "name": row.name,
        "active": row.active,
    }


_POST_QUESTIONS: tuple[JsonObject, ...] = tuple(
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


def serialize_job_post(dataset: Dataset, row: JobPost) -> JsonObject:
    return _serialize_base(row) | {
        "title": row.title,
        "internal": row.internal,
        "active": row.active,
        "live": row.live,
        "featured": False,
        "first_published_at": row.first_published_at,
        "content": row.content,
        "internal_content": row.internal_content,
        "language": "en",
        "public_url": f"https://boards.{dataset.domain}/jobs/{row.id}" if row.live else None,
        "demographic_question_set_id": None,
        "job_id": row.job_id,
        "job_board_id": 1,
        "questions": _POST_QUESTIONS,
    }


def serialize_job_post_location(dataset: Dataset, row: JobPost) -> JsonObject:
    return _serialize_base(row) | {
        "plain_text_location": None if row.office_id else row.location,
        "office_id": row.office_id,
        "type": "office" if row.office_id else "free_text",
        "job_post_id": row.id,
        "custom_location_id": None,
    }


def serialize_user(dataset: Dataset, row: User) -> JsonObject:
    """Serialize a user; a service account's ``primary_email`` is null, unlike the schema."""
    emails = [address.email for address in dataset.list_user_emails(row.id)]
    return _serialize_base(row) | {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "primary_email": dataset.primary_email(row.id),
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


def serialize_user_email(dataset: Dataset, row: UserEmail) -> JsonObject:
    return _serialize_base(row) | {
        "user_id": row.user_id,
        "email": row.email,
        "verified": row.verified,
        "verification_token_sent_at": None if row.verified else row.created_at,
    }


def serialize_user_role(dataset: Dataset, row: UserRole) -> JsonObject:
    """Serialize a role; v1's ``interviewer`` is ``deprecated_interviewer`` here."""
    kind = "deprecated_interviewer" if row.role_type == "interviewer" else row.role_type
    return _serialize_base(row) | {"role_type": kind, "name": row.name}


def serialize_user_job_permission(dataset: Dataset, row: JobPermission) -> JsonObject:
    return _serialize_base(row) | {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "role_id": row.role_id,
        "automated": row.automated,
    }


def serialize_future_job_permission(dataset: Dataset, row: FutureJobPermission) -> JsonObject:
    """Serialize a future grant; without department and office it covers every job."""
    return _serialize_base(row) | {
        "department_id": row.department_id,
        "user_id": row.user_id,
        "office_id": row.office_id,
        "role_id": row.role_id,
    }


def serialize_job_owner(dataset: Dataset, row: TeamMember) -> JsonObject:
    return _serialize_base(row) | {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "type": row.type,
        "responsible": row.responsible,
    }


def serialize_job_hiring_manager(dataset: Dataset, row: TeamMember) -> JsonObject:
    return _serialize_base(row) | {"user_id": row.user_id, "job_id": row.job_id}


def serialize_opening(dataset: Dataset, row: Opening) -> JsonObject:
    return _serialize_base(row) | {
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


def serialize_close_reason(dataset: Dataset, row: CloseReason) -> JsonObject:
    return _serialize_base(row) | {"name": row.name}


def serialize_rejection_reason(dataset: Dataset, row: RejectionReason) -> JsonObject:
    key, label = sample_values.REJECTION_TYPES[row.type_id]
    return _serialize_base(row) | {
        "name": row.name,
        "type": {"id": row.type_id, "key": key, "name": label},
    }


def serialize_rejection_detail(dataset: Dataset, row: RejectionDetail) -> JsonObject:
    return _serialize_base(row) | {
        "application_id": row.application_id,
        "rejected_by_id": row.rejected_by_id,
        "rejection_note_id": None,
        "rejection_reason_id": row.rejection_reason_id,
        "rejected_at": row.rejected_at,
        "question_custom_fields": None,
    }


def serialize_scorecard(dataset: Dataset, row: Scorecard) -> JsonObject:
    # Without mentions, tagged texts equal the plain ones. The kit's ID is the scorecard's own.
    return _serialize_base(row) | {
        "interview_kit_id": row.id,
        "interviewer_id": row.interviewer_id,
        "interviewed_at": row.interviewed_at,
        "submitter_id": row.interviewer_id,
        "submitted_at": row.submitted_at,
        "candidate_rating": row.candidate_rating,
        "status": row.status,
        "application_id": row.application_id,
        **{
            f"{name}{suffix}": getattr(row, name)
            for name in ("notes", "public_notes", "private_notes")
            for suffix in ("", "_with_tags")
        },
    }


def serialize_department(dataset: Dataset, row: Department) -> JsonObject:
    return _serialize_base(row) | {
        "name": row.name,
        "parent_id": row.parent_id,
        "external_id": row.external_id,
    }


def serialize_office(dataset: Dataset, row: Office) -> JsonObject:
    return _serialize_base(row) | {
        "name": row.name,
        "parent_id": row.parent_id,
        "external_id": row.external_id,
        "location": row.location,
        "primary_in_house_contact_user_id": row.primary_contact_user_id,
    }


def serialize_source(dataset: Dataset, row: Source) -> JsonObject:
    return _serialize_base(row) | {
        "name": row.name,
        "type": {"id": row.type_id, "name": row.type_name},
    }


def serialize_referrer(dataset: Dataset, row: Referrer) -> JsonObject:
    return _serialize_base(row) | {"user_id": row.user_id, "name": row.name}


def serialize_attachment(dataset: Dataset, row: Attachment) -> JsonObject:
    """Serialize an attachment. Real URLs expire after seven days at most."""
    return _serialize_base(row) | {
        "application_id": row.application_id,
        "candidate_id": row.candidate_id,
        "type": row.type,
        "filename": row.filename,
        "url": build_file_url(dataset, row),
    }


def serialize_note(dataset: Dataset, row: Note) -> JsonObject:
    return _serialize_base(row) | {
        "application_id": row.application_id,
        "body": row.body,
        "body_with_tags": row.body,
        "candidate_id": row.candidate_id,
        "email_attachment_file_names": None,
        "email_cc": None,
        "email_from": None,
        "email_to": None,
        "import_hash": None,
        "subject": None,
        "type": row.type,
        "user_id": row.user_id,
        "visibility": row.visibility,
    }


def serialize_email_template(dataset: Dataset, row: EmailTemplate) -> JsonObject:
    """Serialize an email template; ``from_type`` is inferred."""
    return _serialize_base(row) | {
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


def serialize_custom_field(dataset: Dataset, row: CustomField) -> JsonObject:
    of_application = row.field_type == "application"
    return _serialize_base(row) | {
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


def serialize_custom_field_option(dataset: Dataset, row: CustomFieldOption) -> JsonObject:
    return _serialize_base(row) | {
        "custom_field_id": row.custom_field_id,
        "name": row.name,
        "external_id": None,
        "sort_order": row.priority,
        "active": row.active,
    }
