"""Action contexts of applications on several jobs, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.refusals import get_learned_refusals_by_role, get_role_ids
from portal.sync.models import Application


def build_job_contexts(
    action_context: ActionContext, applications: Iterable[Application]
) -> Mapping[int | None, ActionContext]:
    """The context of each application's job, by our key of it. `action_context` is one of them."""
    other_jobs = {
        application.job_id: application.job
        for application in applications
        if application.job_id not in (None, action_context.job_id)
    }
    contexts: dict[int | None, ActionContext] = {
        None: action_context,
        action_context.job_id: action_context,
    }
    if not other_jobs:
        return contexts
    rights = action_context.rights
    roles = get_role_ids([job_id for job_id in other_jobs if job_id], rights)
    refusals = get_learned_refusals_by_role(
        rights.match.connection, {role for role in roles.values() if role is not None}
    )
    for job_id, job in other_jobs.items():
        if job_id is None or job is None:
            continue
        role = roles.get(job_id)
        context = action_context.for_job(job_id, role, is_job_open=job.is_open)
        context.__dict__["refusals"] = refusals.get(role, {})  # as a cached property
        contexts[job_id] = context
    return contexts
