"""Data synced from a Greenhouse account, the system of record, and the runs that sync it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone

from integrations.ats.types import ApplicationStatus, JobStatus, SeenStage
from portal.connections.models import Connection, Credential, GreenhouseWait
from portal.core.names.model_fields import SearchNameField
from portal.core.names.text import format_name, format_person_name, format_unnamed
from portal.core.tenancy.managers import OrganizationManager, OrganizationModel


class SyncedRecord(OrganizationModel):
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    remote_id = models.BigIntegerField()  # Greenhouse's id
    # Set once a complete list no longer contained the record: kept for history, never shown.
    gone_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)  # when a write last changed the row
    requested_at = models.DateTimeField(null=True)  # when Greenhouse was asked for that content
    fingerprint = models.BigIntegerField(null=True)  # of that content; None forces the next write
    # Of the record as Greenhouse sent it (engine.unchanged_records): a sync that reads the same
    # leaves the row as it is. None after any other write.
    source_fingerprint = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


# For `update` with values of our own: the next sync writes what Greenhouse has.
NO_FINGERPRINTS: dict[str, None] = {"fingerprint": None, "source_fingerprint": None}


def set_null_and_reread(collector: Any, field: Any, rows: Any, using: str) -> None:
    """`on_delete`: SET_NULL, and the next sync writes the row as Greenhouse has it.

    Otherwise a record that is deleted and comes back would not be referred to again.
    """
    models.SET_NULL(collector, field, rows, using)
    if rows:
        source = field.model._meta.get_field("source_fingerprint")
        collector.add_field_update(source, None, rows)


def unique_per_connection(name: str) -> tuple[models.UniqueConstraint]:
    return (models.UniqueConstraint(fields=["connection", "remote_id"], name=f"unique_{name}"),)


class AtsUser(SyncedRecord):
    name = models.CharField(max_length=200)
    search_name = SearchNameField(sources=("name",))
    primary_email = models.CharField(max_length=254, blank=True)
    site_admin = models.BooleanField(default=False)
    deactivated = models.BooleanField(default=False)
    # When this user's access was last read by a full sync, or on its own between syncs.
    access_read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = unique_per_connection("ats_user")
        verbose_name = "Greenhouse user"

    def __str__(self) -> str:
        return format_user_name(self.name, self.primary_email, self.remote_id)


def format_user_name(name: str, primary_email: str, remote_id: int) -> str:
    return format_name(name) or primary_email or format_unnamed(remote_id)


# The fields that `format_user_name` takes, for queries that start from a team member.
USER_NAME_FIELDS = ("user__name", "user__primary_email", "user__remote_id")


class AtsUserEmail(OrganizationModel):
    """A normalized email address of a Greenhouse user; `verified` is None if not known."""

    user = models.ForeignKey(AtsUser, on_delete=models.CASCADE, related_name="emails")
    address = models.CharField(max_length=254, db_index=True)
    primary = models.BooleanField(default=False)
    verified = models.BooleanField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "address"], name="unique_user_email"),
        )

    def __str__(self) -> str:
        return self.address


class AtsRole(SyncedRecord):
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=40)

    class Meta:
        constraints = unique_per_connection("ats_role")

    def __str__(self) -> str:
        return self.name


class Department(SyncedRecord):
    name = models.CharField(max_length=300)

    class Meta:
        constraints = unique_per_connection("department")

    def __str__(self) -> str:
        return self.name


class Office(SyncedRecord):
    name = models.CharField(max_length=300)
    search_name = SearchNameField(sources=("name",))

    class Meta:
        constraints = unique_per_connection("office")

    def __str__(self) -> str:
        return self.name


class Job(SyncedRecord):
    """A requisition, with one department (v1 lists at most one [inferred]) and several offices."""

    name = models.CharField(max_length=300)
    search_name = SearchNameField(sources=("name",))
    status = models.CharField(max_length=30)
    requisition_id = models.CharField(max_length=120, blank=True)
    confidential = models.BooleanField(default=False)
    is_template = models.BooleanField(default=False)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    department = models.ForeignKey(
        Department, null=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    offices = models.ManyToManyField(Office, related_name="jobs")
    read_at = models.DateTimeField(null=True)  # last read on its own, with stages and applications
    # Maintained by portal.jobs.job_list.stage_counts, up to a minute late, excluding private
    # candidates. `waiting_since`: last activity of the longest-waiting active application.
    active_applications = models.PositiveIntegerField(default=0)
    waiting_since = models.DateTimeField(null=True)
    # By portal.jobs.answers.tallies, likewise. Active applications that need a decision, since
    # when the first of them does, and those of which Greenhouse doesn't say whether they do.
    undecided = models.PositiveIntegerField(default=0)
    undecided_since = models.DateTimeField(null=True)
    decision_unknown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = unique_per_connection("job")
        indexes = (
            models.Index(fields=["connection", "status", "name", "id"], name="job_list"),
            models.Index(fields=["connection", "status", "opened_at", "id"], name="job_opened"),
            models.Index(
                fields=["connection", "status", "waiting_since", "id"], name="job_waiting"
            ),
            models.Index(
                fields=["connection", "status", "active_applications", "id"], name="job_active"
            ),
            models.Index(
                fields=["connection", "status", "undecided_since", "id"], name="job_undecided"
            ),
            models.Index(fields=["connection", "changed_at"], name="jobs_changed"),
            models.Index(
                fields=["connection", "id"],
                condition=models.Q(confidential=True),
                name="confidential_jobs",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.status == JobStatus.OPEN


class JobGrant(SyncedRecord):
    """A Greenhouse user's explicit access to a job; with `gone_at` set it was revoked."""

    user = models.ForeignKey(AtsUser, on_delete=models.CASCADE, related_name="grants")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="grants")
    role_remote_id = models.BigIntegerField(null=True)
    # False for interviewer roles, and for v1 roles of unknown type: deny by default.
    job_admin = models.BooleanField()

    class Meta:
        constraints = unique_per_connection("job_grant")
        indexes = (models.Index(fields=["user", "job"], name="grant_of_user"),)

    def __str__(self) -> str:
        return f"{self.user} → {self.job}"


