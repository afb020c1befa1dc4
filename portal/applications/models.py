"""Actions on applications, batches, reviews, rejection presets, refusals, shown résumés."""

from __future__ import annotations

import uuid
import zlib
from datetime import time, timedelta
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from integrations.ats.oauth_tokens import SERVICE_ACCOUNT_USER_ID
from integrations.ats.types import SeenStage
from portal.accounts.models import Membership, Organization
from portal.connections.models import Connection
from portal.core.names.model_fields import NameField
from portal.core.tenancy.managers import OrganizationModel
from portal.jobs.models import SavedView
from portal.sync.models import Application, EmailTemplate, Job, RejectionReason


class ActionKind(models.TextChoices):
    ADVANCE = "advance", "Advance"
    MOVE = "move", "Move to a stage"
    REJECT = "reject", "Reject"
    UNREJECT = "unreject", "Unreject"
    TRANSFER = "transfer", "Transfer to another requisition"
    UPDATE = "update", "Update"
    NOTE = "note", "Note"


class Batch(OrganizationModel):
    """One action applied to many applications; each has its own `ApplicationAction`. They are on
    `job`, or belong to one person who applied to it and to others.
    """

    key = models.UUIDField(unique=True, default=uuid.uuid4)  # idempotency key from the form
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="batches")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=ActionKind.choices)
    undoes = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undone_by"
    )
    # Selected, but the action no longer applied when confirmed.
    skipped_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)  # next turn of a worker; None: complete

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["due_at"], name="batches_due"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.job}"


