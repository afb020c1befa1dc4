"""An independent, naive implementation of the visibility rules.

It reads whole tables once and decides row by row; the caller says which permissions are missing.
"""

from __future__ import annotations

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.sync.models import Application, AtsUser, AtsUserEmail, Job, JobGrant, TeamMember

VISIBLE_STATES = {"live", "degraded", "checking", "syncing", "action_needed"}
ACTING_STATES = {"live", "degraded", "checking", "syncing"}


class NaiveRules:
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

    def visible_job_pks(
        self,
        member: Membership,
        connection: Connection | None,
        *,
        grants_read: bool = True,
        team_read: bool = True,
        closed: bool = False,
    ) -> set[int]:
        """The primary keys of the jobs this member may see."""
        user = self._greenhouse_user(member, connection)
        if user is None:
            return set()
        visible = set()
        for job in self.jobs:
            if job.connection_id != user.connection_id or job.gone_at is not None:
                continue
            if job.status != "open" and not (closed and job.status == "closed"):
                continue
            if user.site_admin and not job.confidential:
                visible.add(job.pk)
            if grants_read and (user.pk, job.pk) in self.granted:
                visible.add(job.pk)
            if (
                not grants_read
                and team_read
                and not job.confidential
                and (user.pk, job.pk) in self.on_team
            ):
                visible.add(job.pk)
        return visible

    def visible_application_pks(
        self,
        member: Membership,
        connection: Connection | None,
        *,
        names_read: bool = True,
        **readable: bool,
    ) -> set[int]:
        """The primary keys of the applications this member may see."""
        jobs = self.visible_job_pks(member, connection, **readable)
        visible = set()
        for application in self.applications:
            candidate = application.candidate
            if application.job_id not in jobs or application.gone_at is not None:
                continue
            if candidate is None and names_read:
                continue
            if candidate is not None and (candidate.private or candidate.gone_at is not None):
                continue
            visible.add(application.pk)
        return visible

    def _greenhouse_user(self, member: Membership, connection: Connection | None) -> AtsUser | None:
        if connection is None or connection.state not in VISIBLE_STATES:
            return None
        if connection.organization_id != member.organization_id:
            return None
        if member.user.email_confirmed_at is None:
            return None
        address = member.user.email.strip()
        owners = {
            row.user.pk: row.user
            for row in self.addresses
            if row.address == address
            and row.verified is not False
            and row.user.connection_id == connection.pk
            and row.user.gone_at is None
        }
        active = [user for user in owners.values() if not user.deactivated]
        return active[0] if len(active) == 1 else None
