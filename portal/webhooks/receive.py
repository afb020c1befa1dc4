"""Taking in a delivery: is it Greenhouse, is it known, then store its ids and answer at once.

The id of a delivery stands in a header that the signature does not cover. Whoever copies a signed
body may send it under new ids, and gains one more reading of records that are read anyway.
"""

from __future__ import annotations

import json
from hashlib import sha256
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.ats.errors import UnreadableAnswer
from integrations.ats.webhooks import Hint, Subject, WebHooks
from portal.connections.models import Connection
from portal.core import queue
from portal.core.limits import count_hit
from portal.webhooks.address import secrets_of
from portal.webhooks.models import Address, Delivery, Heartbeat

READ = "portal.webhooks.tasks.read"
LARGEST = 1024 * 1024  # bytes; Greenhouse's own are some tens of kilobytes
TEST = "portal.test"  # the action of our own test: no event of Greenhouse's has a dot
LONGEST_ID = 100
Outcome = Delivery.Outcome


class WronglySigned(Exception):
    """Not signed with a secret of this address."""


def receive(
    address: Address, vendor: WebHooks, *, body: bytes, signature: str, event_id: str
) -> bool:
    """Take in a delivery; False when nothing has to be read for it (it is known, or not ours).

    Raises WronglySigned (nothing stored), UnreadableAnswer (rightly signed, but no event:
    nothing stored) and SecretUnreadable.
    """
    by_former = _signed_with(address, vendor, body, signature)
    hint = vendor.read_event(body)
    action = hint.action[:60]
    if not action:
        raise UnreadableAnswer
    with transaction.atomic():
        if action != TEST:
            _hear(address, action, by_former=by_former)
        waits = _store(address, hint, action, _id(event_id))
        if waits:
            ask(address)
    return waits


def test(address: Address, vendor: WebHooks) -> None:
    """Take in a delivery of our own, signed like Greenhouse's; a worker ends it.

    Everything but the way from Greenhouse to this server. That the portal calls itself over the
    network instead is left out on purpose. Raises SecretUnreadable.
    """
    body = json.dumps({"action": TEST, "payload": {}}).encode()
    signature = vendor.sign(body, secrets_of(address)[0])
    now = timezone.now()
    Address.objects.filter(pk=address.pk).update(tested_at=now, test_read_at=None)
    receive(address, vendor, body=body, signature=signature, event_id=f"test-{uuid4()}")


def record_bad_signature(address: Address) -> int:
    """Count a wrongly signed delivery; gives the seconds to wait when there were too many.

    Beyond the limit nothing is written, so that a flood costs no database writes.
    """
    wait = count_hit(f"webhook-signature:{address.pk}", settings.WEBHOOK_BAD_SIGNATURES)
    if not wait:
        Address.objects.filter(pk=address.pk).update(
            refused=F("refused") + 1, refused_at=timezone.now()
        )
    return wait


def ask(address: Address) -> None:
    """Have a worker read what waits, unless one was asked and has not begun yet."""
    asked = Address.objects.filter(pk=address.pk, asked_at=None)
    if asked.update(asked_at=timezone.now()):
        queue.enqueue(READ, address.pk)


def _signed_with(address: Address, vendor: WebHooks, body: bytes, signature: str) -> bool:
    """Whether the former secret signed it. Every secret is tried, so that no timing tells."""
    fits = [vendor.is_signed(body, signature, secret) for secret in secrets_of(address)]
    if not any(fits):
        raise WronglySigned
    return not fits[0]


def _hear(address: Address, action: str, *, by_former: bool) -> None:
    now = timezone.now()
    Address.objects.filter(pk=address.pk).update(heard_at=now)
    known = Heartbeat.objects.filter(connection_id=address.connection_id, action=action)
    told = {"last_at": now, "by_former_secret": by_former}
    if not known.update(times=F("times") + 1, **told):
        Heartbeat.objects.bulk_create(
            [Heartbeat(connection_id=address.connection_id, action=action, first_at=now, **told)],
            ignore_conflicts=True,  # another process heard its first one this very moment
        )


def _store(address: Address, hint: Hint, action: str, event_id: str) -> bool:
    outcome = _outcome_at_once(address.connection, hint)
    delivery = Delivery(
        connection_id=address.connection_id,
        event_id=event_id,
        action=action,
        subject=hint.subject,
        names=_names(hint),
        gone=hint.gone,
        outcome=outcome,
        settled_at=timezone.now() if outcome else None,
    )
    same = Delivery.objects.filter(connection_id=address.connection_id, event_id=event_id)
    # A repetition counts; one of what could not be read is a new chance.
    same.filter(outcome=Outcome.FAILED).update(
        outcome=Outcome.WAITING, why="", settled_at=None, not_before=None, failures=0
    )
    if same.update(times=F("times") + 1):
        return same.filter(outcome=Outcome.WAITING).exists()
    Delivery.objects.bulk_create([delivery], ignore_conflicts=True)
    return not outcome


def _outcome_at_once(connection: Connection, hint: Hint) -> str:
    if hint.action != TEST and connection.state == Connection.State.PAUSED:
        return Outcome.PAUSED
    if hint.action == TEST or hint.subject != Subject.NOTHING:
        return Outcome.WAITING
    return Outcome.NOTHING


def _names(hint: Hint) -> dict[str, list[int]]:
    found = {
        "applications": hint.application_ids,
        "candidates": (*hint.candidate_ids, *((hint.merged_into,) if hint.merged_into else ())),
        "jobs": hint.job_ids,
    }
    return {kind: list(ids) for kind, ids in found.items() if ids}


def _id(given: str) -> str:
    """Greenhouse's id of the delivery. Without one, each delivery counts as new."""
    given = given.strip()
    if len(given) > LONGEST_ID:
        return sha256(given.encode()).hexdigest()
    return given or str(uuid4())
