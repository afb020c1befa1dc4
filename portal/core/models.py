from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

MAX_REASON_LENGTH = 300


class Transition(models.Model):
    subject = models.CharField(max_length=60)  # app_label.model
    subject_id = models.BigIntegerField()
    old = models.CharField(max_length=20)
    new = models.CharField(max_length=20)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    details = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            models.Index(fields=["subject", "subject_id", "-at"], name="transition_subject"),
            models.Index(fields=["at"], name="transitions_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id}: {self.old} → {self.new}"


class QueueLane(models.TextChoices):
    """Earlier lanes go first and have workers reserved."""

    CLICKS = "clicks"
    CHECKS = "checks"
    SYNCS = "syncs"


class SharedState(models.Model):
    """A few bytes per key (rate budgets, tokens) shared by all processes; used without Redis."""

    key = models.CharField(max_length=200, primary_key=True)
    value = models.BinaryField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class WorkerHeartbeat(models.Model):
    name = models.CharField(max_length=20, primary_key=True)
    heartbeat_at = models.DateTimeField(null=True)
    listening_since = models.DateTimeField(default=timezone.now)
    silence_noticed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
