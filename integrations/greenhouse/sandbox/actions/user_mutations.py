"""Changes to users and their grants as if made in Greenhouse itself.

Permissions are not checked. None of these sends a webhook (documented: there is none).
"""

from __future__ import annotations

from integrations.greenhouse.sandbox.actions.record_lookup import find_user, get_record
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import JobPermission, User, UserEmail

# Users. None of these sends a webhook (documented: there is none).


def add_grant(
    dataset: Dataset, user: int | str, job_id: int, role: str = "Standard", automated: bool = False
) -> JobPermission:
    """Grant a job to a user, or change their role on it. Raises ValueError if unknown."""
    target, job = find_user(dataset, user), get_record(dataset.jobs, job_id)
    user_role = next((row for row in dataset.user_roles if row.name == role), None)
    if user_role is None:
        raise ValueError(
            f"Unknown role: {role}. Known: {', '.join(row.name for row in dataset.user_roles)}."
        )
    for row in dataset.grants.filter_by("user_id", target.id):
        if row.job_id == job.id:
            dataset.update_record(row, role_id=user_role.id)
            return row
    return dataset.add_record(
        JobPermission, user_id=target.id, job_id=job.id, role_id=user_role.id, automated=automated
    )


def remove_grant(dataset: Dataset, user: int | str, job_id: int) -> None:
    target = find_user(dataset, user)
    for row in dataset.grants.filter_by("user_id", target.id):
        if row.job_id == job_id:
            dataset.remove_record(row)


def deactivate_user(dataset: Dataset, user: int | str) -> User:
    """Deactivate a user; ``site_admin`` and grants stay."""
    target = find_user(dataset, user)
    dataset.update_record(target, deactivated=True)
    return target


def reactivate_user(dataset: Dataset, user: int | str) -> User:
    target = find_user(dataset, user)
    dataset.update_record(target, deactivated=False)
    return target


def set_site_admin(dataset: Dataset, user: int | str, site_admin: bool = True) -> User:
    target = find_user(dataset, user)
    dataset.update_record(target, site_admin=site_admin)
    return target


def change_email(dataset: Dataset, user: int | str, email: str) -> User:
    target = find_user(dataset, user)
    primary = next((row for row in dataset.list_user_emails(target.id) if row.primary), None)
    if primary:
        dataset.update_record(primary, email=email)
    else:
        dataset.add_record(UserEmail, user_id=target.id, email=email)
    dataset.update_record(target)
    return target
