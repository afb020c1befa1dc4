"""Vendor-neutral webhook types. Deliveries may be duplicated, late or out of order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec


class EventSubject(StrEnum):
    APPLICATION = "application"
    CANDIDATE = "candidate"
    JOB = "job"
    NOTHING = ""  # no record that we store


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    action: str
    subject: EventSubject = EventSubject.NOTHING
    application_ids: tuple[int, ...] = ()
    candidate_ids: tuple[int, ...] = ()
    job_ids: tuple[int, ...] = ()
    job_post_ids: tuple[int, ...] = ()
    stage_ids: tuple[int, ...] = ()
    merged_into: int | None = None  # the candidate that survives a merge
    is_deleted: bool = False  # the event's own record was deleted, anonymized or merged


class WebhookEventType(msgspec.Struct, frozen=True, kw_only=True):
    # In the order and wording of the ATS's screen.
    action: str
    group: str
    label: str
    benefit: str
    replaces_polling_of: str = ""  # "jobs.changed": what a sync would otherwise find
    optional: bool = False  # provides an extra


class WebhookSpec(msgspec.Struct, frozen=True, kw_only=True):
    signature_header: str
    id_header: str
    screen_path: str
    ping_action: str  # the action of a test delivery
    events: Sequence[WebhookEventType]  # in screen order
    is_signed: Callable[[bytes, str, str], bool]  # body, signature, secret
    sign: Callable[[bytes, str], str]  # body, secret
    read_event: Callable[[bytes], WebhookEvent]  # raises UnreadableResponse
