"""Webhook records in the admin site, without secrets or tokens."""

from __future__ import annotations

from django.urls import reverse

from portal.webhooks.models import Address, Delivery, Heartbeat
from tests.cast import Cast
from tests.portal.webhooks.conftest import Hook, hook  # noqa: F401  (a fixture)


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
    hook: Hook,  # noqa: F811
    cast: Cast,
    sign_in,
) -> None:
    hook.about(4711, "candidate_stage_change")
    cas = sign_in(cast.cas)
    for model, text in (
        (Delivery, "Waiting to be read"),
        (Heartbeat, "candidate_stage_change"),
        (Address, "Acme"),
    ):
        page = _read_pages(cas, model)
        assert text in page
        assert hook.secret not in page
        assert hook.address.token not in page


def test_webhook_records_cannot_be_edited(hook: Hook, cast: Cast, sign_in) -> None:  # noqa: F811
    hook.about(4711)
    delivery = Delivery.objects.get()
    address = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    for person in (cast.cas, cast.ola):
        assert sign_in(person).post(address, {"outcome": "read"}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.outcome == Delivery.Outcome.WAITING


def test_customers_cannot_see_webhook_records(hook: Hook, cast: Cast, sign_in) -> None:  # noqa: F811
    hook.about(4711)
    for model in (Delivery, Heartbeat, Address):
        assert _read_pages(sign_in(cast.zoe), model) == ""
