"""The record of who did what, when and from where. Entries are written once and never changed.

People and organizations may go; their entries stay. So an entry points at them without a database
constraint and keeps the words that name them. How tampering is told: docs/audit.md.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from portal.accounts.models import FORMER, Membership, Organization
from portal.audit import former


class AppendOnly(Exception):
    """Somebody tried to change or delete an entry. This is a bug in our code."""


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries are added and read, nothing else."""

    def with_who(self) -> EntryQuerySet:
        """Each as it may be read: without what names whoever was erased since."""
        gone = get_user_model().objects.exclude(erased_at=None)
        places = Membership._base_manager.exclude(user__erased_at=None)
        themselves = models.Q(models.Exists(gone.filter(pk=models.OuterRef("subject_id"))))
        their_place = models.Q(models.Exists(places.filter(pk=models.OuterRef("subject_id"))))
        found = self.annotate(
            erased=models.Exists(gone.filter(pk=models.OuterRef("by"))),
            about_erased=models.Case(
                models.When(themselves, subject="accounts.user", then=True),
                models.When(their_place, subject="accounts.membership", then=True),
                default=False,
                output_field=models.BooleanField(),
            ),
        )
        found._iterable_class = former.Readable
        return found

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Each entry is sealed onto the one before it: only `record` adds any."""
        raise AppendOnly


class Entry(models.Model):
    """One thing that somebody, or the portal itself (`by` None), did."""

    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    by_words = models.CharField(max_length=200)
    address = models.GenericIPAddressField(null=True)
    verb = models.CharField(max_length=60)  # room.deed: "credential.entered"
    words = models.CharField(max_length=300)  # a sentence for a person, without secrets
    subject = models.CharField(max_length=60, blank=True)  # app_label.model
    subject_id = models.BigIntegerField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    # The chain: the place in it, and a seal over this entry and the seal before it.
    number = models.BigIntegerField(editable=False)
    seal = models.CharField(max_length=64, editable=False)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "number"],
                name="audit_place_in_chain",
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=models.Q(organization=None),
                name="audit_place_in_ours",
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
        return f"{self.at:%Y-%m-%d %H:%M} {self.who}: {self.words}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    @property
    def who(self) -> str:
        """Who did it; nobody's name where `with_who` found that the person was erased."""
        return FORMER if getattr(self, "erased", False) else self.by_words


class Chain(models.Model):
    """Where an organization's chain of entries ends. Its row is the lock of whoever adds one."""

    # 0: the chain of what belongs to no organization. No foreign key: a chain outlives its owner.
    organization_id = models.BigIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.number} entries of organization {self.organization_id}"