class TeamMember(OrganizationModel):
    """Membership of a hiring team, which gives no permission by itself."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="team")
    user = models.ForeignKey(
        AtsUser, on_delete=models.CASCADE, related_name="teams", db_index=False
    )
    role = models.CharField(max_length=30)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["job", "user", "role"], name="unique_team_member"),
        )
        # A search for a person finds their jobs without reading the rows.
        indexes = (models.Index(fields=["user", "job"], name="jobs_of_team_member"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.job}"


class Stage(SyncedRecord):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=200)
    order = models.IntegerField()
    active = models.BooleanField(default=True)

    class Meta:
        constraints = unique_per_connection("stage")
        indexes = (
            models.Index(fields=["job", "order"], name="stages_of_job"),
            models.Index(fields=["connection", "changed_at"], name="stages_changed"),
        )

    def __str__(self) -> str:
        return self.name


class StageName(OrganizationModel):
    """Distinct names of stages with applications, since each job has its own stages."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["connection", "name"], name="unique_stage_name"),
        )

    def __str__(self) -> str:
        return self.name


SECURITY_CONCERN_TYPE = "SECURITY_CONCERN"  # Greenhouse's identifier


class RejectionReason(SyncedRecord):
    name = models.CharField(max_length=300)
    type_name = models.CharField(max_length=120, blank=True)
    # Greenhouse's identifier of the type; empty with v1, which gives only the name.
    type_key = models.CharField(max_length=60, blank=True, default="", db_default="")

    class Meta:
        constraints = unique_per_connection("rejection_reason")

    def __str__(self) -> str:
        return self.name

    @property
    def is_security_concern(self) -> bool:
        """Spam, fraud and the like, as Greenhouse's own type says; never with v1, which has no
        identifiers of types.
        """
        return self.type_key == SECURITY_CONCERN_TYPE


class CloseReason(SyncedRecord):
    name = models.CharField(max_length=300)

    class Meta:
        constraints = unique_per_connection("close_reason")

    def __str__(self) -> str:
        return self.name


