from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.accounts.models import Organization
from portal.core.tenancy.managers import OrganizationModel


class Issue(OrganizationModel):
    """A problem a person must fix or know about; opened and closed only by code."""

    class Cause(models.TextChoices):
        BAD_CREDENTIAL = "bad_credential", "Credential rejected"
        UNREADABLE_CREDENTIAL = (
            "unreadable_credential",
            "Stored credential unreadable",
        )
        CONSENT_EXPIRING = "consent_expiring", "Authorization expires soon"
        MISSING_PERMISSION = "missing_permission", "Permission missing"
        NO_SITE_ADMIN = "no_site_admin", "Not connected as a Site Admin"
        ACTING_USER_REFUSED = "acting_user_refused", "Greenhouse refused a person's actions"
        RATE_LIMIT = "rate_limit", "Rate limit reached"
        GREENHOUSE_DOWN = "greenhouse_down", "Greenhouse isn't responding"
        DRIFT = "drift", "Synced data differed from Greenhouse"
        MASS_DELETION = "mass_deletion", "Most records missing from a list"
        UNMATCHED_PEOPLE = "unmatched_people", "People without a Greenhouse match"
        SYNC_FAILING = "sync_failing", "Syncs keep failing"
        UNREADABLE_RECORDS = "unreadable_records", "Records couldn't be read"
        REFRESH_FAILED = "refresh_failed", "A record couldn't be refreshed"
        WORKER_DEAD = "worker_dead", "No worker is running"
        WEBHOOK_SILENT = "webhook_silent", "No webhooks received"
        ACTIONS_FAILING = "actions_failing", "Many actions fail"
        FRESHNESS = "freshness", "Data is older than promised"

    class Severity(models.TextChoices):
        """CRITICAL only where a person must act."""

        CRITICAL = "critical", "Action needed"
        WARNING = "warning", "Warning"
        INFO = "info", "Info"

    class Fixer(models.TextChoices):
        GREENHOUSE_ADMIN = "greenhouse_admin", "The customer's Greenhouse admin"
        ADMIN = "admin", "An admin of the customer"
        CSM = "csm", "Customer success"
        OPERATOR = "operator", "Operator"
        GREENHOUSE = "greenhouse", "Greenhouse"
        NOBODY = "nobody", "Resolves itself"

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
