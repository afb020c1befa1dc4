"""Which jobs and applications a member may see and act on: the only authorization check, denying by
default.

The rules are Greenhouse's own (docs/entitlements.md). If the credential can't read grants, the
hiring team stands in for them: narrower than Greenhouse, never wider.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Q, QuerySet

from integrations.ats.types import JobStatus
from portal.accounts.admins import name_admins, suggest_setup_fix
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.connections.permissions.features import Features, load_features
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.access_paths import AccessPath, list_access_paths
from portal.entitlements.user_matching import MatchStatus, UserMatch, match_user
from portal.sync.models import Application, AtsUser, Job

GREENHOUSE_MANAGER = "whoever manages Greenhouse at your company"
_State = Connection.State
_ACTION_STATES = Connection.LIVE_STATES | {_State.CHECKING, _State.SYNCING}
_VIEW_STATES = _ACTION_STATES | {_State.ACTION_NEEDED}
_RECORD_FEATURES = frozenset({"job_admins", "hiring_team"})  # of `list_access_paths`
_VISIBILITY_FEATURES = _RECORD_FEATURES | {"applications", "candidates"}


@dataclass(frozen=True)
class VisibilityRule:
    """Which rows a user may see, for lookups that are compiled once: all but the IDs."""

    is_site_admin: bool
    unavailable: frozenset[str]

    @property
    def depends_on_user(self) -> bool:
        return not self.unavailable.issuperset(_RECORD_FEATURES)

    def list_jobs(self, ids: Sequence[int], *, closed: bool = False) -> QuerySet[Job]:
        """`ids` are a viewer's."""
        connection_id, *user_ids = ids
        user = AtsUser(pk=next(iter(user_ids), None), site_admin=self.is_site_admin)
        is_visible = Q(pk__in=())
        for path in list_access_paths(self.unavailable):
            is_visible |= path.build_job_filter(user)
        return Job.objects.filter(
            is_visible,
            connection=connection_id,
            gone_at=None,
            status__in=_list_statuses(closed=closed),
        )

    def list_applications(
        self, ids: Sequence[int], *, closed: bool = False
    ) -> QuerySet[Application]:
        jobs = self.list_jobs(ids, closed=closed)
        return public_applications(self.unavailable).filter(job__in=jobs)


@dataclass(frozen=True)
class Viewer:
    rule: VisibilityRule
    ids: tuple[int, ...]  # of the connection and, if the rule depends on it, of the user


@dataclass(frozen=True)
class Rights:
    member: Membership
    match: UserMatch
    features: Features

    @property
    def can_view(self) -> bool:
        return self.match.status == MatchStatus.MATCHED and self.is_connected

    @property
    def can_act(self) -> bool:
        connection = self.match.connection
        return self.can_view and connection is not None and connection.state in _ACTION_STATES

    @property
    def is_connected(self) -> bool:
        connection = self.match.connection
        return connection is not None and connection.state in _VIEW_STATES

    @property
    def uses_hiring_team(self) -> bool:
        # A stand-in if grants can't be read, or were not yet.
        return "job_admins" in self.features.unavailable

    @property
    def access_paths(self) -> tuple[AccessPath, ...]:
        return list_access_paths(self.features.unavailable)

    @property
    def viewer(self) -> Viewer | None:
        """Whose rows are visible; None if none are."""
        user, connection = self.match.user, self.match.connection
        if not self.can_view or user is None or connection is None:
            return None
        unavailable = _VISIBILITY_FEATURES & self.features.unavailable
        rule = VisibilityRule(user.site_admin, unavailable)
        ids = (connection.pk, user.pk) if rule.depends_on_user else (connection.pk,)
        return Viewer(rule, ids)

    @cached_property
    def admin_names(self) -> str:
        return name_admins(self.member.organization_id)

    @cached_property
    def setup_advice(self) -> str:
        return suggest_setup_fix(self.member)

    def why_unavailable(self, action: str) -> str:
        if not self.can_act:
            return f"The connection to Greenhouse isn't working. {self.setup_advice}"
        if syncing := self.features.explain_syncing(action):
            return syncing
        reason = self.features.explain_off(action)
        return f"{reason} {self.setup_advice}" if action in self.features.off else reason


@use_prepared_statements()
def get_rights(member: Membership) -> Rights:
    user_match = match_user(member)
    features = load_features(user_match.connection) if user_match.connection else Features()
    return Rights(member, user_match, features)


def visible_jobs(
    member: Membership, *, member_rights: Rights | None = None, closed: bool = False
) -> QuerySet[Job]:
    member_rights = member_rights or get_rights(member)
    viewer = member_rights.viewer
    if viewer is None:
        return Job.objects.none()
    return viewer.rule.list_jobs(viewer.ids, closed=closed)


def visible_job(pk: int, member_rights: Rights) -> Job | None:
    """One of `visible_jobs`, open or closed, checked in Python."""
    user, connection = member_rights.match.user, member_rights.match.connection
    if not member_rights.can_view or user is None or connection is None:
        return None
    jobs = _find_job(pk, connection.pk)
    if not jobs or find_access_path(user, member_rights, jobs[0]) is None:
        return None
    [job] = jobs
    job.connection = connection
    return job


