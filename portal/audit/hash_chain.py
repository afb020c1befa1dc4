"""Tamper detection: each entry's seal is a keyed hash (AUDIT_KEY) over the entry and the previous
seal. Truncation contradicts the stored chain head, which is sealed as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.audit import chain_anchors, chain_checks
from portal.audit.chain_checks import Anchor
from portal.audit.models import ChainHead, Entry
from portal.audit.seals import is_signed, sign
from portal.core.database.compiled_queries import compile_once
from portal.core.database.paired_writes import insert_and_update

_SEALED_FIELDS = (
    *("number", "organization_id", "by_id", "actor_label", "ip_address"),
    *("verb", "description", "subject", "subject_id", "before", "after"),
)


def append_entry(entry: Entry) -> Entry:
    """Seal and save the entry. Locks the chain head until the transaction ends (on SQLite, writers
    begin with the write lock).
    """
    with transaction.atomic(savepoint=False):
        key = entry.organization_id or 0
        head = _lock_chain_head(key)
        entry.number = head.number + 1
        entry.seal = sign(_build_content(entry, head.seal))
        head.number, head.seal = entry.number, entry.seal
        chain_anchors.seal_head(head)
        end = {name: getattr(head, name) for name in chain_anchors.END_FIELDS}
        insert_and_update([entry], ChainHead.objects.filter(pk=key), end)
        transaction.on_commit(partial(chain_anchors.log_anchor, head), robust=True)
    return entry


def _lock_chain_head(key: int) -> ChainHead:
    heads = _find_locked_head(key)
    if not heads:  # the first entry; two processes may race
        directory = chain_anchors.lock_directory()
        ChainHead.objects.get_or_create(organization_id=key)
        heads = _find_locked_head(key)
        chain_anchors.update_directory(directory)
    return heads[0]


@compile_once
def _find_locked_head(key: int) -> QuerySet[ChainHead]:
    return ChainHead.objects.select_for_update().filter(organization_id=key)


def _build_content(entry: Entry, previous_seal: str) -> str:
    content = {name: getattr(entry, name) for name in _SEALED_FIELDS}
    content["at"] = entry.at.isoformat()
    return previous_seal + json.dumps(content, sort_keys=True, separators=(",", ":"))


def find_breaks(organization_id: int | None) -> Iterator[str]:
    """The first break of each chain."""
    if organization_id is None and not chain_anchors.is_directory_intact():
        yield (
            "The list of chains is broken: a chain was deleted as a whole, or added from elsewhere."
        )
    chains = chain_anchors.list_chains()
    chain_ids = set(chains.values_list("pk", flat=True))
    # Entries without a chain head: somebody deleted it.
    orphans = Entry.objects.order_by().values_list("organization_id", flat=True).distinct()
    for key in sorted(chain_ids | {owner or 0 for owner in orphans}):
        if organization_id in {None, key} and (chain_break := _find_first_break(key)):
            number, problem = chain_break
            yield chain_checks.describe_break(key, f"entry {number}", problem)


def list_ends(organization_id: int | None) -> Iterator[tuple[Anchor, int]]:
    for head in chain_anchors.list_chains().filter(number__gt=0):
        if organization_id in {None, head.pk}:
            yield chain_anchors.get_anchor(head), head.number


def is_contradicted(anchor: Anchor) -> bool:
    owner = anchor.organization or None
    owner_filter = Q(organization_id=owner) if owner else Q(organization=None)
    entries = Entry.objects.filter(owner_filter, number=anchor.number, seal=anchor.seal)
    return not entries.exists()


def _find_first_break(key: int) -> tuple[int, str] | None:
    head = ChainHead.objects.filter(pk=key).first() or ChainHead(organization_id=key)
    # 0 is no organization's id, so that rows with it belong to no chain.
    owner_filter = Q(organization_id=key) if key else Q(organization=None) | Q(organization_id=0)
    entries = Entry.objects.filter(owner_filter).order_by("number").iterator()
    if chain_break := chain_checks.find_first_break(entries, head, _is_genuine):
        return chain_break
    if head.number and not chain_anchors.has_valid_seal(head):
        return head.number, "the chain's end was rewritten"
    return None


def _is_genuine(entry: Entry, previous_seal: str) -> bool:
    return is_signed(_build_content(entry, previous_seal), entry.seal)
