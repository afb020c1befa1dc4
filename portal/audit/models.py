"""The append-only audit log. Entries outlive users and organizations; see docs/audit.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.query import ModelIterable
from django.utils import timezone

from portal.accounts import erased_users
from portal.accounts.models import FORMER_MEMBER, Membership, Organization
from portal.core.tenancy.managers import OrganizationManager

_CHUNK_SIZE = 200
# The acting user as written by portal.applications.actions.audit_log.
_ACTING_USER_PATTERN = re.compile(r"in the name of .+ \(Greenhouse user (\d+)\)")
# Their descriptions contain a name and a reason that may identify the person.
_REDACTED_DESCRIPTIONS = {
    "impersonation.started": f"started viewing the portal as a {FORMER_MEMBER.lower()}",
    "impersonation.ended": f"stopped viewing the portal as a {FORMER_MEMBER.lower()}",
}


class AppendOnlyViolation(Exception):
    pass


class RedactingIterable(ModelIterable["Entry"]):
    """Yields entries without personal data of erased users; the stored entries are unchanged."""

    def __iter__(self) -> Iterator[Entry]:
        rows = super().__iter__()
        while chunk := list(islice(rows, _CHUNK_SIZE)):
            emails = {
                email for entry in chunk for email in erased_users.find_emails(entry.full_text)
            }
            erased_emails = erased_users.find_erased_emails(emails)
            for entry in chunk:
                entry.redact_personal_data(
                    {email for email, erased_at in erased_emails.items() if entry.at <= erased_at}
                )
                yield entry


class EntryQuerySet(models.QuerySet["Entry"]):
    def with_redaction(self) -> EntryQuerySet:
        erased_user_rows = get_user_model().objects.exclude(erased_at=None)
        erased_memberships = Membership._base_manager.exclude(user__erased_at=None)
        is_erased_user = models.Q(
            models.Exists(erased_user_rows.filter(pk=models.OuterRef("subject_id")))
        )
        is_erased_membership = models.Q(
            models.Exists(erased_memberships.filter(pk=models.OuterRef("subject_id")))
        )
        entries = self.annotate(
            erased=models.Exists(erased_user_rows.filter(pk=models.OuterRef("by"))),
            about_erased=models.Case(
                models.When(is_erased_user, subject="accounts.user", then=True),
                models.When(is_erased_membership, subject="accounts.membership", then=True),
                default=False,
                output_field=models.BooleanField(),
            ),
        )
        entries._iterable_class = RedactingIterable
        return entries

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyViolation

    def delete(self) -> NoReturn:
        raise AppendOnlyViolation

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyViolation

    # Skips sealing: only `record_entry` adds entries.
    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyViolation


class Entry(models.Model):
    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    at = models.DateTimeField(default=timezone.now)
    # None: the portal itself.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    actor_label = models.CharField(max_length=200)
    ip_address = models.GenericIPAddressField(null=True)
    verb = models.CharField(max_length=60)  # for example "credential.entered"
    description = models.CharField(max_length=300)  # a sentence for a person, without secrets
    subject = models.CharField(max_length=60, blank=True)  # app_label.model
    subject_id = models.BigIntegerField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    # Position in the hash chain, and the seal over this entry and the previous seal.
    number = models.BigIntegerField(editable=False)
    seal = models.CharField(max_length=64, editable=False)

    objects = OrganizationManager.from_queryset(EntryQuerySet)()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "number"],
                name="unique_entry_number",
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=models.Q(organization=None),
                name="unique_internal_entry_number",
            ),
        )
        indexes = (
            models.Index(fields=["organization", "-id"], name="audit_of_organization"),
            models.Index(fields=["organization", "verb", "-id"], name="audit_by_verb"),
            models.Index(fields=["organization", "-at"], name="audit_by_time"),
            models.Index(fields=["subject", "subject_id"], name="audit_of_subject"),
        )
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name}: {self.description}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyViolation
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyViolation

    @property
    def full_text(self) -> str:
        return f"{self.description} {_to_json(self.before)} {_to_json(self.after)}"

    def redact_personal_data(self, emails: set[str]) -> None:
        """Remove what identifies erased users, in memory only."""
        annotations = vars(self)
        if annotations["erased"]:
            self.actor_label, self.ip_address = FORMER_MEMBER, None
            self.description = _ACTING_USER_PATTERN.sub(
                r"in the name of Greenhouse user \1", self.description
            )
        if annotations["about_erased"]:
            self.before = None
            self.after = self.after if self.verb == "user.erased" else None
            self.description = _REDACTED_DESCRIPTIONS.get(self.verb, self.description)
        if emails:
            self.description = erased_users.redact_emails(self.description, emails)
            self.before = json.loads(erased_users.redact_emails(_to_json(self.before), emails))
            self.after = json.loads(erased_users.redact_emails(_to_json(self.after), emails))

    @property
    def actor_name(self) -> str:
        return FORMER_MEMBER if getattr(self, "erased", False) else self.actor_label


def _to_json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)


class ChainHead(models.Model):
    """The end of an organization's hash chain; its row is the lock for appending."""

    # 0: entries without an organization. No foreign key: a chain outlives its organization.
    organization_id = models.BigIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)
    # Over number and seal, so that a shortened chain cannot be given a new end without the key.
    head_seal = models.CharField(max_length=64, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.number} entries of organization {self.organization_id}"