class Source(SyncedRecord):
    name = models.CharField(max_length=300)

    class Meta:
        constraints = unique_per_connection("source")

    def __str__(self) -> str:
        return self.name


class EmailTemplate(SyncedRecord):
    """A template of an email. The text of those for rejections is stored to be shown beforehand;
    Greenhouse fills in its tokens and sends it.
    """

    name = models.CharField(max_length=300)
    type = models.CharField(max_length=60, blank=True)
    subject = models.CharField(max_length=500, blank=True)
    body = models.TextField(blank=True)  # HTML or plain text as Greenhouse has it: never trusted
    sender = models.CharField(max_length=300, blank=True)  # "" if Greenhouse doesn't tell

    class Meta:
        constraints = unique_per_connection("email_template")

    def __str__(self) -> str:
        return self.name


class CustomFieldQuerySet(models.QuerySet["CustomField"]):
    def filter_visible(self, connection_id: int) -> CustomFieldQuerySet:
        visible = self.filter(connection_id=connection_id, gone_at=None, private=False, active=True)
        return visible.order_by("order", "id")


class CustomField(SyncedRecord):
    """A custom field of applications. The API does not say who may see private ones."""

    key = models.CharField(max_length=255)
    name = models.CharField(max_length=300)
    type = models.CharField(max_length=40)  # Greenhouse's term
    description = models.TextField(blank=True)
    order = models.IntegerField(default=0)
    required = models.BooleanField(default=False)
    private = models.BooleanField(default=True)  # never shown
    active = models.BooleanField(default=True)
    options = models.JSONField(default=list)  # [id, name] pairs of a select, in order

    objects = OrganizationManager.from_queryset(CustomFieldQuerySet)()  # type: ignore[misc]

    class Meta:
        constraints = unique_per_connection("custom_field")

    def __str__(self) -> str:
        return self.name


class Opening(SyncedRecord):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="openings")
    opening_id = models.CharField(max_length=120, blank=True)  # the customer's own name for it
    is_open = models.BooleanField()
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.ForeignKey(
        CloseReason, null=True, on_delete=set_null_and_reread, related_name="openings"
    )

    class Meta:
        constraints = unique_per_connection("opening")
        indexes = (models.Index(fields=["job", "is_open"], name="openings_of_job"),)

    def __str__(self) -> str:
        return self.opening_id or f"opening {self.remote_id}"


class JobPost(SyncedRecord):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="posts")
    title = models.CharField(max_length=300)
    live = models.BooleanField()
    internal = models.BooleanField()
    active = models.BooleanField(default=True)
    public_url = models.CharField(max_length=500, blank=True)
    # Unsanitized HTML written by the customer.
    content = models.TextField(blank=True)

    class Meta:
        constraints = unique_per_connection("job_post")

    def __str__(self) -> str:
        return self.title


class Candidate(SyncedRecord):
    """A candidate; `erased_at` is set once they were anonymized or deleted in Greenhouse."""

    first_name = models.CharField(max_length=200, blank=True)
    last_name = models.CharField(max_length=200, blank=True)
    preferred_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    search_name = SearchNameField(sources=("first_name", "last_name", "preferred_name"))
    company = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=300, blank=True)
    search_details = SearchNameField(sources=("company", "title"))
    private = models.BooleanField(default=False)
    can_email = models.BooleanField(default=True, db_default=True)
    time_zone = models.CharField(max_length=40, blank=True, default="", db_default="")  # IANA name
    # Of their email addresses, phone numbers and LinkedIn pages (records.contact_digests).
    contact_digests = models.JSONField(default=list, db_default=[])
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = unique_per_connection("candidate")
        indexes = (
            models.Index(fields=["connection", "changed_at"], name="candidates_changed"),
            GinIndex(fields=["contact_digests"], name="candidates_contacts"),
        )

    def __str__(self) -> str:
        name = format_person_name(self.first_name, self.last_name, self.preferred_name)
        return name or format_unnamed(self.remote_id)


