"""The end of each chain, sealed, and written down outside the database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import structlog
from django.db.models import QuerySet

from portal.audit.chain_checks import Anchor, build_anchor, is_sealed
from portal.audit.models import ChainHead

logger = structlog.get_logger("portal.audit.anchors")

CHAIN_DIRECTORY = -1  # key of the head that seals which chains there are
PURPOSE = b"audit chain head"
END_FIELDS = ("number", "seal", "head_seal")


def get_anchor(head: ChainHead) -> Anchor:
    return Anchor(head.organization_id, head.number, head.seal, head.head_seal)


def has_valid_seal(head: ChainHead) -> bool:
    return is_sealed(get_anchor(head), PURPOSE)


def seal_head(head: ChainHead) -> None:
    """Not saved yet."""
    head.head_seal = build_anchor(head.organization_id, head, PURPOSE).head_seal


def lock_directory() -> ChainHead:
    ChainHead.objects.get_or_create(organization_id=CHAIN_DIRECTORY)
    return ChainHead.objects.select_for_update().get(organization_id=CHAIN_DIRECTORY)


def update_directory(directory: ChainHead) -> None:
    directory.number, directory.seal = _summarize_chains()
    seal_head(directory)
    directory.save(update_fields=END_FIELDS)


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
    logger.info("audit chain", audit_chain=asdict(get_anchor(head)))
