"""Who may see and do what inside Greenhouse. The API shows only a part of it."""

from __future__ import annotations

from .records import Application, Job, JobPermission, User, UserRole
from .world import World


def role_on(world: World, user: User, job_id: int | None) -> UserRole | None:
    """Give the role this user holds on this job by an explicit grant, or None."""
    for grant in world.grants.where("user_id", user.id):
        if grant.job_id == job_id:
            return world.user_roles.get(grant.role_id)
    return None


def can_open_job(world: World, user: User, job: Job) -> bool:
    """Say whether this user can see this job in Greenhouse.

    Site Admins see every non-confidential job; everything else needs an explicit grant
    (documented in Greenhouse's help centre, articles 115002867006 and 201688379).
    """
    if user.deactivated:
        return False
    if user.site_admin and not job.confidential:
        return True
    return role_on(world, user, job.id) is not None


def may(world: World, user: User, job: Job | None, deed: str) -> bool:
    """Say whether a user may ``advance`` or ``reject`` on a job; None is a prospect without job.

    That each level of Job Admin carries separate rights is documented; which ones a custom role
    has is never shown by the API. Prospects without a job are left to Site Admins (inferred).
    """
    if user.deactivated:
        return False
    if user.site_admin and (job is None or not job.confidential):
        return True
    role = role_on(world, user, job.id) if job else None
    if role is None or role.role_type != "job_admin":
        return False
    return role.may_reject if deed == "reject" else role.may_advance


def can_open_application(world: World, user: User, application: Application) -> bool:
    """Say whether a user can see this application in Greenhouse at all."""
    numbers = [application.job_id] if application.job_id else application.prospective_job_ids
    jobs = [job for job in map(world.jobs.get, numbers) if job]
    if not jobs:
        return user.site_admin and not user.deactivated
    return any(can_open_job(world, user, job) for job in jobs)


def shown_grants(world: World, user: User, *, site_admins: bool) -> list[JobPermission]:
    """Give the grant rows of a user that the API reveals.

    Documented: "site admins never appear" (v3), "will return an empty array" (v1). Rows of
    deactivated users persist; that this holds for deactivated Site Admins too is inferred.
    """
    if user.site_admin and not user.deactivated and not site_admins:
        return []
    return world.grants.where("user_id", user.id)


def visible_open_jobs(world: World, user: User, *, site_admins: bool = False) -> list[int]:
    """Give the open requisitions that a portal should show this user, by what the API reveals.

    Not templates; every non-confidential one for a Site Admin; else those with a grant row whose
    role makes a Job Admin. Nothing for a deactivated user.
    """
    if user.deactivated:
        return []
    granted = {
        row.job_id
        for row in shown_grants(world, user, site_admins=site_admins)
        if (role := world.user_roles.get(row.role_id)) and role.role_type == "job_admin"
    }
    return [
        job.id
        for job in world.jobs.where("status", "open")
        if not job.is_template and ((user.site_admin and not job.confidential) or job.id in granted)
    ]