class Application(SyncedRecord):
    """A candidate's application; without a job it is a prospect's and not shown."""

    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="applications")
    # Our key of the last job it left, whose stage counts must be updated as well.
    previous_job_id = models.BigIntegerField(null=True)
    candidate = models.ForeignKey(
        Candidate, null=True, on_delete=set_null_and_reread, related_name="applications"
    )
    stage = models.ForeignKey(
        Stage, null=True, on_delete=set_null_and_reread, related_name="applications"
    )
    stage_name = models.CharField(max_length=200, blank=True)
    stage_remote_id = models.BigIntegerField(null=True)
    stage_entry_id = models.BigIntegerField(null=True)
    # From v3's stage history; until that is read, and always with v1, inferred
    # (portal.sync.records.stage_history). None if unknown.
    entered_stage_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=30)
    needs_decision = models.BooleanField(null=True)  # v3 only; None if unknown
    # Since when an active application needs a decision: when it entered its stage, or when a sync
    # noticed. None if it needs none, or if that is unknown.
    decision_needed_at = models.DateTimeField(null=True)
    # When it last left that state on this job, and since when it had needed a decision. Both are
    # kept until the next time; None if unknown or if it was never seen.
    answered_at = models.DateTimeField(null=True)
    answer_needed_at = models.DateTimeField(null=True)
    prospect = models.BooleanField(default=False)
    rejection_reason_remote_id = models.BigIntegerField(null=True)
    applied_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(null=True)
    source = models.ForeignKey(
        Source, null=True, on_delete=set_null_and_reread, related_name="applications"
    )
    source_name = models.CharField(max_length=300, blank=True)  # if Greenhouse gives only a name
    recruiter = models.ForeignKey(
        AtsUser, null=True, on_delete=set_null_and_reread, related_name="+"
    )
    coordinator = models.ForeignKey(
        AtsUser, null=True, on_delete=set_null_and_reread, related_name="+"
    )
    # [{"question": …, "answer": …}] of the application form; erased with the candidate.
    answers = models.JSONField(default=list)
    # Values of visible custom fields by key; erased with the candidate.
    custom = models.JSONField(default=dict)

    class Meta:
        constraints = unique_per_connection("application")
        indexes = (
            models.Index(
                fields=["job", "status", "-last_activity_at"],
                name="applications_of_job",
            ),
            models.Index(fields=["connection", "changed_at"], name="applications_changed"),
            # For emails about new applicants (portal.jobs.applicant_emails.schedule).
            models.Index(fields=["connection", "first_seen_at"], name="new_applications"),
            models.Index(fields=["job", "first_seen_at"], name="new_applications_of_job"),
            # For reviews across requisitions (portal.applications.review.queues).
            models.Index(
                fields=["connection", "entered_stage_at", "id"],
                name="waiting_applications",
                condition=models.Q(status="active"),
            ),
            # For answers (portal.jobs.answers): what is closest to missing its due time.
            models.Index(
                fields=["connection", "decision_needed_at", "id"],
                name="undecided_applications",
                condition=models.Q(decision_needed_at__isnull=False),
            ),
            models.Index(
                fields=["job", "decision_needed_at", "id"],
                name="undecided_of_job",
                condition=models.Q(decision_needed_at__isnull=False),
            ),
            models.Index(
                fields=["job", "answered_at"],
                name="answered_of_job",
                condition=models.Q(answered_at__isnull=False),
            ),
            models.Index(
                fields=["connection", "applied_at"],
                name="recent_applications",
                condition=models.Q(status="active"),
            ),
        )

    def __str__(self) -> str:
        return f"Application {self.remote_id}"

    @property
    def is_active(self) -> bool:
        return self.status == ApplicationStatus.ACTIVE

    @property
    def days_in_stage(self) -> int | None:
        """Whole days in the current stage; None if unknown or no longer active."""
        if not self.is_active or self.entered_stage_at is None:
            return None
        return max((timezone.now() - self.entered_stage_at).days, 0)

    @property
    def source_label(self) -> str:
        return self.source.name if self.source else self.source_name

    @property
    def seen_stage(self) -> SeenStage:
        return SeenStage(stage_id=self.stage_remote_id, entry_id=self.stage_entry_id)


