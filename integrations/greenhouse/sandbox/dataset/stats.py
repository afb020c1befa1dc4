"""Record counts of an account, to compare with a client's own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from integrations.greenhouse.sandbox.dataset.access_rules import list_visible_open_jobs
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation.personas import get_personas


def count_records(dataset: Dataset, *, site_admin_grants: bool = False) -> dict[str, Any]:
    """Count the records of an account.

    ``users`` counts v1's list, ``users_without_service_accounts`` v3's. Visible open jobs are keyed
    by the local part of each persona's primary address.
    """
    requisitions = [job for job in dataset.jobs if job.is_requisition]
    active_counts = Counter(row.job_id for row in dataset.applications if row.status == "active")
    visible_ids = _list_visible_jobs(dataset, site_admin_grants)
    return {
        "account": dataset.account,
        "domain": dataset.domain,
        **{kind: len(table) for kind, table in dataset.tables.items()},
        "users_without_service_accounts": sum(not user.service_account for user in dataset.users),
        "jobs_by_status": dict(Counter(job.status for job in dataset.jobs)),
        "requisitions": len(requisitions),
        "requisitions_by_status": dict(Counter(job.status for job in requisitions)),
        "jobs_confidential": sum(job.confidential for job in dataset.jobs),
        "open_jobs": sum(job.status == "open" for job in requisitions),
        "open_jobs_not_confidential": sum(
            job.status == "open" and not job.confidential for job in requisitions
        ),
        "prospects": sum(row.prospect for row in dataset.applications),
        "applications_by_status": dict(Counter(row.status for row in dataset.applications)),
        "active_applications_by_job": {
            str(job.id): active_counts.get(job.id, 0) for job in dataset.jobs
        },
        "visible_open_jobs": {name: len(ids) for name, ids in visible_ids.items()},
        "visible_open_job_ids": visible_ids,
    }


def _list_visible_jobs(dataset: Dataset, site_admin_grants: bool) -> dict[str, list[int]]:
    job_ids_by_name = {}
    for persona in get_personas(dataset.account):
        user = dataset.find_user_by_email(f"{persona.email_names[0]}@{dataset.domain}")
        if user:
            job_ids_by_name[persona.email_names[0]] = list_visible_open_jobs(
                dataset, user, site_admins=site_admin_grants
            )
    return job_ids_by_name
