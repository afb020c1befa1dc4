"""Setup without JavaScript: every step works by the page's own forms and links."""

from __future__ import annotations

import re

import pytest
from django.core import mail

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.members.models import Invitation
from portal.sync.models import AtsUser
from tests.conftest import V3
from tests.personas import Personas
from tests.scriptless_browser import ScriptlessBrowser

MISSING = {"applications.reject", "job_posts.list"}


def _find_text(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[0]


def test_setup_completed_without_scripts(personas: Personas, sandbox: Sandbox, run_tasks) -> None:
    ada = ScriptlessBrowser(personas.ada)
    ada.open_path("/setup/")
    ada.press_button("Continue", ready=["site_admin", "same_email"])
    ada.press_button("Test and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    assert ada.path == "/setup/permissions/"
    assert "Reload this page" in ada.page
    run_tasks()
    ada.open_path(ada.path)
    ada.press_button("Test all again")
    run_tasks()
    ada.open_path(ada.path)
    assert "All permissions granted" in ada.page
    ada.follow_link("Continue")
    ada.press_button("Continue")
    assert ada.path == "/setup/live/"
    ada.press_button("Pause")
    assert "The connection is paused" in ada.page
    ada.press_button("Resume")
    run_tasks()
    assert Connection.objects.get(organization=personas.ada.organization).state == "live"


def test_fix_link_lifecycle_without_scripts(
    connect, personas: Personas, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    connection = connect(without=MISSING)
    ada, colleague = ScriptlessBrowser(personas.ada), ScriptlessBrowser()
    ada.open_path("/setup/fix-links/")
    ada.press_button("Create link to copy")
    link = _find_text(r"/setup/fix/[^/<\s]+/", ada.page)
    colleague.open_path(link)
    assert "Lets recruiters reject an application." in colleague.page
    client_id = connection.credential.get_secrets()["client_id"]
    sandbox.credentials.find_credential(client_id).grant_permissions({"job_posts.list"})
    colleague.press_button("Test again")
    run_tasks()
    colleague.open_path(link)
    assert "1 of 2 granted" in colleague.page
    sandbox.credentials.find_credential(client_id).grant_permissions(MISSING)
    advance_clock(11)
    colleague.press_button("Test again")
    run_tasks()
    colleague.open_path(link)
    assert "All permissions granted" in colleague.page

    sandbox.credentials.find_credential(client_id).remove_permissions(MISSING)
    ada.open_path("/setup/permissions/")
    ada.press_button("Test all again")
    run_tasks()
    ada.open_path("/setup/fix-links/")
    ada.press_button("Create link to copy")
    link = _find_text(r"/setup/fix/[^/<\s]+/", ada.page)
    ada.press_button("Revoke link 1")
    assert "Link revoked." in ada.page
    assert colleague.client.get(link).status_code == 410


@pytest.mark.parametrize("decision", ["Delete old credential", "Roll back"])
def test_credential_changed_without_scripts(
    connect, personas: Personas, run_tasks, decision: str
) -> None:
    connection = connect("harvest_key")
    ada = ScriptlessBrowser(personas.ada)
    ada.open_path("/setup/live/")
    ada.follow_link("Change credential")
    ada.follow_link("Harvest v3")
    ada.press_button("Test and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    assert ada.path == "/setup/rotation/"
    ada.open_path(ada.path)
    assert "Reload this page" in ada.page
    run_tasks()
    ada.open_path(ada.path)
    ada.press_button("Switch to new credential")
    ada.press_button(decision)
    kind = "harvest_key" if decision == "Roll back" else "harvest_oauth"
    assert connection.credential.kind == kind


def test_new_credential_discarded_without_scripts(connect, personas: Personas, run_tasks) -> None:
    connection = connect("harvest_key")
    ada = ScriptlessBrowser(personas.ada)
    ada.open_path("/setup/credential/?kind=harvest_oauth")
    ada.press_button("Test and save", client_id=V3["client_id"], client_secret=V3["client_secret"])
    run_tasks()
    ada.open_path(ada.path)
    ada.press_button("Discard new credential")
    assert connection.credential.kind == "harvest_key"
    assert set(connection.credentials.values_list("state", flat=True)) == {"in_use", "deleted"}


def test_people_invited_and_revoked_without_scripts(connect, personas: Personas, run_tasks) -> None:
    connect()
    ada = ScriptlessBrowser(personas.ada)
    ada.open_path("/setup/people/")
    user = AtsUser.objects.get(primary_email="m.moss@acme.example")
    ada.press_button("Invite selected", user=[str(user.pk)])
    assert "1 invitation sent." in ada.page
    run_tasks()
    ada.follow_link("Manage members")
    ada.press_button("Revoke invitation to m.moss@acme.example")
    assert not Invitation.objects.get().is_open


def test_member_lifecycle_without_scripts(personas: Personas, run_tasks) -> None:
    ada, mia = ScriptlessBrowser(personas.ada), ScriptlessBrowser()
    ada.open_path("/members/")
    ada.press_button("Send invitation", email="mia@acme.example", role="recruiter")
    run_tasks()
    mia.open_path(_find_text(r"/invitation/\S+", str(mail.outbox[-1].body)))
    mia.press_button("Join Acme", name="Mia", password="quiet-lantern-7-mia")
    assert "Mia" in mia.page
    ada.open_path("/members/")
    ada.press_button("Make admin: Mia")
    assert Membership.objects.get(user__email="mia@acme.example").is_admin
    ada.press_button("Remove Mia")
    assert not Membership.objects.filter(user__email="mia@acme.example").exists()
