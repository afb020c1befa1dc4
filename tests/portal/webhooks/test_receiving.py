"""The webhook endpoint: authentication, stored data and responses."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.webhooks.delivery import sign_body
from portal.connections.models import Connection
from portal.onboarding.tasks import delete_synced_data
from portal.webhooks.models import Delivery, Endpoint, Heartbeat
from portal.webhooks.tasks import recover_stalled_work
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.webhooks.conftest import PAGE, WebhookSender, find_secret, is_stored
from tests.queue import list_queued_tasks
from tests.reference.records import ACTIONS, WEBHOOKS

PAYLOAD = {
    "application": {
        "id": 1,
        "candidate": {"id": 2, "first_name": "Quirin", "email_addresses": [{"value": "q@home"}]},
        "jobs": [{"id": 3, "name": "Keeper of secrets"}],
    }
}


def test_ping_is_answered(webhook: WebhookSender) -> None:
    assert webhook.deliver_event("ping", {"web_hook_id": 5}).status_code == 200
    assert webhook.endpoint.last_delivery_at is not None
    assert list_queued_tasks() == []


def test_event_stored_as_ids_and_queued(webhook: WebhookSender) -> None:
    assert webhook.deliver_event(
        "candidate_stage_change", PAYLOAD, Greenhouse_Event_ID="a1"
    ).content
    delivery = Delivery.objects.get()
    assert (delivery.event_id, delivery.action) == ("a1", "candidate_stage_change")
    assert delivery.record_ids == {"applications": [1], "candidates": [2], "jobs": [3]}
    assert delivery.outcome == Delivery.Outcome.WAITING
    assert list_queued_tasks() == [
        ("portal.webhooks.tasks.process_deliveries", (webhook.endpoint.pk,))
    ]


def test_event_stores_no_personal_data(webhook: WebhookSender) -> None:
    webhook.deliver_event("new_candidate_application", PAYLOAD)
    assert is_stored("new_candidate_application")
    for text in ("Quirin", "q@home", "Keeper of secrets"):
        assert not is_stored(text)
    assert webhook.secret not in json.dumps(list(Delivery.objects.values()), default=str)


@pytest.mark.parametrize("part", range(3))
def test_documented_events_are_kept(webhook: WebhookSender, part: int) -> None:
    actions = ACTIONS[part::3]
    for action in actions:
        assert webhook.deliver_event(action, WEBHOOKS.build(action)).status_code == 200, action
    assert sorted(Delivery.objects.values_list("action", flat=True)) == sorted(actions)


def test_repeated_event_stored_once(webhook: WebhookSender) -> None:
    for _ in range(3):
        assert webhook.deliver_application(1, Greenhouse_Event_ID="same").status_code == 200
    assert Delivery.objects.get().delivery_count == 3
    assert len(list_queued_tasks()) == 1
    assert Heartbeat.objects.get().delivery_count == 3


def test_event_without_id_always_stored(webhook: WebhookSender) -> None:
    for _ in range(2):
        assert webhook.deliver_application(1, Greenhouse_Event_ID="").status_code == 200
    assert Delivery.objects.count() == 2


def test_long_event_id_is_shortened(webhook: WebhookSender) -> None:
    for _ in range(2):
        assert webhook.deliver_application(1, Greenhouse_Event_ID="x" * 3000).status_code == 200
    delivery = Delivery.objects.get()
    assert delivery.delivery_count == 2
    assert 0 < len(delivery.event_id) <= 100
    webhook.deliver_application(1, Greenhouse_Event_ID="x" * 2999 + "y")
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize(
    "signature",
    ["", "sha256 " + "0" * 64, "sha256", "sha1 abc", "sha256 é", "\u00ff"],
    ids=["none", "wrong", "half", "sha1", "odd", "byte"],
)
def test_wrong_signature_counted_and_nothing_stored(webhook: WebhookSender, signature: str) -> None:
    assert webhook.deliver_application(1, Signature=signature).status_code == 401
    assert not Delivery.objects.exists()
    assert not Heartbeat.objects.exists()
    assert webhook.endpoint.rejected_count == 1
    assert webhook.endpoint.last_delivery_at is None
    assert list_queued_tasks() == []


def test_signature_covers_exact_bytes(webhook: WebhookSender) -> None:
    body = b'{"action": "ping", "payload": {"name": "Zo\\u00eb \\u003cb\\u003e"}}'
    assert webhook.post_body(body).status_code == 200
    same_json = json.dumps(json.loads(body)).encode()
    assert same_json != body
    assert (
        webhook.post_body(same_json, Signature=sign_body(webhook.secret, body)).status_code == 401
    )


def test_unknown_token_returns_404(webhook: WebhookSender) -> None:
    for token in ("x", "x" * 300, webhook.endpoint.token[:-1]):
        assert Client().post(f"/webhooks/{token}/", {}).status_code == 404


def test_only_post_accepted(webhook: WebhookSender) -> None:
    assert Client().get(webhook.path).status_code == 405
    assert Client().put(webhook.path).status_code == 405


def test_huge_body_refused_before_reading(webhook: WebhookSender) -> None:
    assert webhook.post_body(b"x" * (1024 * 1024 + 1)).status_code == 413
    claimed = Client().post(
        webhook.path, b"{}", content_type="application/json", CONTENT_LENGTH="99999999999"
    )
    assert claimed.status_code == 413
    assert not Delivery.objects.exists()


EVENT = '{"action": "application_updated", "payload": {"application": {"id": 1, "x": %s}}}'
MARKER = "Quickenmarker"
UNREADABLE = {
    "no JSON": b"hello",
    "list": b"[]",
    "no action": b"{}",
    "number as action": b'{"action": 5}',
    "empty action": b'{"action": "", "payload": {}}',
    "null characters as action": b'{"action": "\\u0000", "payload": {}}',
    "list as payload": b'{"action": "ping", "payload": ["Quickenmarker"]}',
    "deep": (EVENT % ("[" * 50_000 + "]" * 50_000)).encode(),
    "cut off": (EVENT % "1").encode()[:-2],
    "lone surrogate": (EVENT % '"Quickenmarker \\ud83d"').encode(),
    "huge number": (EVENT % "1e999").encode(),
    "NaN": (EVENT % "NaN").encode(),
    "UTF-16": (EVENT % '"Quickenmarker"').encode("utf-16"),
    "Latin-1": (EVENT % '"Quickenmarker é"').encode("latin-1"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_signed_malformed_body_is_recorded(
    webhook: WebhookSender, personas: Personas, sign_in, production_log, body: bytes
) -> None:
    for _ in range(2):  # Greenhouse repeats it
        assert webhook.post_body(body, Greenhouse_Event_ID="e1").status_code == 400
    delivery = Delivery.objects.get()
    assert (delivery.outcome, delivery.delivery_count) == (Delivery.Outcome.UNREADABLE, 2)
    assert (delivery.action, delivery.record_ids) == ("", {})
    assert delivery.reason.startswith("Couldn't read this webhook delivery: ")
    assert not Heartbeat.objects.exists()
    assert list_queued_tasks() == []
    assert webhook.endpoint.last_delivery_at is not None  # its signature is right
    assert not is_stored(MARKER)
    assert MARKER not in production_log()
    staff = sign_in(personas.cas)
    page = staff.get("/admin/webhooks/delivery/?outcome__exact=unreadable").content.decode()
    assert delivery.reason.split(": ")[1].split(" ")[0] in page
    endpoints = staff.get("/admin/webhooks/endpoint/").content.decode()
    assert '<td class="field-unreadable_count">1</td>' in endpoints
    assert webhook.deliver_application(1).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + (EVENT % "1").encode(),
        (EVENT % ("1" * 400)).encode(),
        (EVENT % ("[" * 200 + "]" * 200)).encode(),
        (EVENT % "1").replace('"id": 1', '"id": ' + "9" * 30).encode(),
    ],
    ids=["BOM", "long number", "nested", "huge ID"],
)
def test_odd_but_readable_body_is_accepted(webhook: WebhookSender, body: bytes) -> None:
    assert webhook.post_body(body).status_code == 200
    assert Delivery.objects.get().outcome == Delivery.Outcome.WAITING


def test_charset_in_content_type_changes_nothing(webhook: WebhookSender) -> None:
    body = (EVENT % '"é"').encode()
    headers = {"Signature": sign_body(webhook.secret, body), "Greenhouse-Event-ID": "e1"}
    for charset in ("utf-16", "latin-1", "unheard-of", ""):
        content_type = f"application/json; charset={charset}"
        response = Client().generic("POST", webhook.path, body, content_type, headers=headers)
        assert response.status_code == 200
    assert Delivery.objects.get().delivery_count == 4


def test_readable_repetition_replaces_unreadable_one(webhook: WebhookSender) -> None:
    webhook.post_body(b"hello", Greenhouse_Event_ID="e1")
    assert webhook.deliver_application(5, Greenhouse_Event_ID="e1").status_code == 200
    delivery = Delivery.objects.get()
    assert (delivery.outcome, delivery.reason) == (Delivery.Outcome.WAITING, "")
    assert (delivery.action, delivery.record_ids) == ("application_updated", {"applications": [5]})
    assert delivery.delivery_count == 2
    webhook.post_body(b"hello", Greenhouse_Event_ID="e1")
    assert Delivery.objects.get().outcome == Delivery.Outcome.WAITING


def test_body_without_length_refused(webhook: WebhookSender) -> None:
    assert webhook.post_body(b"").status_code == 411
    assert not Delivery.objects.exists()


def test_form_body_refused(webhook: WebhookSender) -> None:
    assert webhook.post_body(b"action=ping&payload=%7B%7D").status_code == 400
    assert Client().post(webhook.path, {"action": "ping"}).status_code == 401
    assert not Heartbeat.objects.exists()


def test_unknown_event_stored_and_not_read(
    webhook: WebhookSender, sandbox: Sandbox, run_tasks
) -> None:
    webhook.deliver_event("moon_phase_changed", {"moon": {"id": 4}})
    webhook.deliver_event("offer_created", {"id": 4, "application_id": 1})
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {"nothing"}
    assert run_tasks() == 0
    assert not list(sandbox.requests)


def test_paused_connection_waits_for_next_sync(
    webhook: WebhookSender, sandbox: Sandbox, run_tasks
) -> None:
    Connection.objects.update(state=Connection.State.PAUSED)
    assert webhook.deliver_application(1).status_code == 200
    run_tasks()
    assert Delivery.objects.get().outcome == Delivery.Outcome.PAUSED
    assert not list(sandbox.requests)


def test_disconnected_connection_refuses_and_forgets(webhook: WebhookSender) -> None:
    webhook.deliver_application(1)
    path = webhook.path
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    assert webhook.deliver_application(2).status_code == 410
    recover_stalled_work()
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()
    assert Client().post(path, {}).status_code == 404


def test_other_account_starts_without_old_endpoint(webhook: WebhookSender, run_tasks) -> None:
    """While the mirror is emptied, nothing is read; webhooks are set up anew afterwards."""
    webhook.deliver_application(1)
    Connection.objects.update(data_deletion_pending=True)
    run_tasks()
    assert Delivery.objects.get().outcome == Delivery.Outcome.PAUSED
    delete_synced_data(webhook.connection.pk)
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()


def test_other_customers_secret_refused(
    webhook: WebhookSender, personas: Personas, sign_in
) -> None:
    other = ConnectionFactory(organization=personas.zoe.organization)
    other.credentials.create(kind="harvest_key", secret="x", last_four="x", fingerprint="x")
    other_secret = find_secret(sign_in(personas.zoe).post(f"{PAGE}secret/"))
    assert other_secret not in {"", webhook.secret}
    assert WebhookSender(webhook.connection, other_secret).deliver_application(1).status_code == 401
    assert not Delivery.objects.exists()


def test_undecryptable_secret_makes_greenhouse_retry(webhook: WebhookSender) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE webhooks_endpoint SET secret = 'gAAAAA-of-another-key'")
    assert webhook.deliver_application(1).status_code == 503
    assert not Delivery.objects.exists()


def test_burst_queues_one_task(webhook: WebhookSender, run_tasks) -> None:
    for number in range(20):
        webhook.deliver_application(number)
    assert len(list_queued_tasks()) == 1


def test_delivery_query_count_is_bounded(
    webhook: WebhookSender, django_assert_max_num_queries
) -> None:
    webhook.deliver_application(1)
    with django_assert_max_num_queries(9):
        webhook.deliver_application(2)
