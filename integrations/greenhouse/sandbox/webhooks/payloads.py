"""Webhook payloads: like v1's objects, with the differences in documented examples."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox.api.v1 import application_serializers, job_serializers
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Candidate, Job, Stage

Payload = dict[str, Any]


def _build_user_reference(dataset: Dataset, user_id: int | None) -> Payload | None:
    user = dataset.users.get(user_id)
    if user is None:
        return None
    return {
        "id": user.id,
        "email": dataset.primary_email(user.id),
        "name": user.name,
        "employee_id": user.employee_id,
    }


def build_candidate_payload(dataset: Dataset, row: Candidate) -> Payload:
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "title": row.title,
        "company": row.company,
        "created_at": row.created_at,
        "external_id": None,
        "photo_url": None,
        "url": f"https://app.{dataset.domain}/people/{row.id}",
        "is_private": row.private,
        "can_email": row.can_email,
        "phone_numbers": row.phones,
        "email_addresses": row.emails,
        "addresses": row.addresses,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "educations": row.educations,
        "employments": [],
        "recruiter": _build_user_reference(dataset, row.recruiter_id),
        "coordinator": _build_user_reference(dataset, row.coordinator_id),
        "attachments": [],
        "tags": row.tags,
        "custom_fields": row.custom,
    }


def build_nested_job(dataset: Dataset, row: Job) -> Payload:
    department = dataset.departments.get(row.department_id)
    offices = [office for office in map(dataset.offices.get, row.office_ids) if office]
    return {
        "id": row.id,
        "name": row.name,
        "requisition_id": row.requisition_id,
        "notes": row.notes,
        "confidential": row.confidential,
        "job_post_id": next(iter(dataset.posts.find_ids("job_id", row.id)), None),
        "status": row.status,
        "created_by_id": None,
        "created_at": row.created_at,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "departments": [
            {
                "id": department.id,
                "name": department.name,
                "external_id": department.external_id,
            }
        ]
        if department
        else [],
        "offices": [
            {
                "id": office.id,
                "name": office.name,
                "location": office.location,
                "external_id": office.external_id,
            }
            for office in offices
        ],
        "custom_fields": row.custom,
    }


def build_job_payload(dataset: Dataset, row: Job) -> Payload:
    team = job_serializers.serialize_hiring_team(dataset, row.id)
    return build_nested_job(dataset, row) | {
        "hiring_team": {
            name: [{"user_id": member["user_id"], "employee_id": None} for member in members]
            for name, members in team.items()
        },
        "openings": [
            {"id": opening.id, "opening_id": opening.opening_id, "custom_fields": []}
            for opening in dataset.openings.filter_by("job_id", row.id)
        ],
    }


def build_application_payload(dataset: Dataset, row: Application) -> Payload:
    data = application_serializers.serialize_application(dataset, row)
    stage = dataset.stages.get(row.stage_id)
    source = dataset.sources.get(row.source_id)
    referrer = dataset.referrers.get(row.referrer_id)
    candidate = dataset.candidates.get(row.candidate_id)
    job_ids = [row.job_id] if row.job_id else row.prospective_job_ids
    field_names = ("id", "rejected_at", "prospect", "prospect_detail", "status", "applied_at")
    return {name: data[name] for name in field_names} | {
        "last_activity_at": row.last_activity_at,
        "url": f"https://app.{dataset.domain}/people/{row.candidate_id}?application_id={row.id}",
        "source": {"id": source.id, "name": source.name} if source else None,
        "credited_to": _build_user_reference(dataset, referrer.user_id) if referrer else None,
        "rejection_reason": data["rejection_reason"],
        "rejection_details": {"custom_fields": {}} if row.status == "rejected" else None,
        "current_stage": {"id": stage.id, "name": stage.name, "interviews": []} if stage else None,
        "custom_fields": row.custom,
        "candidate": build_candidate_payload(dataset, candidate) if candidate else None,
        "jobs": [build_nested_job(dataset, job) for job in map(dataset.jobs.get, job_ids) if job],
    }


def build_hired_application_payload(dataset: Dataset, row: Application, hired_at: str) -> Payload:
    """Build the payload of a hire: with opening and offer, without a status."""
    data = build_application_payload(dataset, row)
    source = dataset.sources.get(row.source_id)
    day = hired_at[:10]
    field_names = ("id", "credited_to", "url", "candidate", "custom_fields")
    return {name: data[name] for name in field_names} | {
        "jobs": [_build_hired_job(job_payload) for job_payload in data["jobs"]],
        "source": {"id": source.id, "public_name": source.name} if source else None,
        "job": next(
            (_build_hired_job(job_payload, dates=True) for job_payload in data["jobs"]), None
        ),
        "opening": {"opening_id": None, "custom_fields": []},
        "offer": {
            "id": row.id,
            "version": 1,
            "created_at": hired_at,
            "sent_at": day,
            "resolved_at": hired_at,
            "starts_at": day,
            "custom_fields": {},
        },
    }


def _build_hired_job(job: Payload, *, dates: bool = False) -> Payload:
    field_names = ("id", "name", "requisition_id", "departments", "offices", "custom_fields")
    short = {name: job[name] for name in field_names}
    if dates:  # the application's top-level ``job`` names its dates differently
        return short | {"open_date": job["opened_at"], "close_date": job["closed_at"]}
    return short | {name: job[name] for name in ("confidential", "opened_at", "closed_at")}


def build_deleted_application_payload(dataset: Dataset, row: Application) -> Payload:
    return {
        "id": row.id,
        "candidate_id": row.candidate_id,
        "job_id": row.job_id,
        "created_at": row.created_at,
        "source_id": row.source_id,
        "candidate_rejection_reason_id": row.rejection_reason_id,
        "rejection_note_id": None,
        "rejected_at": row.rejected_at,
        "referrer_id": row.referrer_id,
        "prospect": row.prospect,
        "rejected_by_user_id": None,
    }


def build_deleted_person_payload(row: Candidate) -> Payload:
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "company": row.company,
        "title": row.title,
        "created_at": row.created_at,
        "headline": None,
        "is_private": row.private,
        "recruiter_user_id": row.recruiter_id,
        "coordinator_user_id": row.coordinator_id,
        "can_email": row.can_email,
    }


def build_stage_payload(row: Stage) -> Payload:
    return {
        "id": row.id,
        "job_id": row.job_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "name": row.name,
        "active": row.active,
    }
