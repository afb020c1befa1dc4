"""The fix link mail when its worker dies."""

from __future__ import annotations

from portal.connections import fix_links, tasks
from portal.connections.models import FixLink
from portal.core import transitions
from tests.cast import Cast


def test_interrupted_mail_fails_and_forgets_link(connect, cast: Cast, later) -> None:
    keys = {"applications.reject"}
    link, _ = fix_links.make(connect(), keys, by=cast.cas, send_to="it@acme.example")
    transitions.move(link, "sending", why="a worker took it", field="mail")
    later(9 * 60)
    tasks.sweep()
    assert FixLink.objects.get().mail == "sending", "it may still be sent"
    later(2 * 60)
    tasks.sweep()
    link = FixLink.objects.get()
    assert (link.mail, link.link) == ("failed", "")
