"""Setup without JavaScript: every step works by the page's own forms and links."""

from __future__ import annotations

import re

import pytest
from django.core import mail

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.members.models import Invitation
from portal.mirror.models import AtsUser
from tests.cast import Cast
from tests.conftest import V3
from tests.plain import Plain

MISSING = {"applications.reject", "job_posts.list"}


def _find_text(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[0]


def test_setup_completed_without_scripts(cast: Cast, sandbox: Sandbox, work) -> None:
    ada = Plain(cast.ada)
    ada.opens("/set-up/")
    ada.presses("Go on", ready=["site_admin", "same_email"])
    ada.presses("Try and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    assert ada.path == "/set-up/permissions/"
    assert "Load this page again" in ada.page
    work()
    ada.opens(ada.path)
    ada.presses("Test all again")
    work()
    ada.opens(ada.path)
    assert "Everything is granted" in ada.page
    ada.follows("Go on")
    ada.presses("Go on")
    assert "Everything has been read" in ada.page
    ada.follows("See what is on")
    ada.presses("Pause")
    assert "The connection is paused" in ada.page
    ada.presses("End the pause")
    work()
    assert Connection.objects.get(organization=cast.ada.organization).state == "live"


def test_fix_link_lifecycle_without_scripts(
    connect, cast: Cast, sandbox: Sandbox, later, work
) -> None:
    connection = connect(without=MISSING)
    ada, colleague = Plain(cast.ada), Plain()
    ada.opens("/set-up/links/")
    ada.presses("Make a link")
    link = _find_text(r"/set-up/fix/[^/<\s]+/", ada.page)
    colleague.opens(link)
    assert "Lets recruiters reject an application." in colleague.page
    client_id = connection.credential.secrets()["client_id"]
    sandbox.credentials.find(client_id).grant({"job_posts.list"})
    colleague.presses("Test again")
    work()
    colleague.opens(link)
    assert colleague.page.count("Ticked") == 1
    sandbox.credentials.find(client_id).grant(MISSING)
    later(11)
    colleague.presses("Test again")
    work()
    colleague.opens(link)
    assert "Everything is ticked" in colleague.page

    sandbox.credentials.find(client_id).remove(MISSING)
    ada.opens("/set-up/permissions/")
    ada.presses("Test all again")
    work()
    ada.opens("/set-up/links/")
    ada.presses("Make a link")
    link = _find_text(r"/set-up/fix/[^/<\s]+/", ada.page)
    ada.presses("Take it back")
    assert "The link no longer works." in ada.page
    assert colleague.client.get(link).status_code == 410


@pytest.mark.parametrize("decision", ["It works: destroy the old one", "Take the old one back"])
def test_credential_changed_without_scripts(connect, cast: Cast, work, decision: str) -> None:
    connection = connect("harvest_key")
    ada = Plain(cast.ada)
    ada.opens("/set-up/live/")
    ada.follows("Change it")
    ada.follows("Harvest v3")
    ada.presses("Try and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    assert ada.path == "/set-up/rotation/"
    ada.opens(ada.path)
    assert "Load this page again" in ada.page
    work()
    ada.opens(ada.path)
    ada.presses("Switch to the new one")
    ada.presses(decision)
    kind = "harvest_key" if decision.startswith("Take") else "harvest_oauth"
    assert connection.credential.kind == kind


def test_new_credential_discarded_without_scripts(connect, cast: Cast, work) -> None:
    connection = connect("harvest_key")
    ada = Plain(cast.ada)
    ada.opens("/set-up/credential/?kind=harvest_oauth")
    ada.presses("Try and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    work()
    ada.opens(ada.path)
    ada.presses("Throw the new one away")
    assert connection.credential.kind == "harvest_key"
    assert set(connection.credentials.values_list("state", flat=True)) == {"in_use", "destroyed"}


def test_people_invited_and_revoked_without_scripts(connect, cast: Cast, work) -> None:
    connect()
    ada = Plain(cast.ada)
    ada.opens("/set-up/people/")
    user = AtsUser.objects.get(primary_email="m.moss@acme.example")
    ada.presses("Invite the chosen", user=[str(user.pk)])
    assert "1 invitation on the way." in ada.page
    work()
    ada.follows("Manage members")
    ada.presses("Revoke the invitation of m.moss@acme.example")
    assert not Invitation.objects.get().is_open


def test_member_lifecycle_without_scripts(cast: Cast, work) -> None:
    ada, mia = Plain(cast.ada), Plain()
    ada.opens("/members/")
    ada.presses("Send the invitation", email="mia@acme.example", role="recruiter")
    work()
    mia.opens(_find_text(r"/invitation/\S+", str(mail.outbox[-1].body)))
    mia.presses("Join", name="Mia", password="quiet-lantern-7-mia")
    assert "Mia" in mia.page
    ada.opens("/members/")
    ada.presses("Make admin: Mia")
    assert Membership.objects.get(user__email="mia@acme.example").is_admin
    ada.presses("Take out: Mia")
    assert not Membership.objects.filter(user__email="mia@acme.example").exists()
