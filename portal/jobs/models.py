"""Pins, saved views, last views, stored counts, the answer promise, and emails about new
applicants.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.accounts.models import Membership, Organization
from portal.connections.models import Connection
from portal.core.names.model_fields import NameField
from portal.core.tenancy.managers import OrganizationModel
from portal.notifications.models import OutgoingMessage
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
    shared_at = models.DateTimeField(null=True)  # others of the organization see it since

    class Meta:
        ordering = ("name", "id")
        indexes = (
            models.Index(
                fields=["job", "name"],
                condition=models.Q(shared_at__isnull=False),
                name="shared_views",
            ),
        )
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

    @property
    def is_shared(self) -> bool:
        return self.shared_at is not None

    @property
    def has_search(self) -> bool:
        """Search terms may name a requisition that others may not see."""
        return any(part.startswith("q=") for part in self.query.split("&"))

    @property
    def shows_closed(self) -> bool:
        """Closed requisitions get no applicants."""
        return "status=closed" in self.query.split("&")


class StageCountRun(OrganizationModel):
    """Until when `stage_counts` has counted a connection's jobs, and by which answer promise all of
    them were counted last.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="+")
    counted_until = models.DateTimeField(null=True)
    promise_changed_at = models.DateTimeField(null=True)  # None: the default promise

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


def default_working_days() -> list[int]:
    return [0, 1, 2, 3, 4]


class AnswerPromise(OrganizationModel):
    """Within how many working days an organization wants to decide on an application. Those
    without a row have the defaults.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="answer_promise"
    )
    days = models.PositiveSmallIntegerField(default=5)
    time_zone = models.CharField(max_length=40, default="UTC")
    working_days = models.JSONField(default=default_working_days)  # Monday is 0
    holidays = models.JSONField(default=list)  # [{"date": "2026-12-25", "name": "Christmas Day"}]
    changed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.organization}: {self.days} working days"


class DecisionTally(OrganizationModel):
    """Applications of a job by local day of its organization, without private candidates.

    `waiting` have needed a decision since that day. The others left that state on that day: within
    the promise or late, or it is unknown how long they had waited. All zero has no row.
    """

    # The constraint's index starts with it.
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="decision_tallies", db_index=False
    )
    day = models.DateField()
    waiting = models.PositiveIntegerField(default=0)
    in_time = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["job", "day"], name="one_decision_tally_per_day"),
        )
        # Has everything that pages add up, so that they need not read the rows.
        indexes = (
            models.Index(
                fields=["job", "day", "waiting", "in_time", "late", "unknown"],
                name="decision_tallies_covering",
            ),
        )

    def __str__(self) -> str:
        return f"{self.job_id} on {self.day}"


class DecisionTallySum(OrganizationModel):
    """Sum of the tallies of a block of jobs with neighboring keys, without confidential jobs and
    those that are gone: Site Admins see all of them, and adding up each job's would take seconds.

    `waiting` are those of open jobs; on no day, those who wait since an unknown time.
    """

    # The index below starts with it.
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    block = models.BigIntegerField()  # `Job.pk` divided by the size of a block
    day = models.DateField(null=True)
    waiting = models.PositiveIntegerField(default=0)
    in_time = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    decision_unknown = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = (models.Index(fields=["connection", "block"], name="decision_tally_sums"),)

    def __str__(self) -> str:
        return f"{self.connection_id}, block {self.block} on {self.day}"


class ApplicantSubscription(OrganizationModel):
    """A member's emails about new applicants of a requisition, or of those in a saved view."""

    class Frequency(models.TextChoices):
        INSTANT = "instant", "Within minutes"
        DAILY = "daily", "Once a day at 9:00"

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="applicant_subscriptions"
    )
    job = models.ForeignKey(Job, null=True, on_delete=models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, null=True, on_delete=models.CASCADE, related_name="+")
    frequency = models.CharField(max_length=10, choices=Frequency.choices)
    # The period that ends then is the next to be sent; each is claimed by compare-and-swap.
    due_at = models.DateTimeField()
    covered_until = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["membership", "job"], name="one_subscription_per_job"),
            models.UniqueConstraint(
                fields=["membership", "view"], name="one_subscription_per_view"
            ),
            models.CheckConstraint(
                condition=models.Q(job__isnull=True) ^ models.Q(view__isnull=True),
                name="subscription_to_job_or_view",
            ),
        )
        indexes = (models.Index(fields=["due_at"], name="subscriptions_due"),)

    def __str__(self) -> str:
        return f"{self.membership}: {self.job_id or self.view_id}, {self.frequency}"


class ApplicantDigest(OutgoingMessage, OrganizationModel):
    """One email to a member about one period. What it lists is decided when it is sent."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    frequency = models.CharField(max_length=10, choices=ApplicantSubscription.Frequency.choices)
    period_end = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership", "frequency", "period_end"], name="one_digest_per_period"
            ),
        )
        indexes = (
            models.Index(fields=["status", "due_at"], name="applicant_digests_due"),
            models.Index(fields=["created_at"], name="applicant_digests_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.membership}: {self.frequency} until {self.period_end}"


class DigestPart(OrganizationModel):
    """The time of which a digest covers a subscription; ends with the subscription."""

    digest = models.ForeignKey(ApplicantDigest, on_delete=models.CASCADE, related_name="parts")
    subscription = models.ForeignKey(
        ApplicantSubscription, on_delete=models.CASCADE, related_name="+"
    )
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["digest", "subscription"], name="one_part_per_subscription"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.begins_at} to {self.ends_at}"
