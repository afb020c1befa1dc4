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


class QueuedTask(models.Model):
    """A task that waits (no `leased_until`) or that a worker has."""

    lane = models.CharField(max_length=10, choices=QueueLane.choices)
    organization_id = models.BigIntegerField(default=0)  # 0: no customer's
    task = models.CharField(max_length=200)  # dotted path
    arguments = models.CharField(max_length=100, blank=True)  # IDs, comma-separated
    payload = models.TextField()  # Django-Q's signed package
    due_at = models.DateTimeField()
    enqueued_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=60, blank=True)
    lease_token = models.CharField(max_length=32, blank=True)
    delivery_count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = (
            models.Index(
                fields=["lane", "organization_id", "due_at", "id"],
                condition=models.Q(leased_until=None),
                name="queued_tasks_by_customer",
            ),
            models.Index(
                fields=["lane", "due_at"],
                condition=models.Q(leased_until=None),
                name="queued_tasks_by_due_time",
            ),
            models.Index(
                fields=["leased_until"],
                condition=models.Q(leased_until__isnull=False),
                name="queued_tasks_leased",
            ),
        )

    def __str__(self) -> str:
        return f"{self.task} {self.arguments}".strip()


class QueueTurn(models.Model):
    """When a customer's task was last taken from a lane."""

    lane = models.CharField(max_length=10, choices=QueueLane.choices)
    organization_id = models.BigIntegerField()
    last_served_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["lane", "organization_id"], name="queue_turn_per_customer"
            ),
        )

    def __str__(self) -> str:
        return f"{self.organization_id} in {self.lane}"


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


class DatabaseIdentity(models.Model):
    """One row: which database this is, to recognize a restored copy (`outbox_fence`)."""

    identity = models.CharField(max_length=60, blank=True)  # "" on SQLite
    fenced_at = models.DateTimeField(null=True)  # by hand

    def __str__(self) -> str:
        return self.identity
