"""What our own staff does at a customer's."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization


class Look(models.Model):
    """Somebody of ours looks at the portal as somebody of a customer's, for a while."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="looks")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(
        Membership, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.CharField(max_length=200)
    began_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        permissions = (
            ("look_as", "Can look at the portal as a customer's person, read-only"),
            ("help_customer", "Can check, sync and write to a customer for them"),
            ("operate", "Can see how the machines do"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["by"], condition=models.Q(ended_at=None), name="one_look_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return f"{self.by} as {self.membership}"