@compile_once
def _find_job(pk: int, connection_id: int) -> QuerySet[Job]:
    jobs = Job.objects.filter(
        pk=pk, connection=connection_id, gone_at=None, status__in=_list_statuses(closed=True)
    )
    return jobs.select_related("department")


def _list_statuses(*, closed: bool) -> tuple[str, ...]:
    return (JobStatus.OPEN, JobStatus.CLOSED) if closed else (JobStatus.OPEN,)


def find_access_path(user: AtsUser, member_rights: Rights, job: Job) -> AccessPath | None:
    """Return the way in which the user sees the job, if any."""
    paths = member_rights.access_paths
    return next((path for path in paths if path.includes_job(user, job)), None)


def visible_applications(
    member: Membership, *, member_rights: Rights | None = None, closed: bool = False
) -> QuerySet[Application]:
    """Applications on visible jobs. Private candidates are hidden, since Greenhouse's API doesn't
    tell who may see them; so are candidates that were not read yet.
    """
    member_rights = member_rights or get_rights(member)
    return public_applications(member_rights.features.unavailable).filter(
        job__in=visible_jobs(member, member_rights=member_rights, closed=closed)
    )


def recorded_applications(member: Membership, *, member_rights: Rights) -> QuerySet[Application]:
    """Applications whose decisions the member may read: the visible ones of open and closed jobs,
    and those of erased candidates, who have no name any more. Deleting a person in Greenhouse
    must not take what was decided from the record.
    """
    features = member_rights.features
    if "applications" in features.unavailable:
        return Application.objects.none()
    was_erased = Q(candidate__private=False, candidate__erased_at__isnull=False)
    return Application.objects.filter(
        _build_public_filter(features.unavailable) | was_erased,
        job__in=visible_jobs(member, member_rights=member_rights, closed=True),
    )


def visible_application(
    member: Membership, pk: int, *, member_rights: Rights | None = None, closed: bool = False
) -> Application | None:
    """One of `visible_applications`, checked in Python."""
    member_rights = member_rights or get_rights(member)
    user, connection = member_rights.match.user, member_rights.match.connection
    if not member_rights.can_view or user is None or connection is None:
        return None
    unavailable = _VISIBILITY_FEATURES & member_rights.features.unavailable
    for application in _find_application(pk, connection.pk, unavailable=unavailable, closed=closed):
        if application.job and find_access_path(user, member_rights, application.job):
            application.connection = connection
            return application
    return None


@compile_once
def _find_application(
    pk: int, connection_id: int, *, unavailable: Set[str], closed: bool
) -> QuerySet[Application]:
    applications = public_applications(unavailable).filter(
        pk=pk,
        job__connection=connection_id,
        job__gone_at=None,
        job__status__in=_list_statuses(closed=closed),
    )
    return applications.select_related("candidate", "stage", "job", "source")


def applications_on_jobs(jobs: Collection[int], member_rights: Rights) -> QuerySet[Application]:
    """`jobs` must come from `visible_jobs` for the same rights, which aren't checked again."""
    return public_applications(member_rights.features.unavailable).filter(job__in=jobs)


def public_applications(unavailable: Set[str]) -> QuerySet[Application]:
    """Applications before checking rights to their job; never show these directly."""
    if "applications" in unavailable:
        return Application.objects.none()
    return Application.objects.filter(_build_public_filter(unavailable))


def _build_public_filter(unavailable: Set[str]) -> Q:
    # Without permission to read candidates, applications are shown without a name.
    visibility_filter = Q(candidate__private=False, candidate__gone_at=None)
    if "candidates" in unavailable:
        visibility_filter |= Q(candidate=None)
    return visibility_filter & Q(gone_at=None)


def explain_no_access(member_rights: Rights) -> str:
    """Why the member sees nothing and whom to ask; empty if they have access."""
    user_match = member_rights.match
    if user_match.status == MatchStatus.NO_CONNECTION or (
        user_match.connection and user_match.connection.state == _State.DRAFT
    ):
        return f"Greenhouse isn't connected yet. {member_rights.setup_advice}"
    if not member_rights.is_connected:
        return f"The connection to Greenhouse is off. {member_rights.setup_advice}"
    if user_match.is_unverified:
        return (
            f"Your email, {user_match.email}, isn't verified in Greenhouse. Verify it in your "
            f"Greenhouse profile, or ask {GREENHOUSE_MANAGER}."
        )
    return {
        MatchStatus.UNCONFIRMED: f"Your email, {user_match.email}, isn't confirmed yet. Go to "
        "Security › Email address in your menu and have the confirmation email sent to you.",
        MatchStatus.UNMATCHED: f"No Greenhouse user has your email, {user_match.email}. Ask "
        f"{GREENHOUSE_MANAGER} to add it to your Greenhouse account.",
        MatchStatus.AMBIGUOUS: "More than one Greenhouse user has your email, "
        f"{user_match.email}. Ask {GREENHOUSE_MANAGER} to keep it on your account only.",
        MatchStatus.DEACTIVATED: f"Your Greenhouse account is deactivated. Ask "
        f"{GREENHOUSE_MANAGER} to reactivate it.",
    }.get(user_match.status, "")
