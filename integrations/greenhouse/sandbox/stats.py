"""What is in an account, counted, so that a client's own counts can be compared."""

from __future__ import annotations

from collections import Counter
from typing import Any

from . import cast
from .rights import visible_open_jobs
from .world import World


def stats(world: World, *, site_admin_grants: bool = False) -> dict[str, Any]:
    """Count an account.

    ``users`` counts what v1 lists; ``users_without_service_accounts`` what v3 lists. Visible open
    jobs are told by the local part of each of the cast's primary address.
    """
    real = [job for job in world.jobs if not job.is_template]
    active = Counter(row.job_id for row in world.applications if row.status == "active")
    visible = _visible(world, site_admin_grants)
    return {
        "account": world.account,
        "domain": world.domain,
        **{kind: len(table) for kind, table in world.tables.items()},
        "users_without_service_accounts": sum(not user.service_account for user in world.users),
        "jobs_by_status": dict(Counter(job.status for job in world.jobs)),
        "jobs_not_template": len(real),
        "jobs_not_template_by_status": dict(Counter(job.status for job in real)),
        "jobs_confidential": sum(job.confidential for job in world.jobs),
        "open_jobs": sum(job.status == "open" for job in real),
        "open_jobs_not_confidential": sum(
            job.status == "open" and not job.confidential for job in real
        ),
        "prospects": sum(row.prospect for row in world.applications),
        "applications_by_status": dict(Counter(row.status for row in world.applications)),
        "active_applications_by_job": {str(job.id): active.get(job.id, 0) for job in world.jobs},
        "visible_open_jobs": {name: len(ids) for name, ids in visible.items()},
        "visible_open_job_ids": visible,
    }


def _visible(world: World, site_admin_grants: bool) -> dict[str, list[int]]:
    players = cast.ACME if world.account == "acme" else cast.OTHER
    found = {}
    for player in players:
        user = world.user_by_email(f"{player.addresses[0]}@{world.domain}")
        if user:
            found[player.addresses[0]] = visible_open_jobs(
                world, user, site_admins=site_admin_grants
            )
    return found
