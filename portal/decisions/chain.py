"""The hash chain of an organization's decisions: adding at its end, cutting its beginning by age,
and checking it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial

import structlog
from django.db import transaction
from django.db.models import QuerySet

from portal.accounts.models import Organization
from portal.audit.chain_checks import Anchor, build_anchor, describe_break, find_first_break
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.core.database.compiled_queries import compile_once
from portal.core.database.paired_writes import insert_and_update
from portal.decisions import seal
from portal.decisions.models import Decision, DecisionChain

logger = structlog.get_logger("portal.decisions.anchors")

STARTED_VERB = "decision_record.started"
EXPIRED_VERB = "decision_record.expired"
ANCHOR_PURPOSE = b"decision record anchor"


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
        _seal_ends(chain)
        end = {"number": chain.number, "seal": chain.seal, "chain_seal": chain.chain_seal}
        insert_and_update(decisions, DecisionChain.objects.filter(pk=chain.pk), end)


def _lock_chain(organization: Organization) -> DecisionChain:
    chains = _find_locked_chain(organization.pk)
    if not chains:
        # The entry shows later that there was a chain, should somebody delete all of it.
        record_entry(STARTED_VERB, "started the decision record", organization=organization)
        DecisionChain.objects.get_or_create(organization=organization)
        chains = _find_locked_chain(organization.pk)
    return chains[0]


@compile_once
def _find_locked_chain(organization_id: int) -> QuerySet[DecisionChain]:
    return DecisionChain.objects.select_for_update().filter(organization=organization_id)


def _seal_ends(chain: DecisionChain) -> None:
    seal.seal_chain(chain)
    transaction.on_commit(partial(_log_anchor, chain), robust=True)


def _log_anchor(chain: DecisionChain) -> None:
    logger.info("decision chain", decision_chain=asdict(_build_anchor(chain)))


def _build_anchor(chain: DecisionChain) -> Anchor:
    return build_anchor(chain.organization_id, chain, ANCHOR_PURPOSE)


def is_contradicted(anchor: Anchor) -> bool:
    """Whether the decision that was last then is gone, other than by age, or another one."""
    chain = DecisionChain.objects.filter(organization_id=anchor.organization).first()
    if chain is None or chain.number < anchor.number:
        return True
    if chain.expired_number >= anchor.number:
        return False
    same = Decision.objects.filter(
        organization_id=anchor.organization, number=anchor.number, seal=anchor.seal
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
    _seal_ends(chain)
    chain.save()
    expired.filter(number__lte=chain.expired_number).order_by().delete()
    return len(ends)


def find_breaks(organization_id: int | None) -> Iterator[str]:
    """The first break of each chain."""
    for key in Organization.objects.order_by("pk").values_list("pk", flat=True):
        if organization_id in {None, key} and (chain_break := _find_first_break(key)):
            number, problem = chain_break
            yield describe_break(key, f"decision {number}" if number else "", problem)


def list_ends(organization_id: int | None) -> Iterator[tuple[Anchor, int]]:
    for chain in DecisionChain.objects.order_by("pk"):
        if organization_id in {None, chain.pk}:
            yield _build_anchor(chain), chain.number - chain.expired_number


def _find_first_break(organization_id: int) -> tuple[int, str] | None:
    chain = DecisionChain.objects.filter(organization_id=organization_id).first()
    decisions = Decision.objects.filter(organization_id=organization_id).order_by("number")
    if chain is None:
        was_started = Entry.objects.filter(organization_id=organization_id, verb=STARTED_VERB)
        has_lost_end = decisions.exists() or was_started.exists()
        return (0, "its end was deleted") if has_lost_end else None
    if not seal.has_valid_ends(chain):
        return 0, "its ends were rewritten"
    return find_first_break(
        decisions.iterator(chunk_size=1000),
        chain,
        _is_genuine,
        number=chain.expired_number,
        seal=chain.expired_seal,
    )


def _is_genuine(decision: Decision, previous_seal: str) -> bool:
    return decision.previous_seal == previous_seal and seal.has_valid_seal(decision)
