"""Pins, saved views, last views and stored counts of requisitions."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.core.names.model_fields import NameField
from portal.core.tenancy.managers import OrganizationModel
from portal.sync.models import Job, StageName


class Pin(OrganizationModel):
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="pins")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="pins")
    pinned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pinned_at", "id")
        constraints = (models.UniqueConstraint(fields=["membership", "job"], name="unique_pin"),)

    def __str__(self) -> str:
        return f"{self.membership}: {self.job_id}"


class LastViewed(OrganizationModel):
    """When a member last opened a requisition; later applications are new to them."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="last_views")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="last_views")
    viewed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["membership", "job"], name="one_last_view_per_job"),
        )

    def __str__(self) -> str:
        return f"{self.membership}: {self.job_id} at {self.viewed_at}"


class SavedView(OrganizationModel):
    """A query of the requisition list, or of the applications of `job`."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="saved_views")
    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="+")
    name = NameField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["membership", "name"],
                condition=models.Q(job=None),
                name="unique_view_name",
            ),
            models.UniqueConstraint(
                fields=["membership", "job", "name"],
                condition=models.Q(job__isnull=False),
                name="unique_job_view_name",
            ),
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(is_default=True, job=None),
                name="one_default_view",
            ),
            models.UniqueConstraint(
                fields=["membership", "job"],
                condition=models.Q(is_default=True, job__isnull=False),
                name="one_default_job_view",
            ),
        )

    def __str__(self) -> str:
        return self.name


class StageCountRun(OrganizationModel):
    """Until when `stage_counts` has counted a connection's jobs."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="+")
    counted_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.connection}: {self.counted_until}"


class StageCount(OrganizationModel):
    """Active applications of a job per stage name, without private candidates. Zero has no row."""

    # The indexes below start with these.
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="stage_counts", db_index=False
    )
    stage = models.ForeignKey(
        StageName, on_delete=models.CASCADE, related_name="counts", db_index=False
    )
    active = models.PositiveIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["job", "stage"], name="one_count_per_stage"),
        )
        indexes = (models.Index(fields=["stage", "active", "job"], name="stage_count_at_least"),)

    def __str__(self) -> str:
        return f"{self.job_id}: {self.active} in {self.stage_id}"
