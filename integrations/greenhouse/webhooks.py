"""Verify and parse Greenhouse webhooks."""

# Deliveries may be repeated and out of order (documented: failed ones are retried for hours), so
# they only tell which records to read again. Payloads use v1's field names. Source: Greenhouse's
# webhook documentation and its 29 example events.

from __future__ import annotations

import hmac
from codecs import BOM_UTF8
from hashlib import sha256
from typing import Any

import msgspec

from integrations.ats.error_descriptions import InvalidRecord, describe_error
from integrations.ats.errors import UnreadableResponse
from integrations.ats.record_ids import is_record_id, parse_id
from integrations.ats.webhooks import EventSubject, WebhookEvent, WebhookEventType, WebhookSpec
from integrations.greenhouse.payloads.decoding import to_text

PING = "ping"
MAX_RECORDS = 1000  # of a kind in a delivery; each is one more read


def has_valid_signature(body: bytes, signature: str, secret: str) -> bool:
    """Check a `Signature` header (`sha256 <hex HMAC-SHA256 of the raw body>`) in constant time."""
    # Not over the decoded body: Greenhouse escapes non-ASCII text before signing.
    method, _, hex_digest = signature.strip().partition(" ")
    return method.lower() == "sha256" and hmac.compare_digest(
        hex_digest.strip().lower().encode(), _compute_digest(body, secret).encode()
    )


def sign_body(body: bytes, secret: str) -> str:
    """The `Signature` header that Greenhouse sends with this body."""
    return f"sha256 {_compute_digest(body, secret)}"


