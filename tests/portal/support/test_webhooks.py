"""Customer success watches web hooks: what came, what is heard; no secret and no address."""

from __future__ import annotations

from django.urls import reverse

from portal.webhooks.models import Address, Delivery, Heartbeat
from tests.cast import Cast
from tests.portal.webhooks.conftest import Hook, hook  # noqa: F401  (a fixture)


def _pages(client, model) -> str:
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


def test_cas_sees_deliveries_heartbeats_and_addresses(
    hook: Hook,  # noqa: F811
    cast: Cast,
    sign_in,
) -> None:
    hook.about(4711, "candidate_stage_change")
    cas = sign_in(cast.cas)
    for model, words in (
        (Delivery, "Waiting to be read"),
        (Heartbeat, "candidate_stage_change"),
        (Address, "Acme"),
    ):
        page = _pages(cas, model)
        assert words in page
        assert hook.secret not in page
        assert hook.address.token not in page


def test_nobody_changes_them_by_hand(hook: Hook, cast: Cast, sign_in) -> None:  # noqa: F811
    hook.about(4711)
    delivery = Delivery.objects.get()
    address = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    for person in (cast.cas, cast.ola):
        assert sign_in(person).post(address, {"outcome": "read"}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.outcome == Delivery.Outcome.WAITING


def test_zoe_has_no_business_there(hook: Hook, cast: Cast, sign_in) -> None:  # noqa: F811
    hook.about(4711)
    for model in (Delivery, Heartbeat, Address):
        assert _pages(sign_in(cast.zoe), model) == ""
