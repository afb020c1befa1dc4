"""What a sync reads, in its order: parents before what hangs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.ats.port import Provider
from integrations.ats.types import Page
from portal.connections.features import Features, features
from portal.connections.models import Connection
from portal.mirror import stays, team, write
from portal.mirror.models import (
    Application,
    AtsRole,
    AtsUser,
    Candidate,
    CloseReason,
    CustomField,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Mirrored,
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    SyncRun,
)
from portal.mirror.upsert import Written

Scope = SyncRun.Scope


@dataclass(frozen=True)
class From:
    """Where a list is read from: all of it, what changed since, or behind a page."""

    since: datetime | None = None
    cursor: str | None = None


Read = Callable[[Provider, Connection, From], Iterator[Page[Any]]]
Write = Callable[[Connection, Sequence[Any]], Written]


@dataclass(frozen=True)
class Step:
    """One kind of record: how it is read, how it is written, which model may lose rows.

    `filters`: Greenhouse can be asked for what changed. `every`: how long a sync of what changed
    may leave the list alone; None leaves it to the full one. `features`: what it is read for; while
    one of them is off, nothing uses the list.
    """

    kind: str
    label: str
    read: Read
    write: Write
    model: type[Mirrored] | None = None
    filters: bool = False
    every: timedelta | None = None
    features: tuple[str, ...] = ()
    people: bool = False  # who may see what: read every few minutes
    follows_new_jobs: bool = False  # a job that is new here brings some of these
    essential: bool = False  # without it the mirror shows nothing to anybody
    doubted: bool = False  # one reading that lacks most of them is not believed (`doubt`)
    optional: bool = False  # set-up does not ask for it, so its refusal is no news
    key: Callable[[Any], int | None] = lambda record: getattr(record, "id", None)
    forget: Callable[[Connection, Any], int] | None = None  # instead of marking rows as gone
    single: Callable[[Provider, int], Any] | None = None  # reads one of them by its id

    def not_needed(self, known: Features) -> str:
        """Why nothing needs it, as a clause; "" where something does."""
        return next(filter(None, map(known.lacks, self.features)), "")

    def count(self, connection: Connection) -> int:
        """How many of them the mirror holds now."""
        if self.model is None:
            return 0
        return self.model._default_manager.filter(connection=connection, gone_at=None).count()


def _job_admins(connection: Connection) -> list[int]:
    """Whose grants are read. Site Admins have none, deactivated people see nothing."""
    users = AtsUser.objects.filter(
        connection=connection, gone_at=None, site_admin=False, deactivated=False
    )
    return list(users.order_by("remote_id").values_list("remote_id", flat=True))


ALWAYS = timedelta(0)
HOURLY = timedelta(hours=1)

STEPS: tuple[Step, ...] = (
    Step(
        "roles",
        "Roles",
        lambda p, c, at: p.list_user_roles(cursor=at.cursor),
        write.roles,
        AtsRole,
        features=("role_names",),
        people=True,
    ),
    Step(
        "users",
        "People",
        lambda p, c, at: p.list_users(cursor=at.cursor),
        write.users,
        AtsUser,
        people=True,
        essential=True,
        doubted=True,
        single=lambda p, one: p.get_user(one),
    ),
    Step(
        "emails",
        "Addresses",
        lambda p, c, at: p.list_user_emails(cursor=at.cursor),
        team.verified,
        features=("verified_emails",),
        people=True,
        key=team.email_key,
        forget=team.forget_addresses,
    ),
    Step(
        "departments",
        "Departments",
        lambda p, c, at: p.list_departments(cursor=at.cursor),
        write.departments,
        Department,
        features=("departments",),
    ),
    Step(
        "offices",
        "Offices",
        lambda p, c, at: p.list_offices(cursor=at.cursor),
        write.offices,
        Office,
        features=("offices",),
    ),
    Step(
        "close_reasons",
        "Close reasons",
        lambda p, c, at: p.list_close_reasons(cursor=at.cursor),
        write.close_reasons,
        CloseReason,
        features=("close_reasons",),
    ),
    Step(
        "jobs",
        "Requisitions",
        lambda p, c, at: p.list_jobs(updated_after=at.since, cursor=at.cursor),
        write.jobs,
        Job,
        filters=True,
        every=ALWAYS,
        essential=True,
        doubted=True,
        single=lambda p, one: p.get_job(one),
    ),
    Step(
        "team",
        "Hiring teams",
        lambda p, c, at: p.list_hiring_team(cursor=at.cursor),
        team.places,
        features=("hiring_team",),
        every=HOURLY,
        key=team.member_key,
        forget=team.forget_places,
    ),
    Step(
        "grants",
        "Access to jobs",
        lambda p, c, at: p.job_permissions(user_ids=_job_admins(c), cursor=at.cursor),
        write.grants,
        JobGrant,
        features=("job_admins",),
        people=True,
    ),
    Step(
        "stages",
        "Stages",
        lambda p, c, at: p.list_stages(updated_after=at.since, cursor=at.cursor),
        write.stages,
        Stage,
        features=("stages",),
        filters=True,
        every=HOURLY,
        follows_new_jobs=True,
        single=lambda p, one: p.get_stage(one),
    ),
    Step(
        "openings",
        "Openings",
        lambda p, c, at: p.list_openings(cursor=at.cursor),
        write.openings,
        Opening,
        features=("openings",),
        every=HOURLY,
        follows_new_jobs=True,
    ),
    Step(
        "posts",
        "Job posts",
        lambda p, c, at: p.list_job_posts(updated_after=at.since, cursor=at.cursor),
        write.posts,
        JobPost,
        features=("posts",),
        filters=True,
        every=HOURLY,
        follows_new_jobs=True,
    ),
    Step(
        "rejection_reasons",
        "Rejection reasons",
        lambda p, c, at: p.list_rejection_reasons(cursor=at.cursor),
        write.rejection_reasons,
        RejectionReason,
        features=("reject",),
    ),
    Step(
        "sources",
        "Sources",
        lambda p, c, at: p.list_sources(cursor=at.cursor),
        write.sources,
        Source,
        features=("applications",),
        optional=True,
    ),
    Step(
        "email_templates",
        "E-mail templates",
        lambda p, c, at: p.list_email_templates(cursor=at.cursor),
        write.email_templates,
        EmailTemplate,
        features=("reject", "rejection_mail"),
    ),
    Step(
        "custom_fields",
        "Custom fields",
        lambda p, c, at: p.list_custom_fields(cursor=at.cursor),
        write.custom_fields,
        CustomField,
        features=("applications", "custom_fields"),
    ),
    Step(
        "candidates",
        "Candidates",
        lambda p, c, at: p.list_candidates(updated_after=at.since, cursor=at.cursor),
        write.candidates,
        Candidate,
        features=("applications", "candidates"),
        filters=True,
        every=ALWAYS,
        doubted=True,
        single=lambda p, one: p.get_candidate(one),
    ),
    Step(
        "applications",
        "Applications",
        lambda p, c, at: p.list_applications(changed_after=at.since, cursor=at.cursor),
        write.applications,
        Application,
        features=("applications",),
        filters=True,
        every=ALWAYS,
        doubted=True,
        single=lambda p, one: p.get_application(one),
    ),
    Step(
        "stays",
        "Time in stage",
        lambda p, c, at: p.list_current_stays(updated_after=at.since, cursor=at.cursor),
        stays.write,
        features=("applications", "stage_history"),
        filters=True,
        every=ALWAYS,
        optional=True,
        key=lambda record: None,  # nothing is called gone by it
    ),
)
LABELS = {step.kind: step.label for step in STEPS}
ESSENTIAL = [step.kind for step in STEPS if step.essential]
OPTIONAL = [step.kind for step in STEPS if step.optional]


def left_out(connection: Connection) -> frozenset[str]:
    """The kinds of step that nothing switched on needs."""
    known = features(connection)
    return frozenset(step.kind for step in STEPS if step.not_needed(known))
