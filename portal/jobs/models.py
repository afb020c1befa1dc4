"""What a person keeps about requisitions: pins, views of the list, and when they last looked.

And what is counted of a connection's jobs, and until when.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.mirror.models import Job, StageName


class Pin(models.Model):
    """A requisition that somebody keeps at the top."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="pins")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="pins")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("at", "id")
        constraints = (models.UniqueConstraint(fields=["membership", "job"], name="pinned_once"),)

    def __str__(self) -> str:
        return f"{self.membership}: {self.job_id}"


class Look(models.Model):
    """When somebody last opened a requisition: what came in since is new to them."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="looks")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="looks")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["membership", "job"], name="looked_once"),)

    def __str__(self) -> str:
        return f"{self.membership}: {self.job_id} at {self.at}"


class SavedView(models.Model):
    """A list of requisitions as somebody likes it: the query of its address, under a name."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="job_views")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=600, blank=True)
    default = models.BooleanField(default=False)

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(fields=["membership", "name"], name="view_name_once"),
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(default=True),
                name="one_default_view",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """Until when `portal.jobs.tally` has counted a connection's jobs; None: never yet."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.connection}: {self.until}"


class StageTally(models.Model):
    """How many active applications a job has in its stages of one name. Private ones never count.

    Kept by `portal.jobs.tally`, for the filter by stage; no row where there are none.
    """

    # Each is the first of an index below.
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="stage_tallies", db_index=False
    )
    stage = models.ForeignKey(
        StageName, on_delete=models.CASCADE, related_name="tallies", db_index=False
    )
    active = models.PositiveIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["job", "stage"], name="stage_tally_once"),)
        indexes = (models.Index(fields=["stage", "active", "job"], name="stage_tally_at_least"),)

    def __str__(self) -> str:
        return f"{self.job_id}: {self.active} in {self.stage_id}"
