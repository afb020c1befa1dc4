"""Which jobs a member may see, and what they may do there. The only wall: deny by default.

Every view, export, count, search and action gets at jobs and applications through here. The rules
are Greenhouse's own (docs/entitlements.md tells where each is from):

- a Site Admin sees every job that is not confidential, a confidential one only by a grant;
- a Job Admin sees the jobs granted to them, confidential or not;
- interviewer roles, Basic users, deactivated, unmatched and ambiguous people see nothing;
- where the credential may not read the grants, a place on the hiring team of a job that is not
  confidential stands in for one. That is narrower than Greenhouse, never wider.

`portal.entitlements.explain` tells the same rules in words for one job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.ats.types import JobStatus
from portal.accounts.models import Membership
from portal.connections.features import Features, features
from portal.connections.models import Connection
from portal.entitlements.people import Match, Standing, match
from portal.mirror.models import Application, AtsUser, Job, JobGrant, TeamMember

_State = Connection.State
# Paused and disconnected: nothing to act on. Draft: there is nothing yet.
_ACTING = {_State.LIVE, _State.DEGRADED, _State.CHECKING, _State.SYNCING}
_SEEING = _ACTING | {_State.ACTION_NEEDED}


@dataclass(frozen=True)
class Rights:
    """A member's rights, worked out once for a request or a task."""

    match: Match
    features: Features

    @property
    def sees(self) -> bool:
        return self.match.standing == Standing.MATCHED and self.connected

    @property
    def acts(self) -> bool:
        connection = self.match.connection
        return self.sees and connection is not None and connection.state in _ACTING

    @property
    def connected(self) -> bool:
        """Whether the connection is in a state that lets anybody see anything."""
        connection = self.match.connection
        return connection is not None and connection.state in _SEEING

    @property
    def by_hiring_team(self) -> bool:
        """Whether the hiring team stands in, because grants may not be read."""
        return "job_admins" in self.features.off

    @property
    def team_is_known(self) -> bool:
        """Whether hiring teams may be read. Those of an earlier time prove nothing."""
        return "hiring_team" not in self.features.off

    def why_not(self, action: str) -> str:
        """Why the member can do this nowhere at the moment; "" when nothing general forbids it.

        `action` is the key of a feature: advance, reject, move, …
        """
        if not self.acts:
            return "The connection to Greenhouse is not ready. An admin sees why in Set-up."
        return self.features.why_off(action)


def rights(member: Membership) -> Rights:
    """The member's rights as the mirror knows them now."""
    found = match(member)
    return Rights(found, features(found.connection) if found.connection else Features())


def visible_jobs(
    member: Membership, *, held: Rights | None = None, closed: bool = False
) -> QuerySet[Job]:
    """The open jobs this member may see; with `closed` the closed ones too, by the same rules.

    Drafts, and states that we do not know, are shown to nobody. `held`: rights worked out before,
    to save the queries.
    """
    held = held or rights(member)
    if not held.sees or held.match.user is None:
        return Job.objects.none()
    return Job.objects.filter(
        _may_see(held.match.user, held),
        connection=held.match.connection,
        gone_at=None,
        status__in=(JobStatus.OPEN, JobStatus.CLOSED) if closed else (JobStatus.OPEN,),
    )


def _may_see(user: AtsUser, held: Rights) -> Q:
    allowed = Q(pk__in=())
    if user.site_admin:
        allowed |= Q(confidential=False)
    if not held.by_hiring_team:
        return allowed | Q(Exists(_grants(user).filter(job=OuterRef("pk"))))
    if held.team_is_known:
        return allowed | Q(Exists(_places(user).filter(job=OuterRef("pk"))), confidential=False)
    return allowed


def _may_see_this(user: AtsUser, held: Rights, job: Job) -> bool:
    """The same of one job at hand, open and the connection's own.

    Both must say the same: tests/portal/entitlements/test_any_world.py compares them.
    """
    if user.site_admin and not job.confidential:
        return True
    if not held.by_hiring_team:
        return _grants(user).filter(job=job).exists()
    return held.team_is_known and not job.confidential and _places(user).filter(job=job).exists()


