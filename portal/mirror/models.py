"""Our copy of what a Greenhouse account holds. Nothing here is the truth; Greenhouse is.

`remote_id` is Greenhouse's own id, unique within a connection. `gone_at` is set once a complete
read no longer contained the record; such rows are kept for history and shown to nobody. A row is
written only where its content differs from what is here: `changed_at` is when that last happened,
`asked_at` when Greenhouse had been asked for what was written then.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.ats.types import ApplicationStatus, JobStatus, SeenStage
from portal.connections.models import Connection, Credential


class Mirrored(models.Model):
    """A record of Greenhouse's."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    remote_id = models.BigIntegerField()
    gone_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True)  # None: written before this was noted
    fingerprint = models.BigIntegerField(null=True)  # of what Greenhouse told; None: write it anew

    class Meta:
        abstract = True


def once_each(name: str) -> tuple[models.UniqueConstraint]:
    """A record stands once per connection."""
    return (models.UniqueConstraint(fields=["connection", "remote_id"], name=f"{name}_once"),)


class AtsUser(Mirrored):
    """A user of Greenhouse."""

    name = models.CharField(max_length=200)
    primary_email = models.CharField(max_length=254, blank=True)
    site_admin = models.BooleanField(default=False)
    deactivated = models.BooleanField(default=False)

    class Meta:
        constraints = once_each("ats_user")
        verbose_name = "Greenhouse user"

    def __str__(self) -> str:
        return self.name or self.primary_email or f"user {self.remote_id}"


class AtsUserEmail(models.Model):
    """An address of a Greenhouse user, normalized. `verified` None = not told."""

    user = models.ForeignKey(AtsUser, on_delete=models.CASCADE, related_name="emails")
    address = models.CharField(max_length=254, db_index=True)
    primary = models.BooleanField(default=False)
    verified = models.BooleanField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "address"], name="address_once_a_user"),
        )

    def __str__(self) -> str:
        return self.address


class AtsRole(Mirrored):
    """A role that a grant can name."""

    name = models.CharField(max_length=200)
    type = models.CharField(max_length=40)

    class Meta:
        constraints = once_each("ats_role")

    def __str__(self) -> str:
        return self.name


class Department(Mirrored):
    """A part of the company."""

    name = models.CharField(max_length=300)
    parent_remote_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = once_each("department")

    def __str__(self) -> str:
        return self.name


class Office(Mirrored):
    """A place of the company."""

    name = models.CharField(max_length=300)
    location = models.CharField(max_length=300, blank=True)
    parent_remote_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = once_each("office")

    def __str__(self) -> str:
        return self.name


