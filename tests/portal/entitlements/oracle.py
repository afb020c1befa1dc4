"""Who sees what, once more: slow, obvious, and without a line of the portal's own rules.

A `Truth` holds whole tables, read once, and decides row by row. What may not be read is told by
the caller.
"""

from __future__ import annotations

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.mirror.models import Application, AtsUser, AtsUserEmail, Job, JobGrant, TeamMember

SEEING = {"live", "degraded", "checking", "syncing", "action_needed"}


class Truth:
    def __init__(self) -> None:
        self.addresses = list(AtsUserEmail.objects.select_related("user"))
        self.jobs = list(Job.objects.all())
        self.applications = list(Application.objects.select_related("candidate"))
        self.granted = {
            (grant.user_id, grant.job_id)
            for grant in JobGrant.objects.all()
            if grant.job_admin and grant.gone_at is None
        }
        self.on_team = {(place.user_id, place.job_id) for place in TeamMember.objects.all()}

    def jobs_seen(
        self,
        member: Membership,
        connection: Connection | None,
        *,
        grants_read: bool = True,
        team_read: bool = True,
        closed: bool = False,
    ) -> set[int]:
        """The keys of the jobs that this member is to see."""
        user = self._greenhouse_user(member, connection)
        if user is None:
            return set()
        seen = set()
        for job in self.jobs:
            if job.connection_id != user.connection_id or job.gone_at is not None:
                continue
            if job.status != "open" and not (closed and job.status == "closed"):
                continue
            if user.site_admin and not job.confidential:
                seen.add(job.pk)
            if grants_read and (user.pk, job.pk) in self.granted:
                seen.add(job.pk)
            if (
                not grants_read
                and team_read
                and not job.confidential
                and (user.pk, job.pk) in self.on_team
            ):
                seen.add(job.pk)
        return seen

    def applications_seen(
        self,
        member: Membership,
        connection: Connection | None,
        *,
        names_read: bool = True,
        **known: bool,
    ) -> set[int]:
        """The keys of the applications that this member is to see."""
        jobs = self.jobs_seen(member, connection, **known)
        seen = set()
        for application in self.applications:
            candidate = application.candidate
            if application.job_id not in jobs or application.gone_at is not None:
                continue
            if candidate is None and names_read:
                continue
            if candidate is not None and (candidate.private or candidate.gone_at is not None):
                continue
            seen.add(application.pk)
        return seen

    def _greenhouse_user(self, member: Membership, connection: Connection | None) -> AtsUser | None:
        if connection is None or connection.state not in SEEING:
            return None
        if connection.organization_id != member.organization_id:
            return None
        if member.user.email_confirmed_at is None:
            return None
        address = member.user.email.strip().lower()
        owners = {
            row.user.pk: row.user
            for row in self.addresses
            if row.address == address
            and row.verified is not False
            and row.user.connection_id == connection.pk
            and row.user.gone_at is None
        }
        if len(owners) != 1:
            return None
        user = next(iter(owners.values()))
        return None if user.deactivated else user