class SyncRun(GreenhouseWait):
    """One sync of a connection; only the worker whose `lease_token` matches may write."""

    class Scope(models.TextChoices):
        FULL = "full", "Everything"
        RECENT = "recent", "Changes"
        PEOPLE = "people", "People and their access"

    class Cause(models.TextChoices):
        CREDENTIAL = "credential", "Greenhouse doesn't accept the credential"
        FORBIDDEN = "forbidden", "A required permission is missing"
        MASS_DELETION = "mass_deletion", "Greenhouse's list lacks most records"
        DOWN = "down", "Greenhouse didn't respond"
        RATE_LIMIT = "rate_limit", "Greenhouse's rate limit is used up"
        UNREADABLE = "unreadable", "Greenhouse's response couldn't be read"
        INTERRUPTED = "interrupted", "The sync was interrupted repeatedly"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to start"
        RUNNING = "running", "Syncing"
        DONE = "done", "Up to date"
        PARTIAL = "partial", "Up to date, except lists without permission"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped: the connection was paused"
        REPLACED = "replaced", "Stopped: the credential was changed"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED, Status.STOPPED, Status.REPLACED},
        # Back to queued: the worker died or its turn is over; resumes from the checkpoint.
        Status.RUNNING: {
            Status.DONE,
            Status.PARTIAL,
            Status.FAILED,
            Status.STOPPED,
            Status.REPLACED,
            Status.QUEUED,
        },
    }
    OPEN = (Status.QUEUED, Status.RUNNING)
    COMPLETED = (Status.DONE, Status.PARTIAL)
    CUT_SHORT = (Status.STOPPED, Status.REPLACED)  # neither failed nor done: read again

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="syncs")
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.FULL)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    failure = models.CharField(max_length=300, blank=True)  # a sentence for a person
    cause = models.CharField(max_length=20, choices=Cause.choices, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)  # of the worker
    lease_token = models.CharField(max_length=32, blank=True)
    # Fixed when a worker first claims the run: one run never mixes credentials.
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    claim_count = models.PositiveSmallIntegerField(default=0)  # claims since the last written page
    # Applications missed by earlier syncs: [{"job": pk, "stage": name, "count": number}].
    drift = models.JSONField(default=list)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(status__in=["queued", "running"]) & ~models.Q(scope="people"),
                name="one_open_sync",
            ),
            # People and access are read in parallel to a long sync.
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(status__in=["queued", "running"], scope="people"),
                name="one_open_people_sync",
            ),
        )
        indexes = (
            models.Index(fields=["connection", "scope", "status", "-id"], name="syncs_of_scope"),
            models.Index(fields=["connection", "-id"], name="syncs_of_connection"),
            models.Index(fields=["connection", "-finished_at"], name="syncs_by_end"),
            models.Index(fields=["queued_at"], name="syncs_by_age"),
            # For the scheduler, which asks about all connections at once.
            models.Index(
                fields=["connection", "scope", "-id"],
                condition=models.Q(status__in=["done", "partial"]),
                name="syncs_completed",
            ),
            models.Index(
                fields=["connection", "-id"],
                condition=models.Q(status="failed"),
                name="syncs_failed",
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(status__in=["done", "partial"]),
                name="syncs_completed_by_end",
            ),
            models.Index(
                fields=["status", "connection"],
                condition=models.Q(status__in=["queued", "running"]),
                name="syncs_open",
            ),
        )

    def __str__(self) -> str:
        return f"Sync {self.pk} of {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class SyncStep(OrganizationModel):
    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Reading"
        DONE = "done", "Done"
        REFUSED = "refused", "Not permitted"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped with its sync"
        SKIPPED = "skipped", "Skipped: no feature needs it"

    OPEN = (Status.WAITING, Status.RUNNING)

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=30)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.WAITING)
    failure = models.CharField(max_length=300, blank=True)
    # A clause to follow "because".
    skip_reason = models.CharField(max_length=300, blank=True, db_default="")
    pages = models.PositiveIntegerField(default=0)
    read_count = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    unreadable_count = models.PositiveIntegerField(default=0)
    unreadable_ids = models.JSONField(default=list)  # the first of them, as texts
    requests = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True)  # read_count of the last full run
    since = models.DateTimeField(null=True)  # None: the whole list
    # Checkpoint after the last written page.
    cursor = models.TextField(blank=True)
    at_end = models.BooleanField(default=False)
    # A record without a readable id may be any of ours, so no row is marked gone.
    has_unidentified_records = models.BooleanField(default=False)
    restarted = models.BooleanField(default=False)  # some pages were read more than once
    was_reread = models.BooleanField(default=False)  # to look for rows missing from the first read
    # Ids of the users whose records are read, in this order, until the step ends; None: no such
    # list. Only their records can be missing if `members_only`: members', and in full syncs those
    # of users who were never read.
    user_ids = models.JSONField(null=True)
    members_only = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["run", "kind"], name="one_step_per_kind"),)

    def __str__(self) -> str:
        return f"{self.kind}: {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def found_no_changes(self) -> bool:
        has_changes = self.created or self.changed or self.gone or self.unreadable_count
        return self.status == self.Status.DONE and not has_changes

    @property
    def pill(self) -> str:
        if self.status == self.Status.WAITING and not self.run.is_open:
            return "not_read"  # the run ended first
        pills = {self.Status.RUNNING: "syncing", self.Status.STOPPED: "ended"}
        return pills.get(self.Status(self.status), self.status)