class Job(Mirrored):
    """A requisition ("req"). Templates are left out when syncing.

    Greenhouse's jobs have one department (v3; v1's list of one at most is the same [inferred]) and
    several offices: so a filter by department is a column, one by office a join.
    """

    name = models.CharField(max_length=300)
    status = models.CharField(max_length=30)
    requisition_id = models.CharField(max_length=120, blank=True)
    confidential = models.BooleanField(default=False)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created_remotely_at = models.DateTimeField(null=True)
    department = models.ForeignKey(
        Department, null=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    offices = models.ManyToManyField(Office, related_name="jobs")
    read_at = models.DateTimeField(null=True)  # when it was last read by itself, with what hangs on
    # Counted by portal.jobs.tally, up to a minute late: the list is ordered and filtered by them.
    # Since when the longest waiting active application saw no activity. Private ones never count.
    active_applications = models.PositiveIntegerField(default=0)
    waiting_since = models.DateTimeField(null=True)

    class Meta:
        constraints = once_each("job")
        indexes = (
            models.Index(fields=["connection", "status", "name", "id"], name="job_list"),
            models.Index(fields=["connection", "status", "opened_at", "id"], name="job_opened"),
            models.Index(
                fields=["connection", "status", "waiting_since", "id"], name="job_waiting"
            ),
            models.Index(
                fields=["connection", "status", "active_applications", "id"], name="job_active"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.status == JobStatus.OPEN


class JobGrant(Mirrored):
    """A Greenhouse user's explicit access to one job; `first_seen_at` tells since when we know.

    One with `gone_at` was taken back: it opens nothing.
    """

    user = models.ForeignKey(AtsUser, on_delete=models.CASCADE, related_name="grants")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="grants")
    role_remote_id = models.BigIntegerField(null=True)
    # False for interviewer roles, and where v1 leaves the role's type unknown: deny by default.
    job_admin = models.BooleanField()

    class Meta:
        constraints = once_each("job_grant")
        indexes = (models.Index(fields=["user", "job"], name="grant_of_user"),)

    def __str__(self) -> str:
        return f"{self.user} → {self.job}"


class TeamMember(models.Model):
    """A place on a job's hiring team. No permission by itself."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="team")
    user = models.ForeignKey(AtsUser, on_delete=models.CASCADE, related_name="teams")
    role = models.CharField(max_length=30)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["job", "user", "role"], name="team_place_once"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.job}"


class Stage(Mirrored):
    """A step of a job's interview plan."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=200)
    order = models.IntegerField()
    active = models.BooleanField(default=True)

    class Meta:
        constraints = once_each("stage")
        indexes = (
            models.Index(fields=["job", "order"], name="stages_of_job"),
            models.Index(fields=["connection", "changed_at"], name="stages_changed"),
        )

    def __str__(self) -> str:
        return self.name


class StageName(models.Model):
    """What stages are called. Each job has stages of its own; only their names tell what is alike.

    Kept by portal.jobs.tally, of stages in which somebody waits or waited.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["connection", "name"], name="stage_name_once"),
        )

    def __str__(self) -> str:
        return self.name


class RejectionReason(Mirrored):
    """A reason a person can choose when rejecting."""

    name = models.CharField(max_length=300)
    type_name = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = once_each("rejection_reason")

    def __str__(self) -> str:
        return self.name


class CloseReason(Mirrored):
    """Why an opening was closed."""

    name = models.CharField(max_length=300)

    class Meta:
        constraints = once_each("close_reason")

    def __str__(self) -> str:
        return self.name


class Source(Mirrored):
    """Where applications come from."""

    name = models.CharField(max_length=300)

    class Meta:
        constraints = once_each("source")

    def __str__(self) -> str:
        return self.name


class EmailTemplate(Mirrored):
    """A mail that can go with a rejection. Only its name is kept; Greenhouse sends it."""

    name = models.CharField(max_length=300)
    type = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = once_each("email_template")

    def __str__(self) -> str:
        return self.name


class CustomFieldQuerySet(models.QuerySet["CustomField"]):
    """Those of a connection that people may see."""

    def shown(self, connection_id: int) -> CustomFieldQuerySet:
        """In their order."""
        here = self.filter(connection_id=connection_id, gone_at=None, private=False, active=True)
        return here.order_by("order", "id")


class CustomField(Mirrored):
    """A field that the customer added to applications. `type` is Greenhouse's word.

    `options`: the id and name of what can be chosen in a select, in order. Private ones are known
    here and shown to nobody: who may see them the API does not tell.
    """

    key = models.CharField(max_length=255)
    name = models.CharField(max_length=300)
    type = models.CharField(max_length=40)
    description = models.TextField(blank=True)
    order = models.IntegerField(default=0)
    required = models.BooleanField(default=False)
    private = models.BooleanField(default=True)
    active = models.BooleanField(default=True)
    options = models.JSONField(default=list)

    objects = CustomFieldQuerySet.as_manager()

    class Meta:
        constraints = once_each("custom_field")

    def __str__(self) -> str:
        return self.name


class Opening(Mirrored):
    """A seat to fill on a job."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="openings")
    opening_id = models.CharField(max_length=120, blank=True)  # the customer's own name for it
    is_open = models.BooleanField()
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.ForeignKey(
        CloseReason, null=True, on_delete=models.SET_NULL, related_name="openings"
    )

    class Meta:
        constraints = once_each("opening")
        indexes = (models.Index(fields=["job", "is_open"], name="openings_of_job"),)

    def __str__(self) -> str:
        return self.opening_id or f"opening {self.remote_id}"


class JobPost(Mirrored):
    """What a job looks like on a board."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="posts")
    title = models.CharField(max_length=300)
    live = models.BooleanField()
    internal = models.BooleanField()
    active = models.BooleanField(default=True)
    public_url = models.CharField(max_length=500, blank=True)
    # HTML as Greenhouse holds it, written by the customer: it must be sanitised where it is shown.
    content = models.TextField(blank=True)

    class Meta:
        constraints = once_each("job_post")

    def __str__(self) -> str:
        return self.title


class Candidate(Mirrored):
    """A person who applied: what the pages show of them, and no more.

    `erased_at`: Greenhouse anonymised or deleted the person, and what was here is erased.
    """

    first_name = models.CharField(max_length=200, blank=True)
    last_name = models.CharField(max_length=200, blank=True)
    company = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=300, blank=True)
    private = models.BooleanField(default=False)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = once_each("candidate")
        indexes = (models.Index(fields=["connection", "changed_at"], name="candidates_changed"),)

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or "Name not given"


class Application(Mirrored):
    """One candidate's application. Without a job it is a prospect's, shown on no requisition."""

    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="applications")
    # The key of the job that it left last: what portal.jobs.tally counts there changed, too.
    left_job = models.BigIntegerField(null=True)
    candidate = models.ForeignKey(
        Candidate, null=True, on_delete=models.SET_NULL, related_name="applications"
    )
    stage = models.ForeignKey(
        Stage, null=True, on_delete=models.SET_NULL, related_name="applications"
    )
    stage_name = models.CharField(max_length=200, blank=True)
    stage_remote_id = models.BigIntegerField(null=True)
    stage_entry_id = models.BigIntegerField(null=True)
    # When the present stage began: told by v3's stage history (portal.mirror.stays); until it was
    # read, and always with v1, inferred: when they applied, or the activity by which the stage was
    # seen to change. None where nothing tells.
    entered_stage_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=30)
    prospect = models.BooleanField(default=False)
    rejection_reason_remote_id = models.BigIntegerField(null=True)
    applied_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(null=True)
    source = models.ForeignKey(
        Source, null=True, on_delete=models.SET_NULL, related_name="applications"
    )
    source_name = models.CharField(max_length=300, blank=True)  # where only the name is told
    recruiter = models.ForeignKey(AtsUser, null=True, on_delete=models.SET_NULL, related_name="+")
    coordinator = models.ForeignKey(AtsUser, null=True, on_delete=models.SET_NULL, related_name="+")
    # [{"question": …, "answer": …}] of the application form; erased with the candidate.
    answers = models.JSONField(default=list)
    # What the fields that the customer added hold, by their keys: those shown here, erased too.
    custom = models.JSONField(default=dict)

    class Meta:
        constraints = once_each("application")
        indexes = (
            models.Index(
                fields=["job", "status", "-last_activity_at"],
                name="applications_of_job",
            ),
            models.Index(fields=["connection", "changed_at"], name="applications_changed"),
        )

    def __str__(self) -> str:
        return f"Application {self.remote_id}"

    @property
    def is_active(self) -> bool:
        return self.status == ApplicationStatus.ACTIVE

    @property
    def days_in_stage(self) -> int | None:
        """Whole days in the present stage; None where that is not known, or it is over."""
        if not self.is_active or self.entered_stage_at is None:
            return None
        return max((timezone.now() - self.entered_stage_at).days, 0)

    @property
    def source_words(self) -> str:
        """Where it came from; "" where that is not told."""
        return self.source.name if self.source else self.source_name

    @property
    def seen_stage(self) -> SeenStage:
        return SeenStage(stage_id=self.stage_remote_id, entry_id=self.stage_entry_id)


class SyncRun(models.Model):
    """One refresh of the mirror. `holder` names the worker that has it; only that one may write."""

    class Scope(models.TextChoices):
        FULL = "full", "Everything"
        RECENT = "recent", "What changed"
        PEOPLE = "people", "People and their access"

    class Cause(models.TextChoices):
        """Why a run failed."""

        CREDENTIAL = "credential", "The credential is not accepted"
        FORBIDDEN = "forbidden", "Something essential may not be read"
        DOWN = "down", "Greenhouse did not answer"
        RATE_LIMIT = "rate_limit", "Greenhouse asked to slow down"
        UNREADABLE = "unreadable", "Greenhouse's answer could not be read"
        INTERRUPTED = "interrupted", "Its workers stopped again and again"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to start"
        RUNNING = "running", "Syncing"
        DONE = "done", "Up to date"
        PARTIAL = "partial", "Up to date, except what may not be read"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Ended, because the connection was paused"
        REPLACED = "replaced", "Ended, because the credential was changed"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED, Status.STOPPED, Status.REPLACED},
        # Back to queued: its worker fell silent or its time was up; it goes on from its checkpoint.
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
    CUT_SHORT = (Status.STOPPED, Status.REPLACED)  # neither failed nor done: read anew

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
    heard_at = models.DateTimeField(null=True)  # the worker's last sign of life
    holder = models.CharField(max_length=32, blank=True)
    # What it is read with since a worker took it, from its first page to its last.
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    takes = models.PositiveSmallIntegerField(default=0)  # workers that took it without getting on
    # Applications that had slipped through: [{"job": pk, "stage": its name, "count": how many}].
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
            # Access is read beside a long sync, not after it.
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(status__in=["queued", "running"], scope="people"),
                name="one_open_reading_of_people",
            ),
        )
        indexes = (
            models.Index(fields=["connection", "scope", "status", "-id"], name="syncs_of_scope"),
            models.Index(fields=["connection", "-id"], name="syncs_of_connection"),
            models.Index(fields=["connection", "-finished_at"], name="syncs_by_end"),
            models.Index(fields=["queued_at"], name="syncs_by_age"),
        )

    def __str__(self) -> str:
        return f"Sync {self.pk} of {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class SyncStep(models.Model):
    """One kind of record within a run."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Reading"
        DONE = "done", "Done"
        REFUSED = "refused", "Not permitted"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Ended with its sync"
        LEFT_OUT = "left_out", "Left out, because nothing that is on needs it"

    OPEN = (Status.WAITING, Status.RUNNING)

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=30)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.WAITING)
    failure = models.CharField(max_length=300, blank=True)
    # Why it was left out: a clause that goes on from "because".
    because = models.CharField(max_length=300, blank=True, db_default="")
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    set_aside = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True)  # what the last complete run saw
    since = models.DateTimeField(null=True)  # only what changed after it was asked for
    # Where to go on: behind the last page that was written. Read to its end: `at_end`.
    cursor = models.TextField(blank=True)
    at_end = models.BooleanField(default=False)
    unnamed = models.BooleanField(default=False)  # a record could not be named: nothing is gone
    begun_anew = models.BooleanField(default=False)  # some of it was read more than once
    read_twice = models.BooleanField(default=False)  # for what the first reading lacked
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["run", "kind"], name="one_step_each"),)

    def __str__(self) -> str:
        return f"{self.kind}: {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def brought_nothing(self) -> bool:
        """Whether it was read to its end, and all of it was here as it is."""
        found = self.created or self.changed or self.gone or self.set_aside
        return self.status == self.Status.DONE and not found

    @property
    def pill(self) -> str:
        """The state as the pages' pills know it."""
        if self.status == self.Status.WAITING and not self.run.is_open:
            return "not_read"  # its run ended before its turn came
        known = {self.Status.RUNNING: "syncing", self.Status.STOPPED: "ended"}
        return known.get(self.Status(self.status), self.status)


class SeenPage(models.Model):
    """Which records a page of a complete read held: eight bytes each, until the step is done."""

    step = models.ForeignKey(SyncStep, on_delete=models.CASCADE, related_name="seen_pages")
    keys = models.BinaryField()

    def __str__(self) -> str:
        return f"a page of {self.step_id}"


class SingleRead(models.Model):
    """A wish to read one record again, waiting or being read. It is deleted once fulfilled."""

    class Kind(models.TextChoices):
        APPLICATION = "application", "An application"
        JOB = "job", "A requisition with what hangs on it"
        CANDIDATE = "candidate", "A candidate"
        PEOPLE = "people", "Users and their access"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    remote_id = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField(default=timezone.now)
    taken_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "kind", "remote_id"], name="one_wish_each"
            ),
        )

    def __str__(self) -> str:
        return f"Read {self.kind} {self.remote_id or ''}".strip()