def _grants(user: AtsUser) -> QuerySet[JobGrant]:
    return JobGrant.objects.filter(user=user, job_admin=True, gone_at=None)


def _places(user: AtsUser) -> QuerySet[TeamMember]:
    return TeamMember.objects.filter(user=user)


def visible_applications(
    member: Membership, *, held: Rights | None = None, closed: bool = False
) -> QuerySet[Application]:
    """The applications on jobs this member may see. Private candidates are hidden.

    A candidate marked private is shown in Greenhouse only by a right that its API does not tell,
    so nobody sees one here; nor somebody whose candidate was not read yet and may be private.
    Where candidates may not be read at all, applications are shown without a name.
    """
    held = held or rights(member)
    return public_applications(held.features).filter(
        job__in=visible_jobs(member, held=held, closed=closed)
    )


def visible_application(
    member: Membership, pk: int, *, held: Rights | None = None
) -> Application | None:
    """The one application, if `visible_applications` has it; with its candidate, stage, job, source
    and connection.

    The job's rights are asked of the job at hand: every click asks this, and for a single row it
    takes longer to put the general question into SQL than to answer it.
    """
    held = held or rights(member)
    user, connection = held.match.user, held.match.connection
    if not held.sees or user is None or connection is None:
        return None
    known = public_applications(held.features).select_related("candidate", "stage", "job", "source")
    found = known.filter(
        pk=pk, job__connection=connection, job__gone_at=None, job__status=JobStatus.OPEN
    ).first()
    if found is None or found.job is None or not _may_see_this(user, held, found.job):
        return None
    found.connection = connection
    return found


def applications_on(jobs: Collection[int], held: Rights) -> QuerySet[Application]:
    """The applications on these jobs: keys of jobs that `visible_jobs` gave for the same rights.

    What `visible_applications` gives for them, without asking for each job's rights once more.
    """
    return public_applications(held.features).filter(job__in=jobs)


def public_applications(known: Features) -> QuerySet[Application]:
    """The applications that nothing hides but the rights to their job. Never shown as they are."""
    if "applications" in known.off:
        return Application.objects.none()
    public = Q(candidate__private=False, candidate__gone_at=None)
    if "candidates" in known.off:
        public |= Q(candidate=None)
    return Application.objects.filter(public, gone_at=None)


def why_nothing(held: Rights) -> str:
    """What a person without any right reads: what, why, and whom to ask. "" when they have one."""
    found = held.match
    if found.standing == Standing.NO_CONNECTION or (
        found.connection and found.connection.state == _State.DRAFT
    ):
        return "Greenhouse is not connected yet. An admin of your organization does that in Set-up."
    if not held.connected:
        return (
            "The connection to Greenhouse is off at the moment. Ask an admin of your organization."
        )
    if found.unverified:
        return (
            f"Greenhouse has your address, {found.address}, but it was never confirmed there. "
            "Confirm it in your Greenhouse profile, or ask the person who manages Greenhouse at "
            "your company."
        )
    return {
        Standing.UNCONFIRMED: f"Your address, {found.address}, is not confirmed yet. Open “Your "
        "sign-in › E-mail address” in your menu and have the confirmation mail sent to you.",
        Standing.UNMATCHED: f"Nobody in Greenhouse has your address, {found.address}. Both must "
        "use the same one: ask the person who manages Greenhouse at your company to add it to your "
        "Greenhouse account, or an admin here to change the address you sign in with.",
        Standing.AMBIGUOUS: f"More than one Greenhouse account has your address, {found.address}, "
        "so it is not clear which one is yours. Ask the person who manages Greenhouse at your "
        "company to leave it on one account only.",
        Standing.DEACTIVATED: "Your Greenhouse account is deactivated. Ask the person who manages "
        "Greenhouse at your company to reactivate it.",
    }.get(found.standing, "")
