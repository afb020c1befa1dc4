"""Tamper detection: each decision's seal is a keyed hash (of a key derived from AUDIT_KEY) over
the decision and the previous seal. Each also names the previous seal, so a page can check one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from portal.audit.seals import is_signed, sign
from portal.core.secrets.signatures import is_same_signature
from portal.decisions.models import Decision, DecisionChain

FREE_TEXT_KEYS = ("note", "words", "answers", "view")
_PURPOSE = b"decision record"
_SEALED_FIELDS = (
    *("organization_id", "number", "membership_id", "action_id", "undoes_action_id"),
    *("undoes_kind", "job_remote_id", "application_remote_id", "to_job_remote_id", "kind"),
    *("result", "decided_at", "settled_at", "as_service_account", "is_in_batch", "from_stage"),
    *("to_stage", "reason", "changed_fields", "email_template", "email_send_at", "page"),
    *("filters", "was_searched", "resume_opened", "free_text_digest"),
)


def seal_decision(decision: Decision) -> None:
    """`number` and `previous_seal` must be set."""
    decision.free_text_salt = secrets.token_hex(16)
    decision.free_text_digest = _digest_free_text(decision)
    decision.seal = sign(_build_content(decision), _PURPOSE)


def has_valid_seal(decision: Decision) -> bool:
    """Whether the decision is as it was recorded, apart from what was erased."""
    if not is_signed(_build_content(decision), decision.seal, _PURPOSE):
        return False
    if decision.erased_at is None:
        return is_same_signature(_digest_free_text(decision), decision.free_text_digest)
    is_empty = not decision.free_text and not decision.free_text_salt
    return is_empty and is_signed(_build_erasure(decision), decision.erasure_seal, _PURPOSE)


def erase_free_text(decision: Decision) -> None:
    """Set the fields; the seal proves that the portal erased it, and not somebody with SQL."""
    decision.free_text, decision.free_text_salt = {}, ""
    decision.erased_at = timezone.now()
    decision.erasure_seal = sign(_build_erasure(decision), _PURPOSE)


def seal_chain(chain: DecisionChain) -> None:
    chain.chain_seal = sign(_build_ends(chain), _PURPOSE)


def has_valid_ends(chain: DecisionChain) -> bool:
    return is_signed(_build_ends(chain), chain.chain_seal, _PURPOSE)


def _build_content(decision: Decision) -> str:
    values = {name: _to_text(getattr(decision, name)) for name in _SEALED_FIELDS}
    return decision.previous_seal + _to_json(values)


def _build_erasure(decision: Decision) -> str:
    erased_at = decision.erased_at
    return f"erased:{decision.seal}:{_to_text(erased_at)}"


def _build_ends(chain: DecisionChain) -> str:
    ends = (chain.number, chain.seal, chain.expired_number, chain.expired_seal)
    return f"ends:{chain.organization_id}:{_to_json(ends)}"


def _digest_free_text(decision: Decision) -> str:
    text = _to_json(decision.free_text)
    return hmac.new(decision.free_text_salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def _to_text(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
