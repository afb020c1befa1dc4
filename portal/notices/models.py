"""What people were told, and whether it has left; how they want to be told."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Organization


class Notice(models.Model):
    """One message to one person. The same `key` is told the same person once only."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        HELD = "held", "Kept for the digest"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.SENDING},
        Status.HELD: {Status.SENDING},
        Status.SENDING: {Status.SENT, Status.FAILED},
    }

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="notices")
    to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices"
    )
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=160)
    words = models.TextField()
    path = models.CharField(max_length=200, blank=True)  # where to go on, in the portal
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["to", "key"], name="told_once"),)
        indexes = (
            models.Index(fields=["status", "created_at"], name="notices_to_sweep"),
            models.Index(fields=["created_at"], name="notices_by_age"),
            models.Index(fields=["organization", "-created_at"], name="notices_of_customer"),
        )

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"


class Preference(models.Model):
    """How somebody wants to be told. Without a row: at once."""

    class How(models.TextChoices):
        AT_ONCE = "at_once", "At once"
        DAILY = "daily", "Once a day, in one mail"

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_preference"
    )
    how = models.CharField(max_length=10, choices=How.choices, default=How.AT_ONCE)
    quiet_until = models.DateTimeField(null=True, blank=True)
    digest_at = models.DateTimeField(null=True, blank=True)  # when the last one left

    def __str__(self) -> str:
        return f"{self.person}: {self.get_how_display()}"

    @property
    def is_quiet(self) -> bool:
        """Whether the while of quiet that was asked for still lasts."""
        return self.quiet_until is not None and self.quiet_until > timezone.now()

    @property
    def holds(self) -> bool:
        """Whether something new waits instead of leaving at once."""
        return self.is_quiet or self.how == self.How.DAILY


class ChatPost(models.Model):
    """One message to the team's chat tool, by the web hook that the operator has set."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.SENDING},
        Status.SENDING: {Status.SENT, Status.QUEUED, Status.FAILED},
    }

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120, unique=True)
    words = models.TextField()
    path = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["status", "due_at"], name="posts_to_sweep"),)

    def __str__(self) -> str:
        return self.words[:60]
