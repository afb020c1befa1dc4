"""What Greenhouse sends by web hook: whether it is Greenhouse, and what to read again.

A delivery arrives twice and out of order (documented: failed ones are repeated for hours), so it is
a hint to re-read records, never the truth. Payloads keep v1's words. Source: Greenhouse's web hook
documentation, and its 29 example events.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

import msgspec

from integrations.ats.errors import UnreadableAnswer


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and the ids that it names.

    `gone` is True where the record of the event itself was deleted, anonymised or merged away;
    `merged_into` is the candidate that survives a merge.
    """

    action: str
    application_ids: tuple[int, ...] = ()
    candidate_ids: tuple[int, ...] = ()
    job_ids: tuple[int, ...] = ()
    job_post_ids: tuple[int, ...] = ()
    stage_ids: tuple[int, ...] = ()
    merged_into: int | None = None
    gone: bool = False


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the header `Signature` (`sha256 <hex HMAC-SHA256 of the raw body>`) is right.

    Computed over the raw bytes: Greenhouse escapes non-ASCII text before it signs. The time that
    the comparison takes tells nothing about the right signature.
    """
    method, _, given = signature.strip().partition(" ")
    right = hmac.new(secret.encode(), body, sha256).hexdigest()
    return method.lower() == "sha256" and hmac.compare_digest(
        given.strip().lower().encode(), right.encode()
    )


def read_event(body: bytes) -> Hint:
    """The event of a delivery. Raises UnreadableAnswer where it is none."""
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableAnswer("This web hook delivery could not be read.") from error
    payload = event.payload
    record = next((v for v in payload.values() if isinstance(v, dict)), payload)
    found = _Found()
    _look(payload, found)
    own = event.action
    if own.startswith("job_post"):
        found.add("post", _whole(record.get("id")))
    return Hint(
        action=own,
        application_ids=found.of("application"),
        candidate_ids=found.of("candidate"),
        job_ids=found.of("job"),
        job_post_ids=found.of("post"),
        stage_ids=found.of("stage"),
        merged_into=_whole(record.get("new_candidate_id")),
        gone="delete" in own or own in ("merge_candidate", "candidate_anonymized"),
    )


class _Event(msgspec.Struct):
    action: str
    payload: dict[str, Any] = {}


class _Found:
    """Ids by kind of record, each once, in the order they were met."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[int, None]] = {}

    def add(self, kind: str, record_id: int | None) -> None:
        if record_id is not None:
            self._ids.setdefault(kind, {})[record_id] = None

    def of(self, kind: str) -> tuple[int, ...]:
        return tuple(self._ids.get(kind, ()))


_RECORDS = {
    "application": "application",
    "candidate": "candidate",
    "person": "candidate",
    "job": "job",
    "job_post": "post",
    "job_interview_stage": "stage",
    "current_stage": "stage",
}
_IDS = {
    "application_id": "application",
    "candidate_id": "candidate",
    "job_id": "job",
    "job_post_id": "post",
}


def _look(value: dict[str, Any], found: _Found, depth: int = 0) -> None:
    """Collect what the payload names, at most three levels deep (examples nest that far)."""
    for name, inner in value.items():
        if name in _IDS:
            found.add(_IDS[name], _whole(inner))
        elif name == "deleted_application_ids" and isinstance(inner, list):
            for one in inner:
                found.add("application", _whole(one))
        elif name == "jobs" and isinstance(inner, list):
            for one in inner:
                found.add("job", _whole(one.get("id")) if isinstance(one, dict) else None)
        elif isinstance(inner, dict):
            if name in _RECORDS:
                found.add(_RECORDS[name], _whole(inner.get("id")))
            if depth < 3:
                _look(inner, found, depth + 1)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
