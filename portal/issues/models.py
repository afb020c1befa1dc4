from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Organization
from portal.core.tenancy.managers import OrganizationModel


class Issue(OrganizationModel):
    """A problem a person must fix or know about; opened and closed only by code."""

    class Cause(models.TextChoices):
        BAD_CREDENTIAL = "bad_credential", "The credential is not accepted"
        UNREADABLE_CREDENTIAL = (
            "unreadable_credential",
            "The stored credential can no longer be opened",
        )
        CONSENT_EXPIRING = "consent_expiring", "The consent ends soon"
        MISSING_PERMISSION = "missing_permission", "A permission is missing"
        NO_SITE_ADMIN = "no_site_admin", "The reader is no Site Admin"
        ACTING_USER_REFUSED = "acting_user_refused", "Greenhouse refuses to act as somebody"
        RATE_LIMIT = "rate_limit", "Greenhouse's rate limit is exhausted"
        GREENHOUSE_DOWN = "greenhouse_down", "Greenhouse does not answer"
        DRIFT = "drift", "The mirror differed from Greenhouse"
        MASS_DELETION = "mass_deletion", "A list lacks most of what is here"
        UNMATCHED_PEOPLE = "unmatched_people", "People without a match in Greenhouse"
        SYNC_FAILING = "sync_failing", "Syncs fail again and again"
        UNREADABLE_RECORDS = "unreadable_records", "Records could not be read"
        REFRESH_FAILED = "refresh_failed", "A record could not be refreshed"
        WORKER_DEAD = "worker_dead", "No worker is running"
        WEBHOOK_SILENT = "webhook_silent", "Webhooks have fallen silent"
        ACTIONS_FAILING = "actions_failing", "Many actions fail"
        FRESHNESS = "freshness", "Data is older than promised"

    class Severity(models.TextChoices):
        """CRITICAL only where a person must act."""

        CRITICAL = "critical", "Somebody must act"
        WARNING = "warning", "Something is off"
        INFO = "info", "Good to know"

    class Fixer(models.TextChoices):
        GREENHOUSE_ADMIN = "greenhouse_admin", "Whoever manages Greenhouse at the customer"
        ADMIN = "admin", "An admin of the organization"
        CSM = "csm", "Customer success"
        OPERATOR = "operator", "The operator of this portal"
        GREENHOUSE = "greenhouse", "Greenhouse itself"
        NOBODY = "nobody", "It mends itself"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="issues")
    cause = models.CharField(max_length=30, choices=Cause.choices)
    key = models.CharField(max_length=100, blank=True)  # for example the missing permission
    severity = models.CharField(max_length=20, choices=Severity.choices)
    fixer = models.CharField(max_length=20, choices=Fixer.choices)
    title = models.CharField(max_length=160)
    description = models.TextField()  # what happened, and what to do
    still_works = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict, blank=True)
    occurrences = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=200, blank=True)

    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("-last_seen_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "cause", "key"],
                condition=models.Q(closed_at=None),
                name="one_open_issue_per_cause",
            ),
        )
        indexes = (
            models.Index(fields=["organization", "closed_at", "severity"], name="issues_open"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.closed_at is None
