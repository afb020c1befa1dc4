"""Harvest v1 serializers of candidates and applications."""

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
from integrations.greenhouse.sandbox.dataset.file_links import build_file_url
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    Attachment,
    Candidate,
    Note,
    RejectionReason,
    Source,
)

NOTE_VISIBILITIES = {
    "admin_only_visible": "admin_only",
    "privately_visible": "private",
    "publicly_visible": "public",
}


def serialize_rejection_reason(dataset: Dataset, row: RejectionReason) -> JsonObject:
    _, label = sample_values.REJECTION_TYPES[row.type_id]
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": label}}


def serialize_source(dataset: Dataset, row: Source) -> JsonObject:
    return {"id": row.id, "name": row.name, "type": {"id": row.type_id, "name": row.type_name}}


def serialize_attachment(dataset: Dataset, row: Attachment) -> JsonObject:
    """Serialize an attachment. Real URLs expire after seven days at most."""
    return {
        "filename": row.filename,
        "url": build_file_url(dataset, row),
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
        "keyed_custom_fields": build_keyed_custom_fields(row.custom),
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
        "keyed_custom_fields": build_keyed_custom_fields(row.custom),
    }


def serialize_note(dataset: Dataset, row: Note) -> JsonObject:
    """Serialize a note; the misspelled key is in the documentation's example, too."""
    visibility = NOTE_VISIBILITIES[row.visibility]
    return {
        "id": row.id,
        "created_at": row.created_at,
        "body": row.body,
        "user": serialize_user_reference(dataset, row.user_id),
        "private": visibility == "private",
        "visiblity": visibility,
        "visibility": visibility,
    }
