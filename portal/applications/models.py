"""Every click on an application, kept: who, what, what they saw, and what came of it."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from integrations.ats.consent import SERVICE_ACCOUNT
from integrations.ats.types import SeenStage
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.mirror.models import Application, Job, RejectionReason


class Kind(models.TextChoices):
    """What can be done with an application. Each has its verb in `portal.applications.verbs`."""

    ADVANCE = "advance", "Advance"
    MOVE = "move", "Move to a stage"
    REJECT = "reject", "Reject"
    UNREJECT = "unreject", "Unreject"
    TRANSFER = "transfer", "Transfer to another job"
    UPDATE = "update", "Update"


class Batch(models.Model):
    """One thing done to many applications of a job. Each of them has an action of its own."""

    key = models.UUIDField(unique=True, default=uuid.uuid4)  # from the form: once, however often
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="batches")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    undoes = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undone_by"
    )
    left_out = models.PositiveIntegerField(default=0)  # chosen, but not fit for it when confirmed
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)  # when a worker is to take it up; None: nothing left

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["due_at"], name="batches_due"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.job}"


class ApplicationAction(models.Model):
    """One click. Its `key` comes from the form, so that the same click never acts twice."""

    Kind: ClassVar = Kind

    class Status(models.TextChoices):
        HELD = "held", "In the outbox"
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        DONE = "done", "Done in Greenhouse"
        REFUSED = "refused", "Refused by Greenhouse"
        CONFLICT = "conflict", "Changed meanwhile"
        FAILED = "failed", "Not sent"
        UNKNOWN = "unknown", "Checking with Greenhouse"
        WITHDRAWN = "withdrawn", "Taken back before it was sent"

    MOVES: ClassVar = {
        Status.HELD: {Status.QUEUED, Status.SENDING, Status.WITHDRAWN, Status.FAILED},
        Status.QUEUED: {Status.SENDING, Status.WITHDRAWN, Status.FAILED},
        Status.SENDING: {
            Status.HELD,  # Greenhouse is down: it certainly did not happen, and is tried again
            Status.DONE,
            Status.REFUSED,
            Status.CONFLICT,
            Status.FAILED,
            Status.UNKNOWN,
        },
        Status.UNKNOWN: {Status.DONE, Status.CONFLICT, Status.FAILED},
    }
    OPEN = (Status.HELD, Status.QUEUED, Status.SENDING, Status.UNKNOWN)
    WITHDRAWABLE = (Status.HELD, Status.QUEUED)
    DID_NOTHING = (Status.WITHDRAWN, Status.REFUSED, Status.FAILED, Status.CONFLICT)

    key = models.UUIDField(unique=True, default=uuid.uuid4)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="actions")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="actions")
    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="actions")
    undoes = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="undone_by"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    outcome = models.CharField(max_length=400, blank=True)  # a sentence for a person
    evidence = models.JSONField(null=True)
    acting_user_remote_id = models.BigIntegerField(null=True)
    # By consent only: sent as the connection's service account, since the person has not agreed.
    as_service_account = models.BooleanField(default=False, db_default=False)
    role_remote_id = models.BigIntegerField(null=True)  # in which they acted; None: Site Admin

    seen_stage_remote_id = models.BigIntegerField(null=True)
    seen_entry_id = models.BigIntegerField(null=True)
    seen_stage_name = models.CharField(max_length=200, blank=True)
    reason = models.ForeignKey(
        RejectionReason, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    notes = models.TextField(blank=True, max_length=2000)
    parameters = models.JSONField(default=dict)  # what its verb needs besides, in Greenhouse's ids
    before = models.JSONField(null=True)  # where the application stood; no personal data
    after = models.JSONField(null=True)

    queued_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)  # held until then; unknown: looked at again then
    give_up_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)  # "skip": its card is put away

    class Meta:
        ordering = ("-id",)
        constraints = (
            # Two clicks on one application are taken one after the other, never at once.
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(status__in=["held", "queued", "sending", "unknown"]),
                name="one_open_action",
            ),
        )
        indexes = (
            models.Index(fields=["status", "queued_at"], name="actions_to_sweep"),
            models.Index(fields=["status", "due_at"], name="actions_due"),
            models.Index(fields=["membership", "-id"], name="actions_of_member"),
            models.Index(fields=["membership", "queued_at"], name="actions_of_member_by_age"),
            models.Index(fields=["queued_at"], name="actions_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.membership.user}: {self.get_status_display()}"

    @property
    def acting_user_id(self) -> int:
        """In whose name it goes out, as a provider takes it. 0 is nobody, and refused."""
        return SERVICE_ACCOUNT if self.as_service_account else self.acting_user_remote_id or 0

    @property
    def status_words(self) -> str:
        """The state within a sentence."""
        label = self.get_status_display()
        return f"{label[:1].lower()}{label[1:]}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def can_be_withdrawn(self) -> bool:
        return self.status in self.WITHDRAWABLE

    @property
    def seen(self) -> SeenStage:
        return SeenStage(stage_id=self.seen_stage_remote_id, entry_id=self.seen_entry_id)

    @property
    def seconds_left(self) -> int:
        """Until it is sent; 0 when it is due."""
        if self.due_at is None:
            return 0
        return max(0, -int(-(self.due_at - timezone.now()).total_seconds() // 1))


class LearnedRefusal(models.Model):
    """What Greenhouse refused to a role lately: the next person with it reads that first.

    Greenhouse's API does not tell which level of Job Admin may advance or reject; its answers do.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    role_remote_id = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    words = models.CharField(max_length=400)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "role_remote_id", "kind"], name="one_refusal_each"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} refused to role {self.role_remote_id}"


class Habits(models.Model):
    """How a person likes to review."""

    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="habits")
    keys = models.BooleanField(default=True)
    words = models.CharField(max_length=300, blank=True)  # to be highlighted, parted by commas

    def __str__(self) -> str:
        return f"Habits of {self.membership}"


class Sitting(models.Model):
    """A person going through a requisition's applications one by one, and where they are."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="sittings")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    order: models.JSONField[list[int], list[int]] = models.JSONField(default=list)
    at = models.PositiveIntegerField(default=0)
    chosen: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    started_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["membership", "job"], name="one_sitting_each"),
        )

    def __str__(self) -> str:
        return f"{self.membership} at {self.job}"

    @property
    def number(self) -> int:
        return self.at + 1

    @property
    def total(self) -> int:
        return len(self.order)
