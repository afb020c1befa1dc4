"""Notifications to users, their delivery preferences, and messages to the chat tool."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Organization
from portal.accounts.organization_links import add_organization, is_staff_page
from portal.core.secrets.secret_field import SecretField
from portal.core.tenancy.managers import OrganizationModel


class OutgoingMessage(models.Model):
    """A message that a worker sends (`message_queue`)."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        DEFERRED = "deferred", "Kept for the digest"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.SENDING},
        Status.DEFERRED: {Status.SENDING},
        Status.SENDING: {Status.SENT, Status.QUEUED, Status.FAILED},
    }

    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Notification(OutgoingMessage, OrganizationModel):
    """A message to one user, at most once per `key`."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="notifications"
    )
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=160)
    body = models.TextField()
    path = models.CharField(max_length=200, blank=True)  # linked portal page

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["recipient", "key"], name="one_notification_per_key"),
        )
        indexes = (
            models.Index(fields=["status", "created_at"], name="notifications_to_recover"),
            models.Index(fields=["created_at"], name="notifications_by_age"),
            models.Index(fields=["organization", "-created_at"], name="notifications_by_customer"),
        )

    def __str__(self) -> str:
        return f"{self.subject} → {self.recipient}"

    @property
    def link_path(self) -> str:
        """The linked page, in the organization that the notification is about."""
        if not self.path or is_staff_page(self.path):
            return self.path
        return add_organization(self.path, self.organization_id)


class Preference(models.Model):
    """A user's delivery preferences. Without a row: immediately."""

    class Frequency(models.TextChoices):
        AT_ONCE = "at_once", "Right away"
        DAILY = "daily", "Once a day, in one email"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_preference"
    )
    frequency = models.CharField(
        max_length=10, choices=Frequency.choices, default=Frequency.AT_ONCE
    )
    paused_until = models.DateTimeField(null=True, blank=True)
    last_digest_at = models.DateTimeField(null=True, blank=True)
    # IANA name, of the browser until the user chooses another; empty means UTC.
    time_zone = models.CharField(max_length=40, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.user}: {self.get_frequency_display()}"

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > timezone.now()

    @property
    def defers_delivery(self) -> bool:
        return self.is_paused or self.frequency == self.Frequency.DAILY


class ChatMessage(OutgoingMessage, OrganizationModel):
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120, unique=True)
    text = models.TextField()
    path = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["status", "due_at"], name="chat_messages_due"),)

    def __str__(self) -> str:
        return self.text[:60]


# By the name of allauth's template.
_KIND_LABELS = {
    "email_confirmation": "Email confirmation",
    "email_confirmation_signup": "Email confirmation",
    "password_reset_key": "Password reset",
    "unknown_account": "Password reset",
    "password_changed": "Password changed",
    "password_reset": "Password changed",
    "password_set": "Password added",
    "totp_activated": "Two-step sign-in turned on",
    "totp_deactivated": "Two-step sign-in turned off",
    "recovery_codes_generated": "New recovery codes",
}


class OutgoingEmail(OutgoingMessage):
    """An email of the sign-in pages, or any other that code sent during a request."""

    recipient = models.ForeignKey(  # None: an address without an account
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=60, blank=True)  # such as "password_reset_key"
    content = SecretField(blank=True, default="")  # cleared once it is sent or given up
    last_error = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["status", "due_at"], name="outgoing_emails_due"),
            models.Index(fields=["created_at"], name="outgoing_emails_by_age"),
        )
        verbose_name = "sign-in email"

    def __str__(self) -> str:
        return f"{self.kind_label} {self.pk}"

    @property
    def kind_label(self) -> str:
        return _KIND_LABELS.get(self.kind, "Email")
