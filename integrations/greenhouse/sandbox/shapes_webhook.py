"""What web hooks say: v1's words, with their own small differences (documented examples)."""

from __future__ import annotations

from typing import Any

from . import shapes_v1
from .records import Application, Candidate, Job, Stage
from .world import World

Payload = dict[str, Any]


def _person(world: World, user_id: int | None) -> Payload | None:
    user = world.users.get(user_id)
    if user is None:
        return None
    return {
        "id": user.id,
        "email": world.primary_email(user.id),
        "name": user.name,
        "employee_id": user.employee_id,
    }


def candidate(world: World, row: Candidate) -> Payload:
    """Shape a candidate inside a delivery."""
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "title": row.title,
        "company": row.company,
        "created_at": row.created_at,
        "external_id": None,
        "photo_url": None,
        "url": f"https://app.{world.domain}/people/{row.id}",
        "is_private": row.private,
        "can_email": row.can_email,
        "phone_numbers": row.phones,
        "email_addresses": row.emails,
        "addresses": row.addresses,
        "website_addresses": row.websites,
        "social_media_addresses": row.social,
        "educations": row.educations,
        "employments": [],
        "recruiter": _person(world, row.recruiter_id),
        "coordinator": _person(world, row.coordinator_id),
        "attachments": [],
        "tags": row.tags,
        "custom_fields": row.custom,
    }


def job_inside(world: World, row: Job) -> Payload:
    """Shape a job inside an application's delivery."""
    group = world.departments.get(row.department_id)
    places = [place for place in map(world.offices.get, row.office_ids) if place]
    return {
        "id": row.id,
        "name": row.name,
        "requisition_id": row.requisition_id,
        "notes": row.notes,
        "confidential": row.confidential,
        "job_post_id": next(iter(world.posts.ids_of("job_id", row.id)), None),
        "status": row.status,
        "created_by_id": None,
        "created_at": row.created_at,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "departments": [{"id": group.id, "name": group.name, "external_id": group.external_id}]
        if group
        else [],
        "offices": [
            {
                "id": place.id,
                "name": place.name,
                "location": place.location,
                "external_id": place.external_id,
            }
            for place in places
        ],
        "custom_fields": row.custom,
    }


def job(world: World, row: Job) -> Payload:
    """Shape a job of its own delivery, with team and openings."""
    team = shapes_v1.hiring_team(world, row.id)
    return job_inside(world, row) | {
        "hiring_team": {
            name: [{"user_id": seat["user_id"], "employee_id": None} for seat in seats]
            for name, seats in team.items()
        },
        "openings": [
            {"id": one.id, "opening_id": one.opening_id, "custom_fields": []}
            for one in world.openings.where("job_id", row.id)
        ],
    }


def application(world: World, row: Application) -> Payload:
    """Shape an application with its candidate and jobs."""
    shape = shapes_v1.application(world, row)
    stage = world.stages.get(row.stage_id)
    source = world.sources.get(row.source_id)
    referrer = world.referrers.get(row.referrer_id)
    person = world.candidates.get(row.candidate_id)
    numbers = [row.job_id] if row.job_id else row.prospective_job_ids
    kept = ("id", "rejected_at", "prospect", "prospect_detail", "status", "applied_at")
    return {name: shape[name] for name in kept} | {
        "last_activity_at": row.last_activity_at,
        "url": f"https://app.{world.domain}/people/{row.candidate_id}?application_id={row.id}",
        "source": {"id": source.id, "name": source.name} if source else None,
        "credited_to": _person(world, referrer.user_id) if referrer else None,
        "rejection_reason": shape["rejection_reason"],
        "rejection_details": {"custom_fields": {}} if row.status == "rejected" else None,
        "current_stage": {"id": stage.id, "name": stage.name, "interviews": []} if stage else None,
        "custom_fields": row.custom,
        "candidate": candidate(world, person) if person else None,
        "jobs": [job_inside(world, one) for one in map(world.jobs.get, numbers) if one],
    }


def hired_application(world: World, row: Application, hired_at: str) -> Payload:
    """Shape an application whose candidate was hired: with opening and offer, without a status."""
    shape = application(world, row)
    source = world.sources.get(row.source_id)
    day = hired_at[:10]
    kept = ("id", "credited_to", "url", "candidate", "custom_fields")
    return {name: shape[name] for name in kept} | {
        "jobs": [_hired_job(one) for one in shape["jobs"]],
        "source": {"id": source.id, "public_name": source.name} if source else None,
        "job": next((_hired_job(one, dates=True) for one in shape["jobs"]), None),
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


def _hired_job(shape: Payload, *, dates: bool = False) -> Payload:
    """The short form of a job; as `job` of the application its dates have names of their own."""
    kept = ("id", "name", "requisition_id", "departments", "offices", "custom_fields")
    short = {name: shape[name] for name in kept}
    if dates:
        return short | {"open_date": shape["opened_at"], "close_date": shape["closed_at"]}
    return short | {name: shape[name] for name in ("confidential", "opened_at", "closed_at")}


def deleted_application(world: World, row: Application) -> Payload:
    """Shape an application that is gone: flat."""
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


def person_gone(row: Candidate) -> Payload:
    """Shape a candidate who was deleted or merged away."""
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


def stage(row: Stage) -> Payload:
    """Shape a stage that was deleted."""
    return {
        "id": row.id,
        "job_id": row.job_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "name": row.name,
        "active": row.active,
    }
