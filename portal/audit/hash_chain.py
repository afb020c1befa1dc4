"""Tamper detection: each entry's seal is a keyed hash (AUDIT_KEY) over the entry and the previous
seal. Truncation contradicts the stored chain head, which is sealed as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from portal.audit import chain_anchors
from portal.audit.models import ChainHead, Entry
from portal.core.secrets.signatures import is_same_signature

_SEALED_FIELDS = (
    *("number", "organization_id", "by_id", "actor_label", "ip_address"),
    *("verb", "description", "subject", "subject_id", "before", "after"),
)


@dataclass(frozen=True)
class ChainBreak:
    organization_id: int  # 0: entries without an organization
    number: int
    problem: str

    def __str__(self) -> str:
        if not self.number:
            return f"The list of chains is broken: {self.problem}."
        owner = f"organization {self.organization_id}" if self.organization_id else "the portal"
        return f"The chain of {owner} is broken at entry {self.number}: {self.problem}."


def append_entry(entry: Entry) -> Entry:
    """Seal and save the entry. Locks the chain head until the transaction ends (on SQLite, writers
    begin with the write lock).
    """
    with transaction.atomic(savepoint=False):
        key = entry.organization_id or 0
        head = _lock_chain_head(key)
        entry.number = head.number + 1
        entry.seal = compute_seal(entry, head.seal, settings.AUDIT_KEYS[0])
        entry.save()
        head.number, head.seal = entry.number, entry.seal
        chain_anchors.seal_head(head)
        transaction.on_commit(partial(chain_anchors.log_anchor, head), robust=True)
    return entry


def _lock_chain_head(key: int) -> ChainHead:
    chains = ChainHead.objects.select_for_update()
    head: ChainHead | None = chains.filter(organization_id=key).first()
    if head is None:  # the first entry; two processes may race
        directory = chain_anchors.lock_directory()
        ChainHead.objects.get_or_create(organization_id=key)
        head = chains.get(organization_id=key)
        chain_anchors.update_directory(directory)
    return head


def compute_seal(entry: Entry, previous_seal: str, key: str) -> str:
    content = {name: getattr(entry, name) for name in _SEALED_FIELDS}
    content["at"] = entry.at.isoformat()
    text = previous_seal + json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def find_breaks(organization_id: int | None = None) -> Iterator[ChainBreak]:
    if organization_id is None and not chain_anchors.is_directory_intact():
        yield ChainBreak(0, 0, "a chain was deleted as a whole, or added from elsewhere")
    chains = chain_anchors.list_chains()
    chain_ids = set(chains.values_list("pk", flat=True))
    # Entries without a chain head: somebody deleted it.
    orphans = Entry.objects.order_by().values_list("organization_id", flat=True).distinct()
    # The first break of each chain.
    for key in sorted(chain_ids | {owner or 0 for owner in orphans}):
        if organization_id is not None and key != organization_id:
            continue
        if chain_break := _find_first_break(key):
            yield chain_break


def _find_first_break(key: int) -> ChainBreak | None:
    head = ChainHead.objects.filter(pk=key).first() or ChainHead(organization_id=key)
    last_seal, number, last_id = "", 0, 0
    # 0 is no organization's id, so that rows with it belong to no chain.
    owner_filter = Q(organization_id=key) if key else Q(organization=None) | Q(organization_id=0)
    for entry in Entry.objects.filter(owner_filter).order_by("number").iterator():
        number += 1
        if entry.number > number:
            return ChainBreak(key, number, f"it is missing; the next one there is {entry.number}")
        if entry.number < number:
            return ChainBreak(key, entry.number, "it is there twice")
        if not _has_valid_seal(entry, last_seal):
            return ChainBreak(key, number, "it was changed, or is not from this portal")
        if entry.pk <= last_id:  # pages list entries by their id
            return ChainBreak(key, number, "it was moved before an older one")
        last_seal, last_id = entry.seal, entry.pk
    if number < head.number:
        return ChainBreak(key, number + 1, f"the last {head.number - number} are missing")
    if (number, last_seal) != (head.number, head.seal):
        return ChainBreak(key, number, "the chain's end does not know it")
    if number and not chain_anchors.has_valid_seal(head):
        return ChainBreak(key, number, "the chain's end was rewritten")
    return None


def _has_valid_seal(entry: Entry, previous_seal: str) -> bool:
    return any(
        is_same_signature(compute_seal(entry, previous_seal, key), entry.seal)
        for key in settings.AUDIT_KEYS
    )
