"""Compare the mirror with the sandbox's records, field by field."""

from __future__ import annotations

from typing import Any

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.models import (
    Application,
    AtsUser,
    Candidate,
    Job,
    JobGrant,
    JobPost,
    Opening,
    RejectionReason,
    Stage,
    TeamMember,
)

Rows = dict[str, set[tuple[Any, ...]]]


def read_sandbox_rows(sandbox: Sandbox, kind: str) -> Rows:
    """The sandbox's records, as far as the mirror should contain them."""
    dataset = sandbox.dataset()
    jobs = {job.id for job in dataset.jobs if job.is_requisition}
    # v3 lists no service accounts, so none of their team roles either.
    users = {u.id for u in dataset.users if kind == "harvest_key" or not u.service_account}
    # v3 lists only the grants of Job Admins.
    roles = {
        r.id for r in dataset.user_roles if kind == "harvest_key" or r.role_type == "job_admin"
    }
    granted = {u.id for u in dataset.users if not u.deactivated and not u.site_admin}
    return {
        "jobs": {
            (j.id, j.name, j.status, j.confidential, j.department_id)
            for j in dataset.jobs
            if j.id in jobs
        },
        "stages": {(s.id, s.job_id, s.name, s.active) for s in dataset.stages if s.job_id in jobs},
        "posts": {(p.id, p.title) for p in dataset.posts if p.job_id in jobs},
        "openings": {(o.id, o.job_id, o.open) for o in dataset.openings if o.job_id in jobs},
        "reasons": {(r.id, r.name) for r in dataset.rejection_reasons},
        "candidates": {(c.id, c.first_name or "", c.last_name or "") for c in dataset.candidates},
        "applications": {
            (a.id, a.candidate_id, None if a.prospect else a.job_id, a.status, a.stage_id)
            for a in dataset.applications
        },
        "grants": {
            (g.id, g.user_id, g.job_id)
            for g in dataset.grants
            if g.job_id in jobs and g.user_id in granted and g.role_id in roles
        },
        "users": {(u.id, u.site_admin, u.deactivated) for u in dataset.users if u.id in users},
        "team": {
            (m.job_id, m.user_id, m.type)
            for m in dataset.team
            if m.job_id in jobs and m.user_id in users
        },
    }


def read_synced_rows() -> Rows:
    """The rows of the mirror."""
    return {
        "jobs": _read_rows(Job, "name", "status", "confidential", "department__remote_id"),
        "stages": _read_rows(Stage, "job__remote_id", "name", "active", job__gone_at=None),
        "posts": _read_rows(JobPost, "title", job__gone_at=None),
        "openings": _read_rows(Opening, "job__remote_id", "is_open", job__gone_at=None),
        "reasons": _read_rows(RejectionReason, "name"),
        "candidates": _read_rows(Candidate, "first_name", "last_name"),
        "applications": _read_rows(
            Application, "candidate__remote_id", "job__remote_id", "status", "stage__remote_id"
        ),
        "grants": _read_rows(JobGrant, "user__remote_id", "job__remote_id"),
        "users": _read_rows(AtsUser, "site_admin", "deactivated"),
        "team": set(
            TeamMember.objects.filter(job__gone_at=None).values_list(
                "job__remote_id", "user__remote_id", "role"
            )
        ),
    }


def _read_rows(model: Any, *fields: str, **which: Any) -> set[tuple[Any, ...]]:
    return set(model.objects.filter(gone_at=None, **which).values_list("remote_id", *fields))


def assert_sync_matches(sandbox: Sandbox, kind: str, *, but: tuple[str, ...] = ()) -> None:
    """Assert that the mirror equals Greenhouse, except for the lists in `but`."""
    expected, mirrored = read_sandbox_rows(sandbox, kind), read_synced_rows()
    differing = {
        name: {"missing": sorted(expected[name] - mirrored[name], key=repr)[:5],
               "too many": sorted(mirrored[name] - expected[name], key=repr)[:5]}
        for name in expected
        if name not in but and expected[name] != mirrored[name]
    }  # fmt: skip
    assert not differing, differing
