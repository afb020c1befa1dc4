"""Webhook endpoints and deliveries; of a payload only the action and record ids are stored."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.connections.models import Connection
from portal.core.secrets.secret_field import SecretField
from portal.core.tenancy.managers import OrganizationModel

MAX_REASON_LENGTH = 300


def generate_token() -> str:
    return secrets.token_urlsafe(32)


class Endpoint(OrganizationModel):
    """A connection's webhook URL and secret, and the state of processing its deliveries."""

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, related_name="webhook_endpoint"
    )
    token = models.CharField(max_length=64, unique=True, default=generate_token)
    secret = SecretField(blank=True, default="")
    last_four = models.CharField(max_length=4, blank=True)
    version = models.PositiveIntegerField(default=0)  # number of secrets, for compare-and-swap
    # Accepted for a while after a rotation, while webhooks are updated in Greenhouse.
    previous_secret = SecretField(blank=True, default="")
    previous_secret_expires_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    last_delivery_at = models.DateTimeField(null=True)  # with a valid signature
    rejected_count = models.PositiveIntegerField(default=0)  # deliveries with a bad signature
    last_rejected_at = models.DateTimeField(null=True)
    tested_at = models.DateTimeField(null=True)
    test_processed_at = models.DateTimeField(null=True)

    queued_at = models.DateTimeField(null=True)  # a queued task has not started yet
    heartbeat_at = models.DateTimeField(null=True)  # of the processing worker's lease
    retry_at = models.DateTimeField(null=True)  # backoff while Greenhouse is down or rate limits
    failure_count = models.PositiveIntegerField(default=0)  # consecutive

    class Meta:
        verbose_name = "webhook endpoint"
        verbose_name_plural = "webhook endpoints"

    def __str__(self) -> str:
        return f"Webhooks of {self.connection}"


class Delivery(OrganizationModel):
    """One event from Greenhouse. Processing only reads records, so it can be repeated safely."""

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting"
        READ = "read", "Records refreshed"
        NOTHING = "nothing", "Nothing to refresh"
        PAUSED = "paused", "Connection paused: the next sync picks it up"
        FAILED = "failed", "Not refreshed: the next sync picks it up"
        UNREADABLE = "unreadable", "Unreadable"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="webhook_deliveries"
    )
    event_id = models.CharField(max_length=100)  # Greenhouse's id of the delivery
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=20, blank=True)
    record_ids = models.JSONField(default=dict)  # ids of records, by kind
    is_deletion = models.BooleanField(default=False)
    received_at = models.DateTimeField(default=timezone.now)
    delivery_count = models.PositiveIntegerField(default=1)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    # Readings begun but not ended: only a killed worker leaves one.
    take_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)  # shown to people
    processed_at = models.DateTimeField(null=True)
    # Set while one of its records fails although others can be read.
    retry_at = models.DateTimeField(null=True)
    failure_count = models.PositiveSmallIntegerField(default=0, db_default=0)  # consecutive

    class Meta:
        ordering = ("-id",)
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        constraints = (
            models.UniqueConstraint(fields=["connection", "event_id"], name="unique_delivery"),
        )
        indexes = (
            models.Index(
                fields=["connection", "id"],
                condition=models.Q(outcome=""),
                name="deliveries_waiting",
            ),
            models.Index(fields=["received_at"], name="deliveries_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.action or 'unreadable'} {self.event_id}"


class Heartbeat(OrganizationModel):
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="webhook_heartbeats"
    )
    action = models.CharField(max_length=60)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    delivery_count = models.PositiveIntegerField(default=1)
    used_previous_secret = models.BooleanField(default=False)  # by the last delivery

    class Meta:
        ordering = ("action",)
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "action"], name="one_heartbeat_per_action"
            ),
        )

    def __str__(self) -> str:
        return f"{self.action}, last {self.last_at:%Y-%m-%d %H:%M}"
