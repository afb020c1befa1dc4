from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization
from portal.core.tenancy.managers import OrganizationModel


class Impersonation(OrganizationModel):
    """A staff member views the portal as a customer's member for a limited time."""

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="impersonations"
    )
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(
        Membership, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.CharField(max_length=200)
    started_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "impersonation log"
        default_permissions = ("view",)
        permissions = (
            ("impersonate_member", "Can view the portal as a customer's member, read-only"),
            ("help_customer", "Can act for a customer"),
            ("view_system_health", "Can view system health"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["by"], condition=models.Q(ended_at=None), name="one_active_impersonation"
            ),
        )

    def __str__(self) -> str:
        return f"{self.by} as {self.membership}"
