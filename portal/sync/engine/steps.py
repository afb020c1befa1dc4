"""The lists that a sync reads, parents before children."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from integrations.ats.types import ChangeFilter, Page
from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.connections.permissions.features import Features, load_features
from portal.sync.engine.grant_readers import UserSelection, select_grant_readers
from portal.sync.engine.upsert import WriteResult
from portal.sync.models import (
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
    Office,
    Opening,
    RejectionReason,
    Source,
    Stage,
    SyncedRecord,
    SyncRun,
)
from portal.sync.records import hiring_team, stage_history
from portal.sync.writers import application_records, job_records, reference_records, user_records

Scope = SyncRun.Scope


@dataclass(frozen=True)
class ReadPosition:
    since: datetime | None = None  # changes only
    cursor: str | None = None  # after a page
    user_ids: Sequence[int] = ()  # of a list that is read for some users
    members_only: bool = False
    changes: ChangeFilter | None = None  # leaves unchanged records out


ReadPages = Callable[[Provider, Connection, ReadPosition], Iterator[Page[Any]]]
WritePage = Callable[[Connection, Sequence[Any]], WriteResult]
SelectUsers = Callable[[SyncRun, Provider], UserSelection]


@dataclass(frozen=True)
class StepDefinition:
    """One kind of record: how its list is read and written."""

    kind: str
    label: str
    read: ReadPages
    write: WritePage
    model: type[SyncedRecord] | None = None
    supports_since: bool = False  # Greenhouse can be asked for changes only
    refresh_interval: timedelta | None = None  # None: read by full syncs only
    features: tuple[str, ...] = ()  # while one of them is off, the list is skipped
    people: bool = False  # decides who may see what: read every few minutes
    people_interval: timedelta | None = None  # None: by every sync of people
    stands_in_for: str = ""  # decides who may see what while this feature is off
    select_users: SelectUsers | None = None
    follows_new_jobs: bool = False  # read early when a sync finds new jobs
    has_referrers: bool = False  # lists read after it refer to its records
    essential: bool = False  # a sync without it fails
    guarded: bool = False  # against mass deletion (`mass_deletion_guard`)
    optional: bool = False  # setup does not require it, so a refusal raises no alert
    get_key: Callable[[Any], int | None] = attrgetter("id")
    delete_unlisted: Callable[[Connection, Any], int] | None = None
    fetch_record: Callable[[Provider, int], Any] | None = None  # one record by its id
    # What decides its rows besides the records themselves. None: all records are written again.
    get_unchanged_context: Callable[[Connection], Sequence[str]] | None = None

    @property
    def is_supplementary(self) -> bool:
        """Whether a sync can do without the list, so that a 422 refuses it as a 403 does."""
        return not (self.essential or self.guarded or self.select_users)

    def list_disabled_features(self, feature_set: Features) -> list[str]:
        return [key for key in self.features if key in feature_set.off]

    def explain_unneeded(self, feature_set: Features) -> str:
        """Return why no feature needs the list, as a clause; empty if one does."""
        return next(filter(None, map(feature_set.explain_missing, self.features)), "")

    def count_records(self, connection: Connection) -> int:
        if self.model is None:
            return 0
        return self.model._default_manager.filter(connection=connection, gone_at=None).count()

    def build_count(self) -> Coalesce:
        """The same as part of a query of connections, so that one statement counts every list."""
        if self.model is None:
            return Coalesce(Value(0), 0)
        records = self.model._default_manager.filter(connection=OuterRef("pk"), gone_at=None)
        counts = records.order_by().values("connection").annotate(number=Count("*"))
        return Coalesce(Subquery(counts.values("number")), 0)


EVERY_SYNC = timedelta(0)
HOURLY = timedelta(hours=1)

STEPS: tuple[StepDefinition, ...] = (
    StepDefinition(
        "roles",
        "Roles",
        lambda p, c, at: p.list_user_roles(cursor=at.cursor),
        user_records.write_roles,
        AtsRole,
        features=("role_names",),
        has_referrers=True,
        people=True,
        people_interval=HOURLY,
    ),
    StepDefinition(
        "users",
        "People",
        lambda p, c, at: p.list_users(cursor=at.cursor),
        user_records.write_users,
        AtsUser,
        people=True,
        essential=True,
        guarded=True,
        fetch_record=lambda p, remote_id: p.get_user(remote_id),
    ),
    StepDefinition(
        "emails",
        "Email addresses",
        lambda p, c, at: p.list_user_emails(cursor=at.cursor),
        hiring_team.write_user_emails,
        features=("verified_emails",),
        people=True,
        get_key=hiring_team.get_email_key,
        delete_unlisted=hiring_team.delete_unlisted_emails,
    ),
    StepDefinition(
        "departments",
        "Departments",
        lambda p, c, at: p.list_departments(cursor=at.cursor),
        reference_records.write_departments,
        Department,
        features=("departments",),
        has_referrers=True,
    ),
    StepDefinition(
        "offices",
        "Offices",
        lambda p, c, at: p.list_offices(cursor=at.cursor),
        reference_records.write_offices,
        Office,
        features=("offices",),
        has_referrers=True,
    ),
    StepDefinition(
        "close_reasons",
        "Close reasons",
        lambda p, c, at: p.list_close_reasons(cursor=at.cursor),
        reference_records.write_close_reasons,
        CloseReason,
        features=("close_reasons",),
        has_referrers=True,
    ),
    StepDefinition(
        "jobs",
        "Requisitions",
        lambda p, c, at: p.list_jobs(updated_after=at.since, cursor=at.cursor),
        job_records.write_jobs,
        Job,
        supports_since=True,
        refresh_interval=EVERY_SYNC,
        essential=True,
        guarded=True,
        fetch_record=lambda p, remote_id: p.get_job(remote_id),
    ),
    StepDefinition(
        "team",
        "Hiring teams",
        lambda p, c, at: p.list_hiring_team(cursor=at.cursor),
        hiring_team.write_team_members,
        features=("hiring_team",),
        refresh_interval=HOURLY,
        stands_in_for="job_admins",
        get_key=hiring_team.get_member_key,
        delete_unlisted=hiring_team.delete_unlisted_members,
    ),
    StepDefinition(
        "grants",
        "Access to jobs",
        lambda p, c, at: p.list_job_permissions(
            user_ids=at.user_ids, narrow=at.members_only, cursor=at.cursor
        ),
        job_records.write_job_grants,
        JobGrant,
        features=("job_admins",),
        people=True,
        select_users=select_grant_readers,
    ),
    StepDefinition(
        "stages",
        "Stages",
        lambda p, c, at: p.list_stages(
            updated_after=at.since, cursor=at.cursor, changes=at.changes
        ),
        job_records.write_stages,
        Stage,
        features=("stages",),
        has_referrers=True,
        supports_since=True,
        refresh_interval=HOURLY,
        follows_new_jobs=True,
        fetch_record=lambda p, remote_id: p.get_stage(remote_id),
        get_unchanged_context=lambda c: (),
    ),
    StepDefinition(
        "openings",
        "Openings",
        lambda p, c, at: p.list_openings(cursor=at.cursor, changes=at.changes),
        job_records.write_openings,
        Opening,
        features=("openings",),
        refresh_interval=HOURLY,
        follows_new_jobs=True,
        get_unchanged_context=lambda c: (),
    ),
    StepDefinition(
        "posts",
        "Job posts",
        lambda p, c, at: p.list_job_posts(
            updated_after=at.since, cursor=at.cursor, changes=at.changes
        ),
        job_records.write_job_posts,
        JobPost,
        features=("posts",),
        supports_since=True,
        refresh_interval=HOURLY,
        follows_new_jobs=True,
        get_unchanged_context=lambda c: (),
    ),
    StepDefinition(
        "rejection_reasons",
        "Rejection reasons",
        lambda p, c, at: p.list_rejection_reasons(cursor=at.cursor),
        reference_records.write_rejection_reasons,
        RejectionReason,
        features=("reject",),
    ),
    StepDefinition(
        "sources",
        "Sources",
        lambda p, c, at: p.list_sources(cursor=at.cursor),
        reference_records.write_sources,
        Source,
        features=("applications", "sources"),
        has_referrers=True,
        optional=True,
    ),
    StepDefinition(
        "email_templates",
        "Email templates",
        lambda p, c, at: p.list_email_templates(cursor=at.cursor),
        reference_records.write_email_templates,
        EmailTemplate,
        features=("reject", "rejection_mail"),
    ),
    StepDefinition(
        "custom_fields",
        "Custom fields",
        lambda p, c, at: p.list_custom_fields(cursor=at.cursor),
        reference_records.write_custom_fields,
        CustomField,
        features=("applications", "custom_fields"),
        has_referrers=True,
    ),
    StepDefinition(
        "candidates",
        "Candidates",
        lambda p, c, at: p.list_candidates(
            updated_after=at.since, cursor=at.cursor, changes=at.changes
        ),
        application_records.write_candidates,
        Candidate,
        features=("applications", "candidates"),
        has_referrers=True,
        supports_since=True,
        refresh_interval=EVERY_SYNC,
        guarded=True,
        fetch_record=lambda p, remote_id: p.get_candidate(remote_id),
        get_unchanged_context=lambda c: (),
    ),
    StepDefinition(
        "applications",
        "Applications",
        lambda p, c, at: p.list_applications(
            changed_after=at.since, cursor=at.cursor, changes=at.changes
        ),
        application_records.write_applications,
        Application,
        features=("applications",),
        supports_since=True,
        refresh_interval=EVERY_SYNC,
        guarded=True,
        fetch_record=lambda p, remote_id: p.get_application(remote_id),
        get_unchanged_context=application_records.list_visible_keys,
    ),
    StepDefinition(
        "stage_history",
        "Time in stage",
        lambda p, c, at: p.list_current_stage_entries(updated_after=at.since, cursor=at.cursor),
        stage_history.write_stage_entries,
        features=("applications", "stage_history"),
        supports_since=True,
        refresh_interval=EVERY_SYNC,
        optional=True,
        get_key=lambda record: None,  # no rows are marked gone by it
    ),
)
STEP_LABELS = {step.kind: step.label for step in STEPS}
ESSENTIAL_KINDS = [step.kind for step in STEPS if step.essential]
SUPPLEMENTARY_KINDS = [step.kind for step in STEPS if step.is_supplementary]
OPTIONAL_KINDS = [step.kind for step in STEPS if step.optional]


def get_skipped_kinds(connection: Connection) -> frozenset[str]:
    feature_set = load_features(connection)
    return frozenset(step.kind for step in STEPS if step.explain_unneeded(feature_set))
