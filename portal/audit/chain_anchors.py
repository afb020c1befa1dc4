"""The end of each chain, sealed, and written down outside the database.

A database that was set back as a whole looks intact: only an anchor kept elsewhere contradicts it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from portal.audit.models import ChainHead, Entry
from portal.core.secrets.signatures import is_same_signature

logger = structlog.get_logger("portal.audit.anchors")

CHAIN_DIRECTORY = -1  # key of the head that seals which chains there are
_PURPOSE = b"audit chain head"


class UnreadableAnchors(Exception):
    """The file is not an export of anchors, or was changed."""


@dataclass(frozen=True)
class Anchor:
    organization: int  # 0: entries without an organization
    number: int
    seal: str
    head_seal: str


def compute_head_seal(head: ChainHead, key: str) -> str:
    derived_key = hmac.new(key.encode(), _PURPOSE, hashlib.sha256).digest()
    text = f"{head.organization_id}:{head.number}:{head.seal}"
    return hmac.new(derived_key, text.encode(), hashlib.sha256).hexdigest()


def has_valid_seal(head: ChainHead) -> bool:
    return any(
        is_same_signature(compute_head_seal(head, key), head.head_seal)
        for key in settings.AUDIT_KEYS
    )


def seal_head(head: ChainHead) -> None:
    head.head_seal = compute_head_seal(head, settings.AUDIT_KEYS[0])
    head.save(update_fields=["number", "seal", "head_seal"])


def lock_directory() -> ChainHead:
    ChainHead.objects.get_or_create(organization_id=CHAIN_DIRECTORY)
    return ChainHead.objects.select_for_update().get(organization_id=CHAIN_DIRECTORY)


def update_directory(directory: ChainHead) -> None:
    directory.number, directory.seal = _summarize_chains()
    seal_head(directory)


def is_directory_intact() -> bool:
    directory = ChainHead.objects.filter(pk=CHAIN_DIRECTORY).first()
    if directory is None:
        return not ChainHead.objects.exists()
    is_current = (directory.number, directory.seal) == _summarize_chains()
    return is_current and has_valid_seal(directory)


def _summarize_chains() -> tuple[int, str]:
    chain_ids = list(list_chains().values_list("pk", flat=True))
    return len(chain_ids), hashlib.sha256(json.dumps(chain_ids).encode()).hexdigest()


def list_chains() -> QuerySet[ChainHead]:
    return ChainHead.objects.filter(pk__gt=CHAIN_DIRECTORY).order_by("pk")


def log_anchor(head: ChainHead) -> None:
    anchor = asdict(_build_anchor(head))
    logger.info("audit chain", audit_chain=anchor)


def export_anchors() -> Iterator[str]:
    """One JSON line per chain."""
    for head in list_chains().filter(number__gt=0):
        yield json.dumps(asdict(_build_anchor(head)), sort_keys=True)


def _build_anchor(head: ChainHead) -> Anchor:
    return Anchor(head.organization_id, head.number, head.seal, head.head_seal)


def parse_anchors(lines: Iterable[str]) -> list[Anchor]:
    try:
        anchors = [Anchor(**json.loads(line)) for line in lines if line.strip()]
        are_sealed = all(has_valid_seal(_build_head(anchor)) for anchor in anchors)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UnreadableAnchors from None
    if not anchors or not are_sealed:
        raise UnreadableAnchors
    return anchors


def _build_head(anchor: Anchor) -> ChainHead:
    return ChainHead(
        organization_id=anchor.organization,
        number=anchor.number,
        seal=anchor.seal,
        head_seal=anchor.head_seal,
    )


def is_contradicted(anchor: Anchor) -> bool:
    """Return whether the anchored entry is gone, or another one has its number."""
    owner = anchor.organization or None
    owner_filter = Q(organization_id=owner) if owner else Q(organization=None)
    entries = Entry.objects.filter(owner_filter, number=anchor.number, seal=anchor.seal)
    return not entries.exists()
