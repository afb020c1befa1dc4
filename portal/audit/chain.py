"""The chain that tells tampering: each entry is sealed together with the seal before it.

A seal is a keyed hash, so whoever can write to the database but does not know AUDIT_KEY cannot
make one. Changing, removing, adding or swapping entries breaks the chain at that place; cutting
off its end contradicts the chain's own row.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from portal.audit.models import Chain, Entry

_SEALED = ("number", "organization_id", "by_id", "by_words", "address", "verb", "words", "subject",
           "subject_id", "before", "after")  # fmt: skip


@dataclass(frozen=True)
class Break:
    """The first place where a chain does not hold."""

    organization_id: int  # 0: what belongs to no organization
    number: int
    what: str

    def __str__(self) -> str:
        whose = f"organization {self.organization_id}" if self.organization_id else "the portal"
        return f"The chain of {whose} is broken at entry {self.number}: {self.what}."


def append(entry: Entry) -> Entry:
    """Seal `entry` onto its organization's chain and save it.

    The chain's row is locked until the transaction ends, so that two writers stand in line: on
    PostgreSQL by a row lock, on SQLite because writers begin with the write lock (settings).
    """
    with transaction.atomic(savepoint=False):
        key = entry.organization_id or 0
        end = _locked_end(key)
        entry.number = end.number + 1
        entry.seal = seal(entry, end.seal, settings.AUDIT_KEYS[0])
        entry.save()
        Chain.objects.filter(pk=key).update(number=entry.number, seal=entry.seal)
    return entry


def _locked_end(key: int) -> Chain:
    chains = Chain.objects.select_for_update()
    end: Chain | None = chains.filter(organization_id=key).first()
    if end is None:  # once in an organization's life; two may be the first at once
        Chain.objects.get_or_create(organization_id=key)
        end = chains.get(organization_id=key)
    return end


def seal(entry: Entry, before: str, key: str) -> str:
    """The seal of `entry` when `before` is the seal of the entry before it."""
    content = {name: getattr(entry, name) for name in _SEALED}
    content["at"] = entry.at.isoformat()
    text = before + json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def breaks(organization_id: int | None = None) -> Iterator[Break]:
    """The first break of each chain (or of one), none while all of them hold."""
    chains = Chain.objects.order_by("pk")
    known = set(chains.values_list("pk", flat=True))
    # An entry whose chain's row is gone betrays that somebody removed it.
    orphans = Entry.objects.order_by().values_list("organization_id", flat=True).distinct()
    for key in sorted(known | {owner or 0 for owner in orphans}):
        if organization_id is not None and key != organization_id:
            continue
        if found := _first_break(key):
            yield found


def _first_break(key: int) -> Break | None:
    end = Chain.objects.filter(pk=key).first() or Chain(organization_id=key)
    last, number = "", 0
    whose = Q(organization_id=key) if key else Q(organization=None)
    for entry in Entry.objects.filter(whose).order_by("number").iterator():
        number += 1
        if entry.number != number:
            return Break(key, number, f"it is missing; the next one there is {entry.number}")
        if not _fits(entry, last):
            return Break(key, number, "it was changed, or is not from this portal")
        last = entry.seal
    if number < end.number:
        return Break(key, number + 1, f"the last {end.number - number} are missing")
    if (number, last) != (end.number, end.seal):
        return Break(key, number, "the chain's end does not know it")
    return None


def _fits(entry: Entry, before: str) -> bool:
    return any(
        hmac.compare_digest(seal(entry, before, key), entry.seal) for key in settings.AUDIT_KEYS
    )
