"""The webhooks page, where an admin sets up the endpoint and its secret."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.webhooks.models import Endpoint
from tests.personas import Personas
from tests.portal.webhooks.conftest import PAGE, WebhookSender, find_secret

PARTIAL = {"HTTP_HX_REQUEST": "true"}
DAY = 24 * 3600


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


def test_page_redirects_to_setup_without_credential(personas: Personas, ada: Client) -> None:
    assert ada.get(PAGE).url == "/setup/"
    assert ada.post(f"{PAGE}secret/").url == "/setup/"
    assert not Endpoint.objects.exists()


def test_live_page_links_to_webhooks(synced_webhook: WebhookSender, ada: Client) -> None:
    assert PAGE.encode() in ada.get("/setup/live/").content


def test_secret_shown_only_once(webhook: WebhookSender, ada: Client) -> None:
    Endpoint.objects.all().delete()
    page = ada.post(f"{PAGE}secret/")
    secret = find_secret(page)
    assert len(secret) >= 40
    assert "no-store" in page["Cache-Control"]
    again = ada.get(PAGE).content.decode()
    assert secret not in again
    assert secret[-4:] in again
    assert Endpoint.objects.get().token in again


def test_secret_encrypted_and_creation_audited(webhook: WebhookSender) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM webhooks_endpoint")
        assert webhook.secret not in cursor.fetchone()[0]
    entry = Entry.objects.filter(verb="webhooks.endpoint_created").get()
    assert "ada@acme.example" in entry.actor_label
    assert webhook.secret not in str(entry.__dict__)


def test_every_event_listed_with_its_benefit(webhook: WebhookSender, ada: Client) -> None:
    from integrations.greenhouse.webhooks import EVENTS

    page = ada.get(PAGE).content.decode()
    positions = [page.index(f'id="event-{event.action}"') for event in EVENTS]
    assert positions == sorted(positions)
    for event in EVENTS:
        assert event.benefit.replace("'", "&#x27;") in page


def test_event_marks_update_while_page_open(webhook: WebhookSender, ada: Client) -> None:
    before = ada.get(PAGE, **PARTIAL).content.decode()
    assert "<html" not in before
    assert "0 of 18 received" in before
    assert 'hx-trigger="every 5s"' in before
    webhook.deliver_application(1, "candidate_stage_change")
    after = ada.get(PAGE, **PARTIAL).content.decode()
    assert "1 of 18 received" in after


def test_page_stops_polling_when_all_events_received(webhook: WebhookSender, ada: Client) -> None:
    from integrations.greenhouse.webhooks import EVENTS

    for event in EVENTS:
        if not event.optional:
            webhook.deliver_event(event.action, {})
    assert "hx-trigger" not in ada.get(PAGE, **PARTIAL).content.decode()


def test_wrong_signature_reported_on_page(webhook: WebhookSender, ada: Client) -> None:
    WebhookSender(webhook.connection, "mistyped").deliver_application(1)
    assert "1 webhook rejected: wrong signature" in ada.get(PAGE).content.decode()


def test_test_delivery_reports_its_progress(
    webhook: WebhookSender, ada: Client, run_tasks, sandbox: Sandbox
) -> None:
    ada.post(f"{PAGE}test/")
    assert "not processed yet" in ada.get(PAGE).content.decode()
    run_tasks()
    page = ada.get(PAGE).content.decode()
    assert "Received and processed" in page
    assert "</time>." in page, "no blank before the full stop"
    assert "0 of 18 received" in page  # a test delivery does not come from Greenhouse
    assert webhook.endpoint.last_delivery_at is None
    assert not list(sandbox.requests)


# -- a new secret ------------------------------------------------------------------------------


def _renew_secret(webhook: WebhookSender, ada: Client) -> WebhookSender:
    page = ada.post(f"{PAGE}secret/", {"version": webhook.endpoint.version})
    return WebhookSender(webhook.connection, find_secret(page))


def test_new_secret_loses_no_delivery(webhook: WebhookSender, ada: Client, advance_clock) -> None:
    new = _renew_secret(webhook, ada)
    assert new.secret not in {"", webhook.secret}
    assert new.deliver_application(1).status_code == 200
    assert webhook.deliver_application(2, "candidate_stage_change").status_code == 200
    assert "1 with the previous secret" in ada.get(PAGE).content.decode()
    assert new.deliver_application(2, "candidate_stage_change").status_code == 200
    assert "with the previous secret" not in ada.get(PAGE).content.decode()
    advance_clock(7 * DAY + 1)
    assert webhook.deliver_application(3).status_code == 401
    assert new.deliver_application(4).status_code == 200


def test_former_secret_deleted_after_a_week(webhook: WebhookSender, ada, advance_clock) -> None:
    from portal.webhooks.tasks import recover_stalled_work

    _renew_secret(webhook, ada)
    assert webhook.endpoint.previous_secret == webhook.secret
    advance_clock(7 * DAY + 1)
    recover_stalled_work()
    assert webhook.endpoint.previous_secret == ""


def test_former_secret_ended_at_once(webhook: WebhookSender, ada: Client) -> None:
    new = _renew_secret(webhook, ada)
    ada.post(f"{PAGE}revoke-previous-secret/")
    assert webhook.deliver_application(1).status_code == 401
    assert new.deliver_application(1).status_code == 200
    assert Entry.objects.filter(verb="webhooks.secret_revoked").count() == 1


def test_repeated_form_creates_one_secret(webhook: WebhookSender, ada: Client) -> None:
    version = webhook.endpoint.version
    first_page = ada.post(f"{PAGE}secret/", {"version": version})
    second_page = ada.post(f"{PAGE}secret/", {"version": version}, follow=True)
    assert find_secret(second_page) == ""
    assert "is shown only once" in second_page.content.decode()
    assert (
        WebhookSender(webhook.connection, find_secret(first_page))
        .deliver_application(1)
        .status_code
        == 200
    )
    assert Entry.objects.filter(verb="webhooks.secret_renewed").count() == 1


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "9" * 30, "²"])
def test_forged_version_creates_no_secret(
    webhook: WebhookSender, ada: Client, version: str
) -> None:
    ada.post(f"{PAGE}secret/", {"version": version})
    assert webhook.deliver_application(1).status_code == 200
    assert webhook.endpoint.version == 1


# -- access ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sam", "remy"])
def test_recruiters_cannot_use_page(
    webhook: WebhookSender, personas: Personas, sign_in, name: str
) -> None:
    recruiter = sign_in(getattr(personas, name))
    for path in ("", "secret/", "revoke-previous-secret/", "test/"):
        assert recruiter.get(PAGE + path).status_code in {403, 405}
        assert recruiter.post(PAGE + path).status_code in {403, 405}
    assert webhook.endpoint.version == 1


def test_other_customers_cannot_use_page(
    webhook: WebhookSender, personas: Personas, sign_in
) -> None:
    zoe = sign_in(personas.zoe)
    for path in ("", "secret/", "revoke-previous-secret/", "test/"):
        for answer in (zoe.get(PAGE + path), zoe.post(PAGE + path, {"version": 1})):
            assert webhook.endpoint.token not in answer.content.decode()
            assert answer.status_code in {302, 404, 405}
    assert webhook.endpoint.version == 1


def test_page_query_count_is_bounded(
    webhook: WebhookSender, ada: Client, django_assert_max_num_queries
) -> None:
    for number in range(30):
        webhook.deliver_application(number)
    with django_assert_max_num_queries(9):
        ada.get(PAGE)
