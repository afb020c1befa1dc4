from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization
from portal.core.names.model_fields import NameField
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


class SavedFilter(models.Model):
    """Filters of the customer list that a staff member saved under a name."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters"
    )
    name = NameField(max_length=60)
    query = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("name", "pk")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="one_saved_filter_per_name"),
        )

    def __str__(self) -> str:
        return self.name