class SeenPage(OrganizationModel):
    """Record keys on one page of a complete read (int64 array), kept until the step ends."""

    step = models.ForeignKey(SyncStep, on_delete=models.CASCADE, related_name="seen_pages")
    keys = models.BinaryField()

    def __str__(self) -> str:
        return f"a page of {self.step_id}"


class RefreshRequest(GreenhouseWait):
    """A request to read one record again; deleted once fulfilled."""

    class Kind(models.TextChoices):
        APPLICATION = "application", "An application"
        JOB = "job", "A requisition and its applications"
        CANDIDATE = "candidate", "A candidate"
        PEOPLE = "people", "Users and their access"
        PERSON = "person", "A user and their access"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    remote_id = models.BigIntegerField(default=0)
    requested_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "kind", "remote_id"], name="one_request_per_record"
            ),
        )

    def __str__(self) -> str:
        return f"Read {self.kind} {self.remote_id or ''}".strip()


class FreshnessKind(models.TextChoices):
    """What the freshness promise is about."""

    DATA = "data", "Requisitions and applications"
    ACCESS = "access", "People and their access"


class FreshnessHour(OrganizationModel):
    """Which minutes of an hour counted for the freshness promise, and which met it."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="freshness_hours"
    )
    kind = models.CharField(max_length=10, choices=FreshnessKind.choices)
    hour = models.DateTimeField()
    # One bit per minute of the hour, the first minute lowest: burn rates need single minutes.
    counted_mask = models.BigIntegerField()
    within_mask = models.BigIntegerField()
    # The number of bits, for sums in the database.
    minutes_counted = models.PositiveSmallIntegerField()
    minutes_within = models.PositiveSmallIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "kind", "hour"], name="one_freshness_per_hour"
            ),
        )
        indexes = (
            models.Index(fields=["hour"], name="freshness_by_age"),
            # Few rows: what looks for trouble reads nothing of customers that have none.
            models.Index(
                fields=["connection", "hour"],
                condition=models.Q(minutes_within__lt=models.F("minutes_counted")),
                name="freshness_outside",
            ),
        )

    def __str__(self) -> str:
        return f"{self.minutes_within} of {self.minutes_counted} minutes within promise"


class FreshnessTotal(models.Model):
    """Minutes of all customers since measuring began, and until when they are recorded."""

    kind = models.CharField(max_length=10, choices=FreshnessKind.choices, primary_key=True)
    minutes_within = models.BigIntegerField(default=0)
    minutes_outside = models.BigIntegerField(default=0)
    recorded_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} until {self.recorded_until:%Y-%m-%d %H:%M}"