class ApplicationAction(OrganizationModel):
    """One requested action. `key` comes from the form and makes the request idempotent."""

    Kind: ClassVar = ActionKind

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"  # a rejection for a later day (`pending/`)
        SCHEDULED = "scheduled", "Scheduled"
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        DONE = "done", "Done"
        REFUSED = "refused", "Denied by Greenhouse"
        CONFLICT = "conflict", "Application changed"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Checking with Greenhouse"
        CANCELED = "canceled", "Canceled"

    MOVES: ClassVar = {
        Status.PENDING: {
            Status.SCHEDULED,
            Status.QUEUED,
            Status.SENDING,  # perhaps, before a backup was restored
            Status.CANCELED,
            Status.CONFLICT,
            Status.FAILED,  # nobody confirmed it
        },
        Status.SCHEDULED: {
            Status.PENDING,  # too late, to be confirmed
            Status.QUEUED,
            Status.SENDING,
            Status.CANCELED,
            Status.FAILED,
        },
        Status.QUEUED: {Status.PENDING, Status.SENDING, Status.CANCELED, Status.FAILED},
        Status.SENDING: {
            Status.SCHEDULED,  # Greenhouse is down: certainly not done, to be retried
            Status.DONE,
            Status.REFUSED,
            Status.CONFLICT,
            Status.FAILED,
            Status.UNKNOWN,
        },
        Status.UNKNOWN: {Status.DONE, Status.CONFLICT, Status.FAILED},
    }
    OPEN_STATUSES = (Status.SCHEDULED, Status.QUEUED, Status.SENDING, Status.UNKNOWN)
    CANCELABLE_STATUSES = (Status.PENDING, Status.SCHEDULED, Status.QUEUED)
    # Without what is only written about an application.
    IS_DECISION: ClassVar = ~models.Q(kind=ActionKind.NOTE)
    INEFFECTIVE_STATUSES = (Status.CANCELED, Status.REFUSED, Status.FAILED, Status.CONFLICT)
    SLOW_AFTER = timedelta(seconds=4)  # a row polls every second then, so it tells within 5 s

    key = models.UUIDField(unique=True, default=uuid.uuid4)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="actions")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="actions")
    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="actions")
    undoes = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undone_by"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    outcome = models.CharField(max_length=400, blank=True)  # sentence shown to people
    evidence = models.JSONField(null=True)
    acting_user_remote_id = models.BigIntegerField(null=True)
    # OAuth consent only: the person has not given their own consent.
    as_service_account = models.BooleanField(default=False, db_default=False)
    role_remote_id = models.BigIntegerField(null=True)  # their role on the job; None: Site Admin

    seen_stage_remote_id = models.BigIntegerField(null=True)
    seen_entry_id = models.BigIntegerField(null=True)
    seen_stage_name = models.CharField(max_length=200, blank=True)
    reason = models.ForeignKey(
        RejectionReason, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    notes = models.TextField(blank=True, max_length=2000)
    parameters = models.JSONField(default=dict)  # for the handler, in Greenhouse's IDs
    # What the page showed when the person decided (`page_state`), without search terms.
    page_state: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    state_before = models.JSONField(null=True)  # `snapshot_application`; no personal data
    state_after = models.JSONField(null=True)

    queued_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)  # to be sent, or if unknown reconciled, then
    give_up_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            # At most one open action per application; notes leave it as it is.
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(status__in=["scheduled", "queued", "sending", "unknown"])
                & ~models.Q(kind="note"),
                name="one_open_action",
            ),
            # So that a note whose response was lost can be told from the author's next one.
            models.UniqueConstraint(
                fields=["application", "membership"],
                condition=models.Q(
                    status__in=["scheduled", "queued", "sending", "unknown"], kind="note"
                ),
                name="one_open_note",
            ),
            # It doesn't count as open: until it is due, people decide as if there were none.
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(status="pending"),
                name="one_pending_rejection",
            ),
        )
        indexes = (
            models.Index(fields=["status", "queued_at"], name="actions_to_recover"),
            models.Index(fields=["status", "due_at"], name="actions_due"),
            models.Index(fields=["membership", "-id"], name="actions_of_member"),
            models.Index(fields=["membership", "queued_at"], name="actions_of_member_by_age"),
            models.Index(fields=["queued_at"], name="actions_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.membership.user}: {self.get_status_display()}"

    @property
    def acting_user_id(self) -> int:
        """The user ID sent to the provider. 0 means nobody, which providers refuse."""
        return (
            SERVICE_ACCOUNT_USER_ID if self.as_service_account else self.acting_user_remote_id or 0
        )

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN_STATUSES

    @property
    def can_cancel(self) -> bool:
        return self.status in self.CANCELABLE_STATUSES

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING

    @property
    def needs_confirmation(self) -> bool:
        """Pending without a time: it is sent only after somebody has looked at it."""
        return self.is_pending and self.due_at is None

    @property
    def seen_stage(self) -> SeenStage:
        return SeenStage(stage_id=self.seen_stage_remote_id, entry_id=self.seen_entry_id)

    @property
    def seconds_left(self) -> int:
        if self.due_at is None:
            return 0
        return max(0, -int(-(self.due_at - timezone.now()).total_seconds() // 1))

    @property
    def is_in_undo_period(self) -> bool:
        """Scheduled by the person's click, not waiting for Greenhouse."""
        return self.status == self.Status.SCHEDULED and not self.outcome and self.seconds_left > 0

    @property
    def is_slow(self) -> bool:
        """Whether a worker has waited for Greenhouse's answer long enough to say so."""
        if self.status != self.Status.SENDING or self.sent_at is None:
            return False
        return bool(timezone.now() - self.sent_at >= self.SLOW_AFTER)


class ResumeView(OrganizationModel):
    """That a person was shown an application's résumé, for the record of what they decided."""

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="resume_views"
    )
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="+")
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership", "application"], name="one_resume_view_per_person"
            ),
        )
        indexes = (models.Index(fields=["last_at"], name="resume_views_by_age"),)

    def __str__(self) -> str:
        return f"{self.membership} saw the résumé of application {self.application_id}"


