"""Where Greenhouse delivers to, what it delivered, and when each kind of event was last heard.

Nothing of a payload is kept: only the action and the ids that it names.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.connections.models import Connection
from portal.core.secrets import SecretField


def new_token() -> str:
    """The part of an address that nobody guesses."""
    return secrets.token_urlsafe(32)


class Address(models.Model):
    """A connection's address, its secret, and the reading of what came in.

    After a renewal the former secret is accepted for a while, so that no delivery is lost while
    somebody types the new one into each web hook.
    """

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, related_name="web_hook_address"
    )
    token = models.CharField(max_length=64, unique=True, default=new_token)
    secret = SecretField(blank=True, default="")
    last_four = models.CharField(max_length=4, blank=True)
    version = models.PositiveIntegerField(default=0)  # counts secrets; guards against a double one
    former_secret = SecretField(blank=True, default="")
    former_until = models.DateTimeField(null=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    heard_at = models.DateTimeField(null=True)  # the last delivery that was rightly signed
    refused = models.PositiveIntegerField(default=0)  # wrongly signed ones
    refused_at = models.DateTimeField(null=True)
    tested_at = models.DateTimeField(null=True)
    test_read_at = models.DateTimeField(null=True)  # when a worker had read the test

    asked_at = models.DateTimeField(null=True)  # a worker was asked to read, and has not begun
    reading_at = models.DateTimeField(null=True)  # the reading worker's last sign of life
    not_before = models.DateTimeField(null=True)  # Greenhouse asked us to wait, or was down
    failures = models.PositiveIntegerField(default=0)  # in a row, of Greenhouse not answering

    class Meta:
        verbose_name = "web hook address"
        verbose_name_plural = "web hook addresses"

    def __str__(self) -> str:
        return f"Web hooks of {self.connection}"


class Delivery(models.Model):
    """One thing that Greenhouse told, by the id that Greenhouse gave it.

    Its life is one step, from waiting (`outcome` "") to settled, written where it is still
    waiting; what happens in between is a reading of records, which may be done twice.
    """

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting to be read"
        READ = "read", "Its records were read again"
        NOTHING = "nothing", "Nothing of ours"
        PAUSED = "paused", "The connection was paused: the next sync brings it"
        FAILED = "failed", "Could not be read: the next sync brings it"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="web_hook_deliveries"
    )
    event_id = models.CharField(max_length=100)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=20, blank=True)
    names = models.JSONField(default=dict)  # ids of records, by kind
    gone = models.BooleanField(default=False)  # it says that its record is no more
    received_at = models.DateTimeField(default=timezone.now)
    times = models.PositiveIntegerField(default=1)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    why = models.CharField(max_length=300, blank=True)  # a sentence for a person
    settled_at = models.DateTimeField(null=True)
    # One of its records fails while others are answered: it is read again by itself, then.
    not_before = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)  # in a row

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        constraints = (
            models.UniqueConstraint(fields=["connection", "event_id"], name="delivered_once"),
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
        return f"{self.action} {self.event_id}"


class Heartbeat(models.Model):
    """When a kind of event was first and last heard, of one connection."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="web_hook_heartbeats"
    )
    action = models.CharField(max_length=60)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    times = models.PositiveIntegerField(default=1)
    by_former_secret = models.BooleanField(default=False)  # the last one

    class Meta:
        ordering = ("action",)
        constraints = (
            models.UniqueConstraint(fields=["connection", "action"], name="one_heartbeat_each"),
        )

    def __str__(self) -> str:
        return f"{self.action}, last {self.last_at:%Y-%m-%d %H:%M}"
