"""The visibility rule: the ways in which a Greenhouse user may see requisitions.

What a member sees, why, and the previews of both are derived from `list_access_paths`.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.sync.models import AtsUser, Job, JobGrant, TeamMember


class AccessReason(StrEnum):
    SITE_ADMIN = "site_admin"
    JOB_ADMIN = "job_admin"
    HIRING_TEAM = "hiring_team"


@dataclass(frozen=True)
class AccessPath:
    reason: AccessReason
    covers_confidential: bool
    records: QuerySet[Any] | None = None  # of user and job; None: all jobs, for Site Admins

    def build_job_filter(self, user: AtsUser) -> Q:
        """Jobs that the user sees this way."""
        if self.records is None:
            jobs = Q() if user.site_admin else Q(pk__in=())
        else:
            jobs = Q(Exists(self.records.filter(user=user, job=OuterRef("pk"))))
        return jobs if self.covers_confidential else jobs & Q(confidential=False)

    def includes_job(self, user: AtsUser, job: Job) -> bool:
        """The same for one job; faster than compiling the query."""
        if job.confidential and not self.covers_confidential:
            return False
        if self.records is None:
            return user.site_admin
        return self.records.filter(user=user, job=job).exists()

    def build_user_filter(self, **job_filters: Any) -> Q:
        """Users who see such a job this way."""
        if self.records is None:
            return Q(site_admin=True)
        return Q(Exists(self.list_records(user=OuterRef("pk"), **job_filters)))

    def list_records(self, *filters: Q, **field_filters: Any) -> QuerySet[Any]:
        """The records that give access."""
        records = JobGrant.objects.none() if self.records is None else self.records
        usable = records if self.covers_confidential else records.filter(job__confidential=False)
        return usable.filter(*filters, **field_filters)


def list_access_paths(unavailable: Set[str]) -> tuple[AccessPath, ...]:
    """If the credential can't read grants, the hiring team stands in for them. Synced teams prove
    nothing once the credential can no longer read them.
    """
    site_admin = AccessPath(AccessReason.SITE_ADMIN, covers_confidential=False)
    if "job_admins" not in unavailable:
        grants = JobGrant.objects.filter(job_admin=True, gone_at=None)
        return site_admin, AccessPath(AccessReason.JOB_ADMIN, True, grants)
    if "hiring_team" not in unavailable:
        return site_admin, AccessPath(AccessReason.HIRING_TEAM, False, TeamMember.objects.all())
    return (site_admin,)
