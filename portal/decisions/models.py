"""What people decided on applications, sealed; see docs/decision-record.md."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from portal.accounts.models import Membership, Organization
from portal.audit.models import AppendOnlyViolation
from portal.core.tenancy.managers import OrganizationModel

MIN_YEARS, DEFAULT_YEARS, MAX_YEARS = 1, 3, 4


class Decision(OrganizationModel):
    """One decision and what became of it. It outlives the action and names no candidate: pages
    look names up for their reader. Only erasure changes it, and only what people typed.
    """

    class Result(models.TextChoices):
        DONE = "done", "Done"
        REFUSED = "refused", "Denied by Greenhouse"
        CONFLICT = "conflict", "Not done: the application had changed"
        FAILED = "failed", "Not done"
        CANCELED = "canceled", "Canceled before it was sent"
        UNCONFIRMED = "unconfirmed", "Not confirmed"
        # Never stored: what is not final yet is not sealed.
        OPEN = "queued", "Not sent yet"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    # Position in the hash chain. It counts all of the organization's, so no page shows it.
    number = models.BigIntegerField()
    # RESTRICT: erasing a member leaves what they decided, under "Former member".
    membership = models.ForeignKey(Membership, on_delete=models.RESTRICT, related_name="+")
    action_id = models.BigIntegerField(unique=True)  # of an action that may be deleted since
    undoes_action_id = models.BigIntegerField(null=True)
    undoes_kind = models.CharField(max_length=20, blank=True)
    # Greenhouse's IDs, which survive a new connection.
    job_remote_id = models.BigIntegerField()
    application_remote_id = models.BigIntegerField()
    to_job_remote_id = models.BigIntegerField(null=True)  # of a transfer
    kind = models.CharField(max_length=20)
    result = models.CharField(max_length=20, choices=Result.choices)
    decided_at = models.DateTimeField()
    settled_at = models.DateTimeField()
    as_service_account = models.BooleanField(default=False)
    is_in_batch = models.BooleanField(default=False)
    from_stage = models.CharField(max_length=200, blank=True)
    to_stage = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    changed_fields: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    email_template = models.CharField(max_length=200, blank=True)
    email_send_at = models.DateTimeField(null=True)
    page = models.CharField(max_length=20, blank=True)
    # Labels and values of the list's filters, without what candidates answered.
    filters: models.JSONField[list[list[str]], list[list[str]]] = models.JSONField(default=list)
    was_searched = models.BooleanField(default=False)
    resume_opened = models.BooleanField(null=True)  # None: no longer known
    # What people typed (`seal.FREE_TEXT_KEYS`). The seal covers a salted digest of it, so that it
    # can be erased with the candidate and the seal still holds.
    free_text: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    free_text_salt = models.CharField(max_length=32, blank=True)
    free_text_digest = models.CharField(max_length=64)
    erased_at = models.DateTimeField(null=True)
    erasure_seal = models.CharField(max_length=64, blank=True)
    previous_seal = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=64)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "number"], name="unique_decision_number"
            ),
        )
        indexes = (
            models.Index(
                fields=["organization", "job_remote_id", "number"], name="decisions_of_job"
            ),
            models.Index(
                fields=["organization", "application_remote_id"], name="decisions_of_application"
            ),
            models.Index(
                fields=["organization", "undoes_action_id"],
                condition=models.Q(undoes_action_id__isnull=False),
                name="decisions_undoing",
            ),
            models.Index(fields=["organization", "settled_at"], name="decisions_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of application {self.application_remote_id}: {self.result}"

    @property
    def was_email_sent_at_once(self) -> bool:
        """Whether the email went out with the rejection; Greenhouse sends others later."""
        return self.email_send_at is not None and self.email_send_at <= self.settled_at

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyViolation
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnlyViolation


class DecisionChain(OrganizationModel):
    """The ends of an organization's hash chain; its row is the lock for appending."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="+", primary_key=True
    )
    number = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)
    # The last decision that was deleted by age: the chain begins after it.
    expired_number = models.BigIntegerField(default=0)
    expired_seal = models.CharField(max_length=64, blank=True)
    chain_seal = models.CharField(max_length=64, blank=True)  # over all of the above

    def __str__(self) -> str:
        return f"Decisions {self.expired_number + 1} to {self.number}"


class RecordSettings(OrganizationModel):
    """How long an organization keeps its decision records; without a row, the default."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="+")
    years = models.PositiveSmallIntegerField(
        default=DEFAULT_YEARS,
        validators=[MinValueValidator(MIN_YEARS), MaxValueValidator(MAX_YEARS)],
    )

    def __str__(self) -> str:
        return f"{self.organization}: {self.years} years"
