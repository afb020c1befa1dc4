"""The fix link mail when its worker dies."""

from __future__ import annotations

from portal.connections import tasks
from portal.connections.models import FixLink
from portal.connections.permissions import fix_links
from portal.core import transitions
from tests.personas import Personas


def test_interrupted_mail_fails_and_forgets_link(
    connect, personas: Personas, advance_clock
) -> None:
    keys = {"applications.reject"}
    link, _ = fix_links.create_link(connect(), keys, by=personas.cas, send_to="it@acme.example")
    transitions.move_state(link, "sending", why="a worker took it", field="email_status")
    advance_clock(9 * 60)
    tasks.retry_fix_link_emails()
    assert FixLink.objects.get().email_status == "sending", "it may still be sent"
    advance_clock(2 * 60)
    tasks.retry_fix_link_emails()
    link = FixLink.objects.get()
    assert (link.email_status, link.token) == ("failed", "")


def test_mail_of_expired_link_fails(connect, personas: Personas, advance_clock) -> None:
    keys = {"applications.reject"}
    link, _ = fix_links.create_link(connect(), keys, by=personas.cas, send_to="it@acme.example")
    advance_clock(fix_links.LINK_LIFETIME.total_seconds() + 60)
    tasks.send_fix_link_email(link.pk)
    link.refresh_from_db()
    assert (link.email_status, link.token) == ("failed", "")
