"""The record of who did what, when and from where. Entries are written once and never changed.

People and organizations may go; their entries stay. So an entry points at them without a database
constraint and keeps the words that name them. How tampering is told: docs/audit.md.
"""

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

from portal.accounts import former
from portal.accounts.models import FORMER, Membership, Organization

_CHUNK = 200
# As Greenhouse names whoever acted (portal.applications.logged).
_ACTED_AS = re.compile(r"in the name of .+ \(Greenhouse user (\d+)\)")
# Of these the words hold a name, and a reason that may tell who it is.
_NAMING = {
    "look.began": f"began to look at the portal as a {FORMER.lower()}",
    "look.ended": f"no longer looks at the portal as a {FORMER.lower()}",
}


class AppendOnly(Exception):
    """Somebody tried to change or delete an entry. This is a bug in our code."""


class Readable(ModelIterable["Entry"]):
    """The rows of a query as they may still be read. The sealed entries stay as they are."""

    def __iter__(self) -> Iterator[Entry]:
        rows = super().__iter__()
        while chunk := list(islice(rows, _CHUNK)):
            found = {one for entry in chunk for one in former.addresses(entry.text)}
            gone = former.erased(found)
            for entry in chunk:
                entry.veil({one for one, at in gone.items() if entry.at <= at})
                yield entry


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
        found._iterable_class = Readable
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
    def text(self) -> str:
        """Everything that somebody said in it."""
        return f"{self.words} {_json(self.before)} {_json(self.after)}"

    def veil(self, gone: set[str]) -> None:
        """Take out what names whoever was erased, by these addresses too: only in memory, for an
        entry refuses to be saved again.
        """
        known = vars(self)
        if known["erased"]:
            self.by_words, self.address = FORMER, None
            self.words = _ACTED_AS.sub(r"in the name of Greenhouse user \1", self.words)
        if known["about_erased"]:
            self.before = None
            self.after = self.after if self.verb == "person.erased" else None
            self.words = _NAMING.get(self.verb, self.words)
        if gone:
            self.words = former.without(self.words, gone)
            self.before = json.loads(former.without(_json(self.before), gone))
            self.after = json.loads(former.without(_json(self.after), gone))

    @property
    def who(self) -> str:
        """Who did it; nobody's name where `with_who` found that the person was erased."""
        return FORMER if getattr(self, "erased", False) else self.by_words


def _json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)


class Chain(models.Model):
    """Where an organization's chain of entries ends. Its row is the lock of whoever adds one."""

    # 0: the chain of what belongs to no organization. No foreign key: a chain outlives its owner.
    organization_id = models.BigIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.number} entries of organization {self.organization_id}"
