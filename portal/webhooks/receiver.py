"""Receive webhook deliveries: verify the signature, store the record ids and answer at once.

The delivery id is in a header that the signature does not cover: a replayed body under a new id
only causes one more read.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.ats.errors import UnreadableResponse
from integrations.ats.webhooks import EventSubject, WebhookEvent, WebhookSpec
from portal.connections.models import Connection
from portal.core import queue
from portal.core.database.compiled_queries import update_once
from portal.core.database.paired_writes import insert_rows
from portal.web.rate_limits import count_hit
from portal.webhooks.endpoint import get_accepted_secrets
from portal.webhooks.models import MAX_REASON_LENGTH, Delivery, Endpoint, Heartbeat

PROCESS_TASK = "portal.webhooks.tasks.process_deliveries"
MAX_BODY_BYTES = 1024 * 1024  # Greenhouse's are some tens of kilobytes
TEST_ACTION = "portal.test"  # no event of Greenhouse has a dot in its name
MAX_ID_LENGTH = 100
Outcome = Delivery.Outcome
_REQUEST_SQL = f"""
UPDATE {Endpoint._meta.db_table} SET last_delivery_at = COALESCE(%s, last_delivery_at),
    queued_at = COALESCE(queued_at, %s)
WHERE id = %s RETURNING queued_at = %s
"""  # noqa: S608  # our own table


class SignatureMismatch(Exception):
    """The delivery was not signed with an accepted secret."""


def receive_delivery(
    endpoint: Endpoint, vendor: WebhookSpec, *, body: bytes, signature: str, event_id: str
) -> bool:
    """Store a delivery; False if it needs no processing (a duplicate, or not relevant).

    Raises SignatureMismatch or SecretUnreadable, with nothing stored, or UnreadableResponse, with
    the delivery recorded as unreadable.
    """
    used_previous_secret = _check_signature(endpoint, vendor, body, signature)
    event_id = _normalize_event_id(event_id)
    try:
        event = vendor.read_event(body)
    except UnreadableResponse as error:
        _record_unreadable(endpoint, event_id, error)
        raise
    action = event.action[:60]
    with transaction.atomic():
        is_waiting = _store_delivery(endpoint, event, action, event_id)
        is_test = action == TEST_ACTION
        # The endpoint is locked before its heartbeats, as where it is deleted.
        if is_waiting:
            request_processing(endpoint, delivered_at=None if is_test else timezone.now())
        elif not is_test:
            Endpoint.objects.filter(pk=endpoint.pk).update(last_delivery_at=timezone.now())
        if not is_test:
            _record_heartbeat(endpoint, action, used_previous_secret=used_previous_secret)
    return is_waiting


def send_test_delivery(endpoint: Endpoint, vendor: WebhookSpec) -> None:
    """Receive a signed delivery of our own, without the network. Raises SecretUnreadable."""
    body = json.dumps({"action": TEST_ACTION, "payload": {}}).encode()
    signature = vendor.sign(body, get_accepted_secrets(endpoint)[0])
    now = timezone.now()
    Endpoint.objects.filter(pk=endpoint.pk).update(tested_at=now, test_processed_at=None)
    receive_delivery(endpoint, vendor, body=body, signature=signature, event_id=f"test-{uuid4()}")


def record_bad_signature(endpoint: Endpoint) -> int:
    """Count a bad signature; returns the seconds to wait if over the limit, or 0."""
    wait = count_hit(f"webhook-signature:{endpoint.pk}", settings.WEBHOOK_BAD_SIGNATURES)
    if not wait:  # a flood causes no writes
        _count_rejected(endpoint.pk, timezone.now())
    return wait


@update_once
def _count_rejected(endpoint_id: int, now: datetime) -> tuple[QuerySet[Endpoint], dict[str, Any]]:
    values = {"rejected_count": F("rejected_count") + 1, "last_rejected_at": now}
    return Endpoint.objects.filter(pk=endpoint_id), values


def request_processing(endpoint: Endpoint, *, delivered_at: datetime | None = None) -> None:
    """Queue a task unless one is queued: it handles all deliveries received before it starts."""
    adapt = database.ops.adapt_datetimefield_value
    now = adapt(timezone.now())
    with database.cursor() as cursor:
        # Locks the row in any case, so that a task that starts now waits for this delivery.
        cursor.execute(_REQUEST_SQL, [adapt(delivered_at), now, endpoint.pk, now])
        row = cursor.fetchone()
    if row and row[0]:
        queue.enqueue_task(
            PROCESS_TASK, endpoint.pk, organization_id=endpoint.connection.organization_id
        )


def _check_signature(endpoint: Endpoint, vendor: WebhookSpec, body: bytes, signature: str) -> bool:
    # Tries every secret, so that timing reveals nothing. True: signed with the previous secret.
    matches = [
        vendor.is_signed(body, signature, secret) for secret in get_accepted_secrets(endpoint)
    ]
    if not any(matches):
        raise SignatureMismatch
    return not matches[0]


def _record_heartbeat(endpoint: Endpoint, action: str, *, used_previous_secret: bool) -> None:
    now = timezone.now()
    connection_id = endpoint.connection_id
    if not _count_heartbeat(connection_id, action, now, used_previous_secret=used_previous_secret):
        heartbeat = Heartbeat(
            connection_id=connection_id,
            action=action,
            first_at=now,
            last_at=now,
            used_previous_secret=used_previous_secret,
        )
        insert_rows([heartbeat], ignore_conflicts=True)  # another process may just have done so


@update_once
def _count_heartbeat(
    connection_id: int, action: str, now: datetime, *, used_previous_secret: bool
) -> tuple[QuerySet[Heartbeat], dict[str, Any]]:
    return Heartbeat.objects.filter(connection=connection_id, action=action), {
        "delivery_count": F("delivery_count") + 1,
        "last_at": now,
        "used_previous_secret": used_previous_secret,
    }


def _record_unreadable(endpoint: Endpoint, event_id: str, error: UnreadableResponse) -> None:
    # Counted per ID: Greenhouse repeats what is not answered with 200.
    now = timezone.now()
    delivery, is_new = Delivery.objects.get_or_create(
        connection_id=endpoint.connection_id,
        event_id=event_id,
        defaults={
            "outcome": Outcome.UNREADABLE,
            "reason": error.sentence[:MAX_REASON_LENGTH],
            "processed_at": now,
        },
    )
    if not is_new:
        Delivery.objects.filter(pk=delivery.pk).update(delivery_count=F("delivery_count") + 1)
    Endpoint.objects.filter(pk=endpoint.pk).update(last_delivery_at=now)


def _store_delivery(endpoint: Endpoint, event: WebhookEvent, action: str, event_id: str) -> bool:
    outcome = _get_immediate_outcome(endpoint.connection, event)
    delivery = Delivery(
        connection_id=endpoint.connection_id,
        event_id=event_id,
        action=action,
        subject=event.subject,
        record_ids=_collect_record_ids(event),
        is_deletion=event.is_deleted,
        outcome=outcome,
        processed_at=timezone.now() if outcome else None,
    )
    if insert_rows([delivery], ignore_conflicts=True):
        return not outcome
    duplicates = Delivery.objects.filter(connection_id=endpoint.connection_id, event_id=event_id)
    # A repeated delivery only counts, except that it retries a failed one and replaces an
    # unreadable one.
    duplicates.filter(outcome__in=(Outcome.FAILED, Outcome.UNREADABLE)).update(
        action=action,
        subject=delivery.subject,
        record_ids=delivery.record_ids,
        is_deletion=delivery.is_deletion,
        outcome=outcome,
        processed_at=delivery.processed_at,
        reason="",
        retry_at=None,
        failure_count=0,
    )
    duplicates.update(delivery_count=F("delivery_count") + 1)
    return duplicates.filter(outcome=Outcome.WAITING).exists()


def _get_immediate_outcome(connection: Connection, event: WebhookEvent) -> str:
    if event.action != TEST_ACTION and connection.state == Connection.State.PAUSED:
        return Outcome.PAUSED
    if event.action == TEST_ACTION or event.subject != EventSubject.NOTHING:
        return Outcome.WAITING
    return Outcome.NOTHING


def _collect_record_ids(event: WebhookEvent) -> dict[str, list[int]]:
    ids_by_kind = {
        "applications": event.application_ids,
        "candidates": (*event.candidate_ids, *((event.merged_into,) if event.merged_into else ())),
        "jobs": event.job_ids,
    }
    return {kind: list(ids) for kind, ids in ids_by_kind.items() if ids}


def _normalize_event_id(raw_id: str) -> str:
    # Without an id, each delivery counts as new.
    raw_id = raw_id.strip()
    if len(raw_id) > MAX_ID_LENGTH:
        return sha256(raw_id.encode()).hexdigest()
    return raw_id or str(uuid4())
