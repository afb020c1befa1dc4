"""Who can see and do what inside Greenhouse; the API shows only part of it."""

from __future__ import annotations

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    Job,
    JobPermission,
    User,
    UserRole,
)


def get_job_role(dataset: Dataset, user: User, job_id: int | None) -> UserRole | None:
    """Return the user's role on a job by an explicit grant, or None."""
    for grant in dataset.grants.filter_by("user_id", user.id):
        if grant.job_id == job_id:
            return dataset.user_roles.get(grant.role_id)
    return None


def can_open_job(dataset: Dataset, user: User, job: Job) -> bool:
    """Whether the user can see this job in Greenhouse.

    Site Admins see every non-confidential job; everything else needs an explicit grant
    (Greenhouse's help center, articles 115002867006 and 201688379).
    """
    if user.deactivated:
        return False
    if user.site_admin and not job.confidential:
        return True
    return get_job_role(dataset, user, job.id) is not None


def can_act_on_job(dataset: Dataset, user: User, job: Job | None, action: str) -> bool:
    """Whether the user may ``advance`` or ``reject`` on a job (None: a prospect's).

    Each Job Admin level has separate rights (documented), which the API never shows. Prospects
    without a job are left to Site Admins (inferred).
    """
    if user.deactivated:
        return False
    if user.site_admin and (job is None or not job.confidential):
        return True
    role = get_job_role(dataset, user, job.id) if job else None
    if role is None or role.role_type != "job_admin":
        return False
    return role.can_reject if action == "reject" else role.can_advance


def can_open_application(dataset: Dataset, user: User, application: Application) -> bool:
    job_ids = [application.job_id] if application.job_id else application.prospective_job_ids
    jobs = [job for job in map(dataset.jobs.get, job_ids) if job]
    if not jobs:
        return user.site_admin and not user.deactivated
    return any(can_open_job(dataset, user, job) for job in jobs)


def list_visible_grants(dataset: Dataset, user: User, *, site_admins: bool) -> list[JobPermission]:
    """Return the grants of a user that the API shows.

    Documented: "site admins never appear" (v3), "will return an empty array" (v1). Grants of
    deactivated users persist; that this includes deactivated Site Admins is inferred.
    """
    if user.site_admin and not user.deactivated and not site_admins:
        return []
    return dataset.grants.filter_by("user_id", user.id)


def list_visible_open_jobs(dataset: Dataset, user: User, *, site_admins: bool = False) -> list[int]:
    """Return the open jobs a portal should show this user, going by the API.

    Site Admins see every non-confidential job, others those granted with a Job Admin role;
    templates are jobs like others, and deactivated users see nothing.
    """
    if user.deactivated:
        return []
    granted = {
        row.job_id
        for row in list_visible_grants(dataset, user, site_admins=site_admins)
        if (role := dataset.user_roles.get(row.role_id)) and role.role_type == "job_admin"
    }
    return [
        job.id
        for job in dataset.jobs.filter_by("status", "open")
        if (user.site_admin and not job.confidential) or job.id in granted
    ]
