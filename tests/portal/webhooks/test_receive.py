"""What comes to the door: who is let in, what is kept, what is answered."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.webhooks import sign
from portal.connections.models import Connection
from portal.onboarding.tasks import empty
from portal.webhooks.models import Address, Delivery, Heartbeat
from portal.webhooks.tasks import sweep
from tests.cast import Cast
from tests.factories import ConnectionFactory
from tests.portal.webhooks.conftest import PAGE, Hook, kept, shown_secret
from tests.queue import queued
from tests.reference.records import ACTIONS, WEBHOOKS

SOMEBODY = {
    "application": {
        "id": 1,
        "candidate": {"id": 2, "first_name": "Quirin", "email_addresses": [{"value": "q@home"}]},
        "jobs": [{"id": 3, "name": "Keeper of secrets"}],
    }
}


def test_a_ping_is_answered_so_that_greenhouse_enables_the_hook(hook: Hook) -> None:
    assert hook.tells("ping", {"web_hook_id": 5}).status_code == 200
    assert hook.address.heard_at is not None
    assert queued() == []


def test_an_event_is_kept_as_ids_and_read_later(hook: Hook) -> None:
    assert hook.tells("candidate_stage_change", SOMEBODY, Greenhouse_Event_ID="a1").content
    delivery = Delivery.objects.get()
    assert (delivery.event_id, delivery.action) == ("a1", "candidate_stage_change")
    assert delivery.names == {"applications": [1], "candidates": [2], "jobs": [3]}
    assert delivery.outcome == Delivery.Outcome.WAITING
    assert queued() == [("portal.webhooks.tasks.read", (hook.address.pk,))]


def test_nothing_about_a_person_is_kept(hook: Hook) -> None:
    hook.tells("new_candidate_application", SOMEBODY)
    assert kept("new_candidate_application")
    for words in ("Quirin", "q@home", "Keeper of secrets"):
        assert not kept(words)
    assert hook.secret not in json.dumps(list(Delivery.objects.values()), default=str)


@pytest.mark.parametrize("part", range(3))
def test_documented_events_are_kept(hook: Hook, part: int) -> None:
    actions = ACTIONS[part::3]
    for action in actions:
        assert hook.tells(action, WEBHOOKS.build(action)).status_code == 200, action
    assert sorted(Delivery.objects.values_list("action", flat=True)) == sorted(actions)


def test_one_event_that_comes_twice_is_kept_once(hook: Hook) -> None:
    for _ in range(3):
        assert hook.about(1, Greenhouse_Event_ID="same").status_code == 200
    assert Delivery.objects.get().times == 3
    assert len(queued()) == 1
    assert Heartbeat.objects.get().times == 3


def test_without_an_id_every_delivery_is_a_new_one(hook: Hook) -> None:
    for _ in range(2):
        assert hook.about(1, Greenhouse_Event_ID="").status_code == 200
    assert Delivery.objects.count() == 2


def test_an_endless_id_is_kept_short(hook: Hook) -> None:
    for _ in range(2):
        assert hook.about(1, Greenhouse_Event_ID="x" * 3000).status_code == 200
    assert Delivery.objects.get().times == 2


@pytest.mark.parametrize(
    "signature",
    ["", "sha256 " + "0" * 64, "sha256", "sha1 abc", "sha256 é", "\u00ff"],
    ids=["none", "wrong", "half", "sha1", "odd", "byte"],
)
def test_a_wrong_signature_is_counted_and_nothing_is_kept(hook: Hook, signature: str) -> None:
    assert hook.about(1, Signature=signature).status_code == 401
    assert not Delivery.objects.exists()
    assert not Heartbeat.objects.exists()
    assert hook.address.refused == 1
    assert hook.address.heard_at is None
    assert queued() == []


def test_a_signature_holds_for_these_very_bytes_only(hook: Hook) -> None:
    body = b'{"action": "ping", "payload": {"name": "Zo\\u00eb \\u003cb\\u003e"}}'
    assert hook.sends(body).status_code == 200
    same_json = json.dumps(json.loads(body)).encode()
    assert same_json != body
    assert hook.sends(same_json, Signature=sign(hook.secret, body)).status_code == 401


def test_an_address_that_nobody_has_is_unknown(hook: Hook) -> None:
    for token in ("x", "x" * 300, hook.address.token[:-1]):
        assert Client().post(f"/web-hooks/{token}/", {}).status_code == 404


def test_only_a_post_is_a_delivery(hook: Hook) -> None:
    assert Client().get(hook.path).status_code == 405
    assert Client().put(hook.path).status_code == 405


def test_a_huge_body_is_refused_before_it_is_read(hook: Hook) -> None:
    assert hook.sends(b"x" * (1024 * 1024 + 1)).status_code == 413
    claimed = Client().post(
        hook.path, b"{}", content_type="application/json", CONTENT_LENGTH="99999999999"
    )
    assert claimed.status_code == 413
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"{}", b'{"action": 5}', b'{"action": "", "payload": {}}', b"\xff\xfe"],
)
def test_rightly_signed_nonsense_is_no_event(hook: Hook, body: bytes) -> None:
    assert hook.sends(body).status_code == 400
    assert not Delivery.objects.exists()


def test_a_form_is_no_event(hook: Hook) -> None:
    assert Client().post(hook.path, {"action": "ping"}).status_code == 401


def test_an_event_nobody_knows_is_kept_and_left_alone(hook: Hook, sandbox: Sandbox, work) -> None:
    hook.tells("moon_phase_changed", {"moon": {"id": 4}})
    hook.tells("offer_created", {"id": 4, "application_id": 1})
    assert set(Delivery.objects.values_list("outcome", flat=True)) == {"nothing"}
    assert work() == 0
    assert not list(sandbox.requests)


def test_a_paused_connection_hears_and_waits_for_its_next_sync(
    hook: Hook, sandbox: Sandbox, work
) -> None:
    Connection.objects.update(state=Connection.State.PAUSED)
    assert hook.about(1).status_code == 200
    work()
    assert Delivery.objects.get().outcome == Delivery.Outcome.PAUSED
    assert not list(sandbox.requests)


def test_an_ended_connection_takes_nothing_in_and_forgets_its_secret(hook: Hook) -> None:
    hook.about(1)
    path = hook.path
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    assert hook.about(2).status_code == 410
    sweep()
    assert not Address.objects.exists()
    assert not Delivery.objects.exists()
    assert Client().post(path, {}).status_code == 404


def test_another_account_begins_without_the_former_ones_address(hook: Hook, work) -> None:
    """While the mirror is being emptied nothing is read into it; then the hooks are made anew."""
    hook.about(1)
    Connection.objects.update(emptying=True)
    work()
    assert Delivery.objects.get().outcome == Delivery.Outcome.PAUSED
    empty(hook.connection.pk)
    assert not Address.objects.exists()
    assert not Delivery.objects.exists()


def test_another_customers_secret_opens_nothing_here(hook: Hook, cast: Cast, sign_in) -> None:
    other = ConnectionFactory(organization=cast.zoe.organization)
    other.credentials.create(kind="harvest_key", secret="x", last_four="x", fingerprint="x")
    zoes = shown_secret(sign_in(cast.zoe).post(f"{PAGE}secret/"))
    assert zoes not in {"", hook.secret}
    assert Hook(hook.connection, zoes).about(1).status_code == 401
    assert not Delivery.objects.exists()


def test_a_secret_that_no_key_opens_lets_greenhouse_try_again_later(hook: Hook) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE webhooks_address SET secret = 'gAAAAA-of-another-key'")
    assert hook.about(1).status_code == 503
    assert not Delivery.objects.exists()


def test_a_burst_asks_for_one_worker(hook: Hook, work) -> None:
    for number in range(20):
        hook.about(number)
    assert len(queued()) == 1


def test_the_number_of_queries_of_a_delivery_is_small(
    hook: Hook, django_assert_max_num_queries
) -> None:
    hook.about(1)
    with django_assert_max_num_queries(14):
        hook.about(2)