def _compute_digest(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def parse_event(body: bytes) -> WebhookEvent:
    """Parse a delivery's body. Raises UnreadableResponse."""
    try:
        return _build_event(msgspec.json.decode(body.removeprefix(BOM_UTF8), type=_EventPayload))
    except Exception as error:  # whatever it is, the next delivery can be read
        raise UnreadableResponse(
            f"Couldn't read this webhook delivery: {describe_error(error)}"
        ) from error


def _build_event(event: _EventPayload) -> WebhookEvent:
    payload = event.payload or {}
    record = next((v for v in payload.values() if isinstance(v, dict)), payload)
    collector = _IdCollector()
    _collect_ids(payload, collector)
    action = to_text(event.action)
    if not action:
        raise InvalidRecord("an empty action")
    if action.startswith("job_post"):
        collector.add_id("post", _to_id(record.get("id")))
    return WebhookEvent(
        action=action,
        subject=_get_subject(action),
        application_ids=collector.get_ids("application"),
        candidate_ids=collector.get_ids("candidate"),
        job_ids=collector.get_ids("job"),
        job_post_ids=collector.get_ids("post"),
        stage_ids=collector.get_ids("stage"),
        merged_into=_to_id(record.get("new_candidate_id")),
        is_deleted="delete" in action or action in ("merge_candidate", "candidate_anonymized"),
    )


class _EventPayload(msgspec.Struct):
    action: str
    payload: dict[str, Any] | None = None


class _IdCollector:
    def __init__(self) -> None:
        self._ids: dict[str, dict[int, None]] = {}

    def add_id(self, kind: str, record_id: int | None) -> None:
        if record_id is not None:
            self._ids.setdefault(kind, {})[record_id] = None
        if len(self._ids.get(kind, ())) > MAX_RECORDS:
            raise InvalidRecord("too many records")

    def get_ids(self, kind: str) -> tuple[int, ...]:
        return tuple(self._ids.get(kind, ()))


_RECORD_KINDS = {
    "application": "application",
    "candidate": "candidate",
    "person": "candidate",
    "job": "job",
    "job_post": "post",
    "job_interview_stage": "stage",
    "current_stage": "stage",
}
_ID_FIELDS = {
    "application_id": "application",
    "candidate_id": "candidate",
    "job_id": "job",
    "job_post_id": "post",
}


def _collect_ids(value: dict[str, Any], collector: _IdCollector, depth: int = 0) -> None:
    for name, nested in value.items():
        if name in _ID_FIELDS:
            collector.add_id(_ID_FIELDS[name], _to_id(nested))
        elif name == "deleted_application_ids" and isinstance(nested, list):
            for item in nested:
                collector.add_id("application", _to_id(item))
        elif name == "jobs" and isinstance(nested, list):
            for item in nested:
                collector.add_id("job", _to_id(item.get("id")) if isinstance(item, dict) else None)
        elif isinstance(nested, dict):
            if name in _RECORD_KINDS:
                collector.add_id(_RECORD_KINDS[name], _to_id(nested.get("id")))
            if depth < 3:  # as deep as the documented examples nest
                _collect_ids(nested, collector, depth + 1)


def _to_id(value: object) -> int | None:
    if isinstance(value, str):
        return parse_id(value)
    return value if is_record_id(value) else None


def _define_event(
    action: str,
    group: str,
    label: str,
    benefit: str,
    replaces_polling_of: str = "",
    *,
    optional: bool = False,
) -> WebhookEventType:
    return WebhookEventType(
        action=action,
        group=group,
        label=label,
        benefit=benefit,
        replaces_polling_of=replaces_polling_of,
        optional=optional,
    )


# Ordered as in Greenhouse's webhook documentation. Labels are those of its "When" menu, as quoted
# in other integrators' setup articles; the anonymized, unhired and post events' are inferred.
EVENTS = (
    _define_event(
        "new_candidate_application",
        "Applications",
        "Candidate has submitted application",
        "A new application appears within seconds.",
        "applications.created",
    ),
    _define_event(
        "new_prospect_application",
        "Applications",
        "Prospect created",
        "A job's new prospect appears within seconds.",
        "applications.created",
        optional=True,
    ),
    _define_event(
        "application_updated",
        "Applications",
        "Application updated",
        "Changes to an application, including transfers, appear within seconds.",
        "applications.changed",
    ),
    _define_event(
        "delete_application",
        "Applications",
        "Delete application",
        "Deleted applications are removed.",
    ),
    _define_event(
        "candidate_stage_change",
        "Applications",
        "Candidate has changed stage",
        "The new stage shows right away, so no one acts on an outdated one.",
        "applications.changed",
    ),
    _define_event(
        "reject_candidate",
        "Applications",
        "Candidate or Prospect rejected",
        "Rejections in Greenhouse show right away.",
        "applications.changed",
    ),
    _define_event(
        "unreject_candidate",
        "Applications",
        "Candidate or Prospect unrejected",
        "Unrejected candidates are active again right away.",
        "applications.changed",
    ),
    _define_event(
        "hire_candidate",
        "Applications",
        "Candidate has been hired",
        "Hires show right away.",
        "applications.changed",
    ),
    _define_event(
        "unhire_candidate",
        "Applications",
        "Candidate has been unhired",
        "Undone hires show right away.",
        "applications.changed",
        optional=True,
    ),
    _define_event(
        "update_candidate",
        "Candidates",
        "Candidate or Prospect updated",
        "Keeps names and private candidates up to date.",
        "candidates.changed",
    ),
    _define_event(
        "delete_candidate",
        "Candidates",
        "Delete candidate",
        "Our copy of a deleted candidate's data is erased right away.",
    ),
    _define_event(
        "merge_candidate",
        "Candidates",
        "Merged candidate",
        "Merged candidates are merged here, too.",
    ),
    _define_event(
        "candidate_anonymized",
        "Candidates",
        "Candidate anonymized",
        "Our copy of an anonymized candidate's data is erased right away.",
    ),
    _define_event(
        "job_created", "Jobs", "Job created", "New requisitions appear right away.", "jobs.created"
    ),
    _define_event(
        "job_updated",
        "Jobs",
        "Job updated",
        "Keeps the name, status and confidentiality up to date.",
        "jobs.changed",
    ),
    _define_event("job_deleted", "Jobs", "Job deleted", "Deleted requisitions are removed."),
    _define_event(
        "job_interview_stage_deleted",
        "Jobs",
        "Job interview stage deleted",
        "Deleted stages can no longer be selected.",
    ),
    _define_event(
        "job_post_updated",
        "Jobs",
        "Job post updated",
        "Keeps a requisition's job posts up to date.",
        optional=True,
    ),
)
_OTHER_JOB_ACTIONS = {"job_approved", "job_post_created", "job_post_deleted"}
_SUBJECTS = {
    event.action: {
        "Applications": EventSubject.APPLICATION,
        "Candidates": EventSubject.CANDIDATE,
        "Jobs": EventSubject.JOB,
    }[event.group]
    for event in EVENTS
} | dict.fromkeys(_OTHER_JOB_ACTIONS, EventSubject.JOB)


def _get_subject(action: str) -> EventSubject:
    return _SUBJECTS.get(action, EventSubject.NOTHING)


WEBHOOK_SPEC = WebhookSpec(
    signature_header="Signature",
    id_header="Greenhouse-Event-ID",
    screen_path="In Greenhouse: Configure › Dev Center › Web Hooks › Web Hooks. You need the "
    "permission “Can manage and configure web hooks”.",
    ping_action=PING,
    events=EVENTS,
    is_signed=has_valid_signature,
    sign=sign_body,
    read_event=parse_event,
)
