"""The letter to whoever manages Greenhouse, when its worker dies."""

from __future__ import annotations

from portal.connections import fix_links, tasks
from portal.connections.models import FixLink
from portal.core import transitions
from tests.cast import Cast


def test_a_letter_whose_worker_died_is_given_up_and_its_link_forgotten(
    connect, cast: Cast, later
) -> None:
    keys = {"applications.reject"}
    link, _ = fix_links.make(connect(), keys, by=cast.cas, send_to="it@acme.example")
    transitions.move(link, "sending", why="a worker took it", field="mail")
    later(9 * 60)
    tasks.sweep()
    assert FixLink.objects.get().mail == "sending", "it may still be on its way"
    later(2 * 60)
    tasks.sweep()
    link = FixLink.objects.get()
    assert (link.mail, link.link) == ("failed", "")
