"""The hash chain of an organization's decisions: adding at its end, cutting its beginning by age,
and checking it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from portal.accounts.models import Organization
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.decisions import seal
from portal.decisions.models import Decision, DecisionChain

logger = structlog.get_logger("portal.decisions.anchors")

Anchor = Mapping[str, Any]

STARTED_VERB = "decision_record.started"
EXPIRED_VERB = "decision_record.expired"


@dataclass(frozen=True)
class ChainBreak:
    organization_id: int
    number: int
    problem: str

    def __str__(self) -> str:
        place = f" at decision {self.number}" if self.number else ""
        return f"The chain of organization {self.organization_id} is broken{place}: {self.problem}."


def append_decisions(decisions: Sequence[Decision]) -> None:
    """Seal and save decisions of one organization. Locks the chain until the transaction ends.
    Whoever also writes to the audit log does so before, so that two transactions never wait for
    each other.
    """
    with transaction.atomic(savepoint=False):
        chain = _lock_chain(decisions[0].organization)
        for decision in decisions:
            decision.number, decision.previous_seal = chain.number + 1, chain.seal
            seal.seal_decision(decision)
            chain.number, chain.seal = decision.number, decision.seal
        Decision.objects.bulk_create(decisions)
        _save_ends(chain)


def _lock_chain(organization: Organization) -> DecisionChain:
    chains = DecisionChain.objects.select_for_update()
    chain = chains.filter(organization=organization).first()
    if chain is None:
        # The entry shows later that there was a chain, should somebody delete all of it.
        record_entry(STARTED_VERB, "started the decision record", organization=organization)
        DecisionChain.objects.get_or_create(organization=organization)
        chain = chains.get(organization=organization)
    return chain


def _save_ends(chain: DecisionChain) -> None:
    seal.seal_chain(chain)
    chain.save()
    transaction.on_commit(partial(_log_anchor, chain), robust=True)


def _log_anchor(chain: DecisionChain) -> None:
    logger.info("decision chain", decision_chain=_build_anchor(chain))


def _build_anchor(chain: DecisionChain) -> Anchor:
    return {"organization": chain.organization_id, "number": chain.number, "seal": chain.seal}


def export_ends() -> Iterator[str]:
    """One JSON line per chain, to be kept elsewhere."""
    for chain in DecisionChain.objects.order_by("pk"):
        yield json.dumps(_build_anchor(chain), sort_keys=True)


def is_contradicted(anchor: Anchor) -> bool:
    """Whether the decision that was last then is gone, other than by age, or another one."""
    chain = DecisionChain.objects.filter(organization_id=anchor["organization"]).first()
    if chain is None or chain.number < anchor["number"]:
        return True
    if chain.expired_number >= anchor["number"]:
        return False
    same = Decision.objects.filter(
        organization_id=anchor["organization"], number=anchor["number"], seal=anchor["seal"]
    )
    return not same.exists()


def delete_up_to(
    organization: Organization, last: int, *, batch_size: int, after_batch: Callable[[], None]
) -> int:
    """Delete the decisions up to this number, and let the chain begin after them."""
    deleted_count = 0
    while batch := _delete_batch(organization, last, batch_size, is_first=not deleted_count):
        deleted_count += batch
        after_batch()
    return deleted_count


@transaction.atomic
def _delete_batch(organization: Organization, last: int, batch_size: int, *, is_first: bool) -> int:
    expired = Decision.objects.filter(organization=organization, number__lte=last)
    ends = list(
        expired.select_for_update().order_by("number").values_list("number", "seal")[:batch_size]
    )
    if not ends:
        return 0
    if is_first:
        record_entry(
            EXPIRED_VERB,
            "deleted decisions from the decision record, as old as its settings say",
            organization=organization,
        )
    chain = _lock_chain(organization)
    chain.expired_number, chain.expired_seal = ends[-1]
    _save_ends(chain)
    expired.filter(number__lte=chain.expired_number).order_by().delete()
    return len(ends)


def find_breaks(organization_ids: Sequence[int]) -> Iterator[ChainBreak]:
    """The first break of each chain."""
    for organization_id in organization_ids:
        if chain_break := _find_first_break(organization_id):
            yield chain_break


def _find_first_break(organization_id: int) -> ChainBreak | None:
    chain = DecisionChain.objects.filter(organization_id=organization_id).first()
    decisions = Decision.objects.filter(organization_id=organization_id).order_by("number")
    if chain is None:
        was_started = Entry.objects.filter(organization_id=organization_id, verb=STARTED_VERB)
        if decisions.exists() or was_started.exists():
            return ChainBreak(organization_id, 0, "its end was deleted")
        return None
    if not seal.has_valid_ends(chain):
        return ChainBreak(organization_id, 0, "its ends were rewritten")
    number, last_seal = chain.expired_number, chain.expired_seal
    for decision in decisions.iterator(chunk_size=1000):
        number += 1
        if decision.number != number:
            return ChainBreak(organization_id, number, "it is missing, or there twice")
        if decision.previous_seal != last_seal or not seal.has_valid_seal(decision):
            return ChainBreak(organization_id, number, "it was changed, or is not from this portal")
        last_seal = decision.seal
    if (number, last_seal) != (chain.number, chain.seal):
        return ChainBreak(organization_id, number + 1, "the last ones are missing")
    return None
