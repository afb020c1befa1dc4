"""Every click on an application, kept: who, what, what they saw, and what came of it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from integrations.ats.types import SeenStage
from portal.accounts.models import Membership
from portal.mirror.models import Application, RejectionReason


class ApplicationAction(models.Model):
    """One click. Its `key` comes from the form, so that the same click never acts twice."""

    class Kind(models.TextChoices):
        ADVANCE = "advance", "Advance"
        REJECT = "reject", "Reject"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        DONE = "done", "Done in Greenhouse"
        REFUSED = "refused", "Refused by Greenhouse"
        CONFLICT = "conflict", "Changed meanwhile"
        FAILED = "failed", "Not sent"
        UNKNOWN = "unknown", "Checking with Greenhouse"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.SENDING, Status.FAILED},
        Status.SENDING: {
            Status.DONE,
            Status.REFUSED,
            Status.CONFLICT,
            Status.FAILED,
            Status.UNKNOWN,
        },
        Status.UNKNOWN: {Status.DONE, Status.CONFLICT, Status.FAILED},
    }
    OPEN = (Status.QUEUED, Status.SENDING, Status.UNKNOWN)

    key = models.UUIDField(unique=True, default=uuid.uuid4)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="actions")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    outcome = models.CharField(max_length=400, blank=True)  # a sentence for a person
    evidence = models.JSONField(null=True)
    acting_user_remote_id = models.BigIntegerField(null=True)

    seen_stage_remote_id = models.BigIntegerField(null=True)
    seen_entry_id = models.BigIntegerField(null=True)
    seen_stage_name = models.CharField(max_length=200, blank=True)
    reason = models.ForeignKey(
        RejectionReason, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    notes = models.TextField(blank=True, max_length=2000)

    queued_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            # Two clicks on one application are taken one after the other, never at once.
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(status__in=["queued", "sending", "unknown"]),
                name="one_open_action",
            ),
        )
        indexes = (models.Index(fields=["status", "queued_at"], name="actions_to_sweep"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.membership.user}: {self.get_status_display()}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def seen(self) -> SeenStage:
        return SeenStage(stage_id=self.seen_stage_remote_id, entry_id=self.seen_entry_id)
