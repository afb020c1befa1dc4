"""Refused deliveries are limited; a correctly signed one is accepted whatever was refused."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.connections.models import Connection
from tests.portal.webhooks.conftest import WebhookSender

WRONG = {"Signature": "sha256 00"}


@pytest.fixture(autouse=True)
def low_limits(settings) -> None:
    settings.WEBHOOK_BAD_SIGNATURES = settings.WEBHOOK_UNKNOWN_ENDPOINTS = (2, 600)


def _post_to(token: str, ip: str = "127.0.0.1") -> int:
    path = reverse("webhooks:receive", args=[token])
    response = Client(REMOTE_ADDR=ip).post(path, b"{}", content_type="application/json")
    return response.status_code


def test_bad_signatures_do_not_lock_out_good_ones(webhook: WebhookSender) -> None:
    statuses = [webhook.deliver_application(1, **WRONG).status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert webhook.deliver_application(1).status_code == 200


def test_unknown_addresses_do_not_lock_out_good_ones(webhook: WebhookSender) -> None:
    assert [_post_to("nobody") for _ in range(3)] == [404, 404, 429]
    assert webhook.deliver_application(1).status_code == 200


def test_disconnected_address_does_not_lock_out_others(
    webhook: WebhookSender, second_webhook: WebhookSender
) -> None:
    Connection.objects.filter(pk=webhook.connection.pk).update(state="disconnected")
    assert [webhook.deliver_application(1).status_code for _ in range(3)] == [410, 410, 429]
    assert second_webhook.deliver_application(1).status_code == 200


def test_bad_signatures_are_counted_per_endpoint(
    webhook: WebhookSender, second_webhook: WebhookSender
) -> None:
    for _ in range(3):
        webhook.deliver_application(1, **WRONG)
    assert second_webhook.deliver_application(1, **WRONG).status_code == 401


def test_unknown_addresses_are_counted_per_ip(db: None) -> None:
    for _ in range(3):
        _post_to("nobody")
    assert _post_to("nobody") == 429
    assert _post_to("nobody", ip="198.51.100.7") == 404


def test_limited_delivery_says_how_long_to_wait(webhook: WebhookSender, advance_clock) -> None:
    for _ in range(2):
        webhook.deliver_application(1, **WRONG)
    advance_clock(590)
    assert 5 <= int(webhook.deliver_application(1, **WRONG)["Retry-After"]) <= 10


def test_limited_delivery_writes_nothing(webhook: WebhookSender) -> None:
    for _ in range(3):
        webhook.deliver_application(1, **WRONG)
    assert webhook.endpoint.rejected_count == 2
