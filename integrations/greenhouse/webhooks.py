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
from integrations.ats.webhooks import Event, Hint, Subject, WebHooks
from integrations.greenhouse.reading import text

PING = "ping"


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the header `Signature` (`sha256 <hex HMAC-SHA256 of the raw body>`) is right.

    Computed over the raw bytes: Greenhouse escapes non-ASCII text before it signs. The time that
    the comparison takes tells nothing about the right signature.
    """
    method, _, given = signature.strip().partition(" ")
    return method.lower() == "sha256" and hmac.compare_digest(
        given.strip().lower().encode(), _digest(body, secret).encode()
    )


def sign(body: bytes, secret: str) -> str:
    """The header `Signature` that Greenhouse would send with this body."""
    return f"sha256 {_digest(body, secret)}"


def _digest(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


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
    own = text(event.action)
    if own.startswith("job_post"):
        found.add("post", _whole(record.get("id")))
    return Hint(
        action=own,
        subject=_subject(own),
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


def _event(
    action: str, group: str, label: str, gives: str, tells: str = "", *, optional: bool = False
) -> Event:
    return Event(
        action=action, group=group, label=label, gives=gives, tells=tells, optional=optional
    )


# The order is that of Greenhouse's web hook documentation, by section. Labels are those of the
# menu "When" as other integrators' set-up articles quote them; those of the anonymised, unhired
# and post events are inferred, so the page says that words may differ a little.
EVENTS = (
    _event(
        "new_candidate_application",
        "Applications",
        "Candidate has submitted application",
        "A new application appears within seconds.",
        "applications.created",
    ),
    _event(
        "new_prospect_application",
        "Applications",
        "Prospect created",
        "A new prospect of a job appears within seconds.",
        "applications.created",
        optional=True,
    ),
    _event(
        "application_updated",
        "Applications",
        "Application updated",
        "Changes to an application, a move to another job among them.",
        "applications.changed",
    ),
    _event(
        "delete_application",
        "Applications",
        "Delete application",
        "A deleted application leaves the list.",
    ),
    _event(
        "candidate_stage_change",
        "Applications",
        "Candidate has changed stage",
        "A move to another stage is seen at once, so that nobody acts on an old one.",
        "applications.changed",
    ),
    _event(
        "reject_candidate",
        "Applications",
        "Candidate or Prospect rejected",
        "A rejection in Greenhouse is seen at once.",
        "applications.changed",
    ),
    _event(
        "unreject_candidate",
        "Applications",
        "Candidate or Prospect unrejected",
        "Somebody who is back is seen at once.",
        "applications.changed",
    ),
    _event(
        "hire_candidate",
        "Applications",
        "Candidate has been hired",
        "A hire is seen at once.",
        "applications.changed",
    ),
    _event(
        "unhire_candidate",
        "Applications",
        "Candidate has been unhired",
        "A hire that was taken back is seen at once.",
        "applications.changed",
        optional=True,
    ),
    _event(
        "update_candidate",
        "Candidates",
        "Candidate or Prospect updated",
        "A corrected name, and whether somebody is private.",
        "candidates.changed",
    ),
    _event(
        "delete_candidate",
        "Candidates",
        "Delete candidate",
        "What we hold of a deleted person is erased at once.",
    ),
    _event(
        "merge_candidate",
        "Candidates",
        "Merged candidate",
        "Two entries that became one are one here, too.",
    ),
    _event(
        "candidate_anonymized",
        "Candidates",
        "Candidate anonymized",
        "What we hold of an anonymised person is erased at once.",
    ),
    _event(
        "job_created", "Jobs", "Job created", "A new requisition appears at once.", "jobs.created"
    ),
    _event(
        "job_updated",
        "Jobs",
        "Job updated",
        "Its name, its state and whether it is confidential are right at once.",
        "jobs.changed",
    ),
    _event("job_deleted", "Jobs", "Job deleted", "A deleted requisition leaves the list."),
    _event(
        "job_interview_stage_deleted",
        "Jobs",
        "Job interview stage deleted",
        "A stage that is gone is offered to nobody.",
    ),
    _event(
        "job_post_updated",
        "Jobs",
        "Job post updated",
        "A job is read again when its post changes.",
        optional=True,
    ),
)
_MORE_OF_JOBS = {"job_approved", "job_post_created", "job_post_deleted"}
_SUBJECTS = {
    event.action: {
        "Applications": Subject.APPLICATION,
        "Candidates": Subject.CANDIDATE,
        "Jobs": Subject.JOB,
    }[event.group]
    for event in EVENTS
} | dict.fromkeys(_MORE_OF_JOBS, Subject.JOB)


def _subject(action: str) -> Subject:
    return _SUBJECTS.get(action, Subject.NOTHING)


WEB_HOOKS = WebHooks(
    signature_header="Signature",
    id_header="Greenhouse-Event-ID",
    place="In Greenhouse: Configure › Dev Center › Web Hooks › Web Hooks. You need the permission "
    "“Can manage and configure web hooks”.",
    ping=PING,
    events=EVENTS,
    is_signed=is_signed,
    sign=sign,
    read_event=read_event,
)
