"""Webhook records in the admin site, without secrets or tokens."""

from __future__ import annotations

from django.urls import reverse

from portal.webhooks.models import Delivery, Endpoint, Heartbeat
from tests.personas import Personas
from tests.portal.webhooks.conftest import WebhookSender


def _read_pages(client, model) -> str:
    name = f"admin:webhooks_{model._meta.model_name}"
    row = model.objects.first()
    return "".join(
        answer.content.decode()
        for answer in (
            client.get(reverse(f"{name}_changelist")),
            client.get(reverse(f"{name}_change", args=[row.pk])),
        )
        if answer.status_code == 200
    )


def test_csm_sees_webhook_records(
    webhook: WebhookSender,
    personas: Personas,
    sign_in,
) -> None:
    webhook.deliver_application(4711, "candidate_stage_change")
    cas = sign_in(personas.cas)
    for model, text in (
        (Delivery, "Waiting"),
        (Heartbeat, "candidate_stage_change"),
        (Endpoint, "Acme"),
    ):
        page = _read_pages(cas, model)
        assert text in page
        assert webhook.secret not in page
        assert webhook.endpoint.token not in page


def test_webhook_records_cannot_be_edited(
    webhook: WebhookSender, personas: Personas, sign_in
) -> None:
    webhook.deliver_application(4711)
    delivery = Delivery.objects.get()
    address = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    for person in (personas.cas, personas.ola):
        assert sign_in(person).post(address, {"outcome": "read"}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.outcome == Delivery.Outcome.WAITING


def test_customers_cannot_see_webhook_records(
    webhook: WebhookSender, personas: Personas, sign_in
) -> None:
    webhook.deliver_application(4711)
    for model in (Delivery, Heartbeat, Endpoint):
        assert _read_pages(sign_in(personas.zoe), model) == ""
