"""Emails by a provider's API, and what its webhook says about those that came back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from portal.core.models import Transition
from portal.members.models import Invitation
from tests.personas import Personas
from tests.receiver import Receiver, run_receiver

ADDRESS, EVENTS = "nia@acme.example", "/notifications/email-events/"
SECRET = "provider:a-long-random-password"


@pytest.fixture
def provider(settings) -> Iterator[Receiver]:
    """Plays Postmark's API."""
    with run_receiver() as receiver:
        sent = {"ErrorCode": 0, "Message": "OK", "MessageID": "1", "To": ADDRESS}
        receiver.answer = json.dumps(sent).encode()
        settings.EMAIL_PROVIDER, settings.EMAIL_WEBHOOK_SECRET = "postmark", SECRET
        settings.DELIVERY_EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {
            "POSTMARK_SERVER_TOKEN": "a-token",
            "POSTMARK_API_URL": f"http://{receiver.address}/",
            "WEBHOOK_SECRET": SECRET,
        }
        yield receiver


@pytest.fixture
def sent_email(personas: Personas, provider: Receiver, sign_in, run_tasks) -> dict[str, Any]:
    """The invitation's email as Postmark got it."""
    sign_in(personas.ada).post("/members/", {"email": ADDRESS, "role": "recruiter"})
    run_tasks()
    [body] = provider.bodies
    email: dict[str, Any] = json.loads(body)
    return email


def _post_bounce(email: dict[str, Any], *, secret: str = SECRET) -> int:
    event = {"RecordType": "Bounce", "Type": "HardBounce", "Email": ADDRESS, "ID": 1,
             "MessageID": "1", "Metadata": email.get("Metadata", {})}  # fmt: skip
    token = base64.b64encode(secret.encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    response = Client().post(EVENTS, event, content_type="application/json", headers=headers)
    return response.status_code


def test_email_leaves_by_provider(sent_email: dict[str, Any]) -> None:
    assert sent_email["To"] == ADDRESS
    assert Invitation.objects.get().email_status == Invitation.EmailStatus.SENT


def test_returned_email_shown_at_invitation(
    sent_email: dict[str, Any], personas: Personas, sign_in
) -> None:
    assert _post_bounce(sent_email) == 200
    page = sign_in(personas.ada).get("/members/").content.decode()
    assert "Email came back. Check the address." in page
    organization = personas.ada.organization
    page = sign_in(personas.cas).get(f"/admin/accounts/organization/{organization.pk}/summary/")
    assert "email came back" in page.content.decode()
    assert _post_bounce(sent_email) == 200, "events may be repeated"
    moves = Transition.objects.filter(new=Invitation.EmailStatus.RETURNED)
    assert moves.count() == 1


def test_returned_email_of_old_link_ignored(
    sent_email: dict[str, Any], personas: Personas, sign_in, run_tasks
) -> None:
    invitation = Invitation.objects.get()
    sign_in(personas.ada).post(f"/members/invitations/{invitation.pk}/resend/")
    run_tasks()
    assert _post_bounce(sent_email) == 200
    assert Invitation.objects.get().email_status == Invitation.EmailStatus.SENT


@pytest.mark.parametrize("secret", ["provider:wrong", ":"])
def test_events_need_the_secret(sent_email: dict[str, Any], secret: str) -> None:
    assert _post_bounce(sent_email, secret=secret) == 400
    assert Invitation.objects.get().email_status == Invitation.EmailStatus.SENT


@pytest.mark.parametrize("missing", ["EMAIL_PROVIDER", "EMAIL_WEBHOOK_SECRET"])
def test_events_refused_while_switched_off(
    sent_email: dict[str, Any], settings, missing: str
) -> None:
    setattr(settings, missing, "")
    assert _post_bounce(sent_email) == 404


def test_provider_that_refuses_is_tried_again(
    personas: Personas, provider: Receiver, sign_in, run_tasks
) -> None:
    provider.answer = b"no json"
    sign_in(personas.ada).post("/members/", {"email": ADDRESS, "role": "recruiter"})
    run_tasks()
    invitation = Invitation.objects.get()
    assert (invitation.email_status, invitation.email_attempts) == ("queued", 1)
