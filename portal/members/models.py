from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization
from portal.core.names.model_fields import NormalizedEmailField
from portal.core.secrets.secret_field import SecretField
from portal.core.tenancy.managers import OrganizationModel


class Invitation(OrganizationModel):
    """Stores the link token's digest; the token itself only until the email is sent."""

    class EmailStatus(models.TextChoices):
        QUEUED = "queued", "Sending soon"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Couldn't be sent"
        RETURNED = "returned", "Came back"

    MOVES: ClassVar = {
        EmailStatus.QUEUED: {EmailStatus.SENDING},
        # The provider may say that it came back before the worker knows that it left.
        EmailStatus.SENDING: {
            EmailStatus.SENT,
            EmailStatus.QUEUED,
            EmailStatus.FAILED,
            EmailStatus.RETURNED,
        },
        EmailStatus.SENT: {EmailStatus.QUEUED, EmailStatus.RETURNED},  # queued: with a new link
        EmailStatus.FAILED: {EmailStatus.QUEUED},
        EmailStatus.RETURNED: {EmailStatus.QUEUED},
    }

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    email = NormalizedEmailField("email")
    role = models.CharField(
        max_length=20, choices=Membership.Role.choices, default=Membership.Role.RECRUITER
    )
    note = models.TextField(blank=True, default="", max_length=500)  # part of the email
    digest = models.CharField(max_length=64, unique=True)
    token = SecretField(blank=True, default="")  # cleared once the email is sent
    email_status = models.CharField(
        max_length=10, choices=EmailStatus.choices, default=EmailStatus.QUEUED
    )
    email_attempts = models.PositiveSmallIntegerField(default=0)
    email_due_at = models.DateTimeField(default=timezone.now)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    invited_at = models.DateTimeField(default=timezone.now)  # or last resent
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)  # when the link was first opened
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.email} into {self.organization}"

    @property
    def is_open(self) -> bool:
        return not (self.accepted_at or self.revoked_at) and self.expires_at > timezone.now()
