"""Inviting somebody into an organization, by a link that works once and ends."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization
from portal.core.fields import NormalizedEmailField
from portal.core.secrets import SecretField


class Invitation(models.Model):
    """One invitation. Only the link's digest stays; the link itself until the mail has left."""

    class Mail(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    MOVES: ClassVar = {
        Mail.QUEUED: {Mail.SENDING},
        Mail.SENDING: {Mail.SENT, Mail.FAILED},
        Mail.SENT: {Mail.QUEUED},  # sent again, with another link
        Mail.FAILED: {Mail.QUEUED},
    }

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    email = NormalizedEmailField("e-mail")
    role = models.CharField(
        max_length=20, choices=Membership.Role.choices, default=Membership.Role.RECRUITER
    )
    digest = models.CharField(max_length=64, unique=True)
    link = SecretField(blank=True, default="")  # for the mail; emptied once it has left
    mail = models.CharField(max_length=10, choices=Mail.choices, default=Mail.QUEUED)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    invited_at = models.DateTimeField(default=timezone.now)  # or sent again
    expires_at = models.DateTimeField()
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
