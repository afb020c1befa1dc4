"""Who caused an email, and customer success, see what became of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from portal.connections.models import FixLink
from portal.connections.permissions import fix_links
from portal.members.models import Invitation
from portal.notifications import notify
from portal.notifications.models import Notification, OutgoingEmail
from tests.personas import Personas
from tests.portal.applications.action_helpers import HTMX

RECENT = reverse("notifications:recent_emails")
MEMBERS = reverse("members:list")
NEXT_TRY = datetime(2030, 1, 2, 14, 32, tzinfo=UTC)
RETRIED = {"status": "queued", "attempts": 2, "due_at": NEXT_TRY}
OUTCOMES = pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": "queued", "attempts": 0}, "Sending email"),
        (RETRIED, "Email couldn't be sent yet. Next try: <time datetime=\"2030-01-02T14:32"),
        ({"status": "sent"}, "Email sent"),
        ({"status": "failed"}, "Email couldn't be sent"),
    ],
    ids=["queued", "retried", "sent", "failed"],
)


def _read(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def _prefix(values: dict[str, object]) -> dict[str, object]:
    return {f"email_{name}": value for name, value in values.items()}


def _request_reset(browser: Client, email: str) -> str:
    response = browser.post(reverse("account_reset_password"), {"email": email}, follow=True)
    return _read(response)


@OUTCOMES
def test_reset_email_outcome_shown(personas: Personas, values: dict, text: str) -> None:
    browser = Client()
    page = _request_reset(browser, "remy@acme.example")
    assert f'hx-get="{RECENT}"' in page
    OutgoingEmail.objects.update(**values)
    shown = _read(browser.get(RECENT, **HTMX))
    assert f"Password reset: {text}" in shown
    assert ("hx-trigger" in shown) is (values["status"] == "queued")
    assert "remy@acme.example" not in shown
    assert "<html" in _read(browser.get(RECENT))  # without scripts
    assert text not in _read(Client().get(RECENT))


def test_unknown_address_looks_the_same(personas: Personas, run_tasks) -> None:
    texts = set()
    for email in ("remy@acme.example", "nobody@acme.example"):
        browser = Client()
        _request_reset(browser, email)
        waiting = _read(browser.get(RECENT, **HTMX))
        run_tasks()
        sent = _read(browser.get(RECENT, **HTMX))
        texts.add((waiting.count("Sending email"), sent.count("Email sent")))
    assert texts == {(1, 1)}


def test_recent_emails_forgotten_after_a_day(personas: Personas, advance_clock) -> None:
    browser = Client()
    _request_reset(browser, "remy@acme.example")
    advance_clock(11 * 3600)
    assert "Sending email" in _read(browser.get(RECENT))
    OutgoingEmail.objects.update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert "No emails in the last day" in _read(browser.get(RECENT))


@OUTCOMES
def test_invitation_email_outcome_shown(
    personas: Personas, sign_in, values: dict, text: str
) -> None:
    ada = sign_in(personas.ada)
    ada.post(MEMBERS, {"email": "new@acme.example", "role": "recruiter"})
    Invitation.objects.update(**_prefix(values))
    assert text in _read(ada.get(MEMBERS))
    summary = reverse("admin:accounts_organization_summary", args=[personas.ada.organization.pk])
    page = _read(sign_in(personas.cas).get(summary))
    expected = {"queued": "waiting to be sent", "failed": "email not sent"}
    assert expected.get(values["status"], "until") in page or "next try 2 Jan, 14:32 UTC" in page
    assert ("next try 2 Jan, 14:32 UTC" in page) is bool(values.get("attempts"))


@OUTCOMES
def test_fix_link_email_outcome_shown(
    personas: Personas, connect, sign_in, values: dict, text: str
) -> None:
    connection = connect()
    fix_links.create_link(
        connection, ["applications.reject"], by=personas.cas, send_to="gh@acme.example"
    )
    FixLink.objects.update(**_prefix(values))
    assert text in _read(sign_in(personas.ada).get("/setup/fix-links/"))


@OUTCOMES
def test_notification_outcome_shown(personas: Personas, sign_in, values: dict, text: str) -> None:
    ada, acme = personas.ada, personas.ada.organization
    notify.notify_users([ada.user], acme, key="k1", subject="Act now", body="It is so.")
    Notification.objects.update(**values)
    page = _read(sign_in(ada).get(reverse("notifications:preferences")))
    assert "Act now" in page
    assert text in page
    assert "Act now" not in (
        _read(sign_in(personas.remy).get(reverse("notifications:preferences")))
    )
    summary = reverse("admin:accounts_organization_summary", args=[acme.pk])
    timeline = _read(sign_in(personas.cas).get(summary))
    assert ("next try 2 Jan 2030, 14:32 UTC" in timeline) is bool(values.get("attempts"))