class LearnedRefusal(OrganizationModel):
    """Greenhouse's API does not expose which level of Job Admin may advance or reject, so we learn
    it from refusals.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    role_remote_id = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=ActionKind.choices)
    message = models.CharField(max_length=400)
    refused_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "role_remote_id", "kind"], name="one_refusal_per_role"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} refused to role {self.role_remote_id}"


class ActionPreferences(OrganizationModel):
    """How a person wants to work with applications."""

    class UndoSeconds(models.IntegerChoices):
        SHORT = 10, "10 seconds"
        MEDIUM = 20, "20 seconds"
        LONG = 60, "60 seconds"

    membership = models.OneToOneField(
        Membership, on_delete=models.CASCADE, related_name="action_preferences"
    )
    # None: the setting's seconds.
    undo_seconds = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=UndoSeconds.choices
    )
    compact_rows = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"Action preferences of {self.membership}"


class ReviewPreferences(OrganizationModel):
    membership = models.OneToOneField(
        Membership, on_delete=models.CASCADE, related_name="review_preferences"
    )
    single_key_shortcuts = models.BooleanField(default=True)
    highlighted_words = models.CharField(max_length=300, blank=True)  # comma-separated

    def __str__(self) -> str:
        return f"Review preferences of {self.membership}"


class ReviewSession(OrganizationModel):
    """A person's fixed list of applications to review, and their position in it. One per source."""

    class Source(models.TextChoices):
        JOB = "job", "Requisition"
        VIEW = "view", "Saved view"
        NEW = "new", "New since you last looked"
        WAITING = "waiting", "Waiting over 7 days"
        DUE = "due", "Closest to missing the promise"

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="review_sessions"
    )
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.JOB)
    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, null=True, on_delete=models.CASCADE, related_name="+")
    application_ids: models.JSONField[list[int], list[int]] = models.JSONField(default=list)
    position = models.PositiveIntegerField(default=0)
    filters: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # Time and ID of the last application of an earlier session on this source: its list goes on
    # after it.
    after: models.JSONField[list[Any], list[Any]] = models.JSONField(default=list)
    is_cut = models.BooleanField(default=False)  # there were more applications than fit
    started_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership", "job"],
                condition=models.Q(job__isnull=False),
                name="one_review_session_per_job",
            ),
            models.UniqueConstraint(
                fields=["membership", "view"],
                condition=models.Q(view__isnull=False),
                name="one_review_session_per_view",
            ),
            models.UniqueConstraint(
                fields=["membership", "source"],
                condition=models.Q(job=None, view=None),
                name="one_review_session_per_source",
            ),
        )

    def __str__(self) -> str:
        return f"{self.membership}: {self.name}"

    @property
    def name(self) -> str:
        if self.job is not None:
            return self.job.name
        return self.view.name if self.view is not None else self.get_source_display()


class RejectionPreset(OrganizationModel):
    """A rejection that one key makes: of one person, or of everybody in the organization."""

    class EmailDelay(models.IntegerChoices):
        HOUR = 60, "1 hour after the rejection"
        DAY = 60 * 24, "1 day after the rejection"
        THREE_DAYS = 60 * 72, "3 days after the rejection"
        LATER = 0, "On a later working day"  # with the rejection itself

    MAX_DELAY_DAYS = 10

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="rejection_presets"
    )
    # None: shared in the organization.
    membership = models.ForeignKey(
        Membership, null=True, on_delete=models.CASCADE, related_name="rejection_presets"
    )
    name = NameField(max_length=40)
    digit = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    # None: no longer in Greenhouse's data, so that the preset needs another one.
    reason = models.ForeignKey(
        RejectionReason, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    notes = models.TextField(blank=True, max_length=2000)
    template = models.ForeignKey(
        EmailTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    mail_after = models.PositiveIntegerField(
        choices=EmailDelay.choices, default=EmailDelay.HOUR
    )  # minutes
    # Of EmailDelay.LATER: how many working days, and at which time of the candidate.
    delay_days = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(MAX_DELAY_DAYS)]
    )
    send_time = models.TimeField(default=time(9))

    class Meta:
        ordering = ("digit", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "digit"],
                condition=models.Q(membership=None),
                name="one_shared_preset_per_digit",
            ),
            models.UniqueConstraint(
                fields=["membership", "digit"],
                condition=models.Q(membership__isnull=False),
                name="one_own_preset_per_digit",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def click(self) -> str:
        """What its button posts: its ID and what it stood for on the page."""
        note = zlib.crc32(self.notes.encode())
        delay = f"{self.mail_after}-{self.delay_days}-{self.send_time:%H%M}"
        parts = (self.pk, self.reason_id, note, self.template_id, delay)
        return ".".join("" if part is None else str(part) for part in parts)

    @property
    def is_later(self) -> bool:
        """Whether the rejection and its email are sent on a later day."""
        return self.template_id is not None and self.mail_after == self.EmailDelay.LATER

    @property
    def has_lost_email(self) -> bool:
        """Its email is no longer in Greenhouse's data: it must not reject at once without one."""
        return self.template_id is None and self.mail_after == self.EmailDelay.LATER

    @property
    def delay_text(self) -> str:
        if self.mail_after != self.EmailDelay.LATER:
            return self.get_mail_after_display()
        days = f"{self.delay_days} working day{'' if self.delay_days == 1 else 's'}"
        return f"and the rejection in {days} at {self.send_time:%H:%M}"

    @property
    def description(self) -> str:
        """For example "Too junior · email “Thank you” 1 day after the rejection"."""
        parts = [self.reason.name if self.reason is not None else "Needs a reason"]
        if self.notes:
            parts.append("with a note")
        if self.template is not None:
            parts.append(f"email “{self.template.name}” {self.delay_text}")
        elif self.has_lost_email:
            parts.append("needs an email")
        return " · ".join(parts)
