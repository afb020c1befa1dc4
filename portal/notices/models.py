"""What people were told, and whether it has left."""

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
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.SENDING},
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
        indexes = (models.Index(fields=["status", "created_at"], name="notices_to_sweep"),)

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"
