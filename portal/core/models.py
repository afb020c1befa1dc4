"""Rows without a domain: what moved, bytes shared by all processes, the workers' sign of life."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

LONGEST_WHY = 300


class Transition(models.Model):
    """One change of a state: what moved, from where to where, by whom and why."""

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
    why = models.CharField(max_length=LONGEST_WHY)
    facts = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            models.Index(fields=["subject", "subject_id", "-at"], name="transition_subject"),
            models.Index(fields=["at"], name="transitions_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id}: {self.old} → {self.new}"


class SharedState(models.Model):
    """A few bytes per key (rate budget, tokens) that all processes share; used without Redis."""

    key = models.CharField(max_length=200, primary_key=True)
    value = models.BinaryField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class Pulse(models.Model):
    """When the workers were last heard (portal.core.pulse); one row."""

    name = models.CharField(max_length=20, primary_key=True)
    heard_at = models.DateTimeField(null=True)
    listening_since = models.DateTimeField(default=timezone.now)
    noticed_at = models.DateTimeField(null=True)  # when their silence was noticed

    def __str__(self) -> str:
        return self.name
