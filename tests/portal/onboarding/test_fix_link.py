"""Fix links for the Greenhouse admin: what they show, their rate limit and their end."""

from __future__ import annotations

import re
from unittest.mock import Mock

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import ApiCall, Connection, FixLink
from portal.connections.permissions import fix_link_email
from portal.connections.permissions.fix_links import MAX_TESTS
from portal.core.models import Transition
from portal.notifications import delivery, message_queue
from tests.conftest import V3
from tests.personas import Personas

LINKS = "/setup/fix-links/"
MISSING = {"applications.reject", "job_posts.list"}


@pytest.fixture
def connection(connect) -> Connection:
    return connect(without=MISSING)


@pytest.fixture
def link(connection: Connection, personas: Personas, sign_in) -> str:
    """The path of a link made by Ada."""
    page = sign_in(personas.ada).post(LINKS).content.decode()
    return re.search(r"(/setup/fix/[^/<\s]+/)", page).group(1)


def _grant(sandbox: Sandbox, connection: Connection, *names: str) -> None:
    client_id = connection.credential.get_secrets()["client_id"]
    sandbox.credentials.find_credential(client_id).grant_permissions(names)


def test_link_shows_only_missing_permissions(link: str, client: Client) -> None:
    page = client.get(link).content.decode()
    assert "harvest:applications:reject" in page
    assert "harvest:job_posts:list" in page
    assert "harvest:jobs:list" not in page
    assert "Manage Scopes" in page


def test_v3_link_has_one_list_of_scopes_to_copy(link: str, client: Client) -> None:
    page = client.get(link).content.decode()
    assert re.findall(r'<h2 class="h3" id="group-\d+">([^<]+)', page) == ["Scopes"]
    copied = re.search(r'<pre id="to-select">([^<]+)</pre>', page).group(1)
    assert copied == "harvest:applications:reject\nharvest:job_posts:list"


def test_v1_link_has_groups_and_a_list(
    connect, client: Client, personas: Personas, sign_in
) -> None:
    connect("harvest_key", without=MISSING)
    created = sign_in(personas.ada).post(LINKS).content.decode()
    page = client.get(re.search(r"(/setup/fix/[^/<\s]+/)", created).group(1)).content.decode()
    groups = re.findall(r'<h2 class="h3" id="group-\d+">([^<]+)', page)
    assert groups == ["Applications", "Job Posts"]
    copied = re.search(r'<pre id="to-select">([^<]+)</pre>', page).group(1)
    assert [line.partition(" › ")[0] for line in copied.splitlines()] == groups


def test_link_explains_each_permission(link: str, client: Client) -> None:
    page = client.get(link).content.decode()
    assert "use Inbound Talent to see their Greenhouse jobs and work on applications" in page
    assert "Lets recruiters reject an application." in page
    assert "Shows which job posts advertise a job." in page
    assert "Shows recruiters their jobs. Nothing works without it." not in page  # already granted


def test_catalog_uses_are_plain_sentences() -> None:
    jargon = re.compile(r"endpoint|scope|mirror|sync|API|requisition")
    uses = [permission.purpose for permission in CATALOGUE.permissions]
    assert not [text for text in uses if not text.endswith(".") or jargon.search(text)]
    assert max(map(len, uses)) < 100


def test_link_page_and_row_hold_no_secret(
    link: str, client: Client, connection: Connection
) -> None:
    page = client.get(link).content.decode()
    secrets = connection.credential.get_secrets()
    assert secrets["client_secret"] not in page
    assert secrets["client_id"] not in page
    assert connection.credential.last_four not in page
    token = link.split("/")[3]
    assert token not in str(FixLink.objects.values().get())


def test_link_marks_granted_permissions(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    _grant(sandbox, connection, "job_posts.list")
    client.post(link)
    run_tasks()
    boxes = {box.label: box.state for box in client.get(link).context["checkboxes"]}
    assert boxes == {
        "harvest:applications:reject": "missing",
        "harvest:job_posts:list": "granted",
    }
    assert FixLink.objects.get().is_open


def test_complete_link_closes_and_mails_admins(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    _grant(sandbox, connection, *MISSING)
    mail.outbox.clear()
    client.post(link)
    run_tasks()
    assert "All permissions granted" in client.get(link).content.decode()
    assert not FixLink.objects.get().is_open
    recipients = {
        to
        for message in mail.outbox
        if "Requested Greenhouse permissions granted" in f"{message.subject} {message.body}"
        for to in message.to
    }
    assert recipients == {"ada@acme.example"}
    requests_before = len(list(sandbox.requests))
    client.post(link)
    run_tasks()
    assert len(list(sandbox.requests)) == requests_before  # the link is closed


def test_closed_link_reveals_no_later_changes(
    link: str,
    client: Client,
    connection: Connection,
    sandbox: Sandbox,
    sign_in,
    personas,
    advance_clock,
    run_tasks,
) -> None:
    _grant(sandbox, connection, *MISSING)
    client.post(link)
    run_tasks()
    client_id = connection.credential.get_secrets()["client_id"]
    sandbox.credentials.find_credential(client_id).remove_permissions({"applications.reject"})
    sign_in(personas.ada).post("/setup/permissions/")
    run_tasks()
    page = client.get(link).content.decode()
    assert "All permissions granted" in page
    assert "Missing" not in page
    assert "harvest:applications:reject" not in page
    assert "to be ticked in Greenhouse" not in page
    advance_clock(8 * 24 * 3600)
    assert client.get(link).status_code == 410


def test_retesting_is_rate_limited_and_bounded(
    link: str, client: Client, connection: Connection, advance_clock, run_tasks
) -> None:
    checks = connection.checks.count()
    client.post(link)
    again = client.post(link, follow=True)
    assert "Wait 10 seconds" in again.content.decode()
    run_tasks()
    assert connection.checks.count() == checks + 1
    advance_clock(11)
    client.post(link)
    run_tasks()
    assert connection.checks.count() == checks + 2
    FixLink.objects.update(test_count=MAX_TESTS)
    advance_clock(11)
    assert "tested too often" in client.post(link, follow=True).content.decode()
    assert connection.checks.count() == checks + 2


def test_link_expires_after_a_week(link: str, client: Client, advance_clock) -> None:
    advance_clock(8 * 24 * 3600)
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410


def _poll(link: str, client: Client, run_tasks) -> None:
    """What an open page sends by itself."""
    client.post(link, {"polling": "yes"}, HTTP_HX_REQUEST="true")
    run_tasks()


def test_automatic_test_without_change_leaves_no_trace(
    link: str, client: Client, connection: Connection, advance_clock, run_tasks
) -> None:
    checks, transitions = connection.checks.count(), Transition.objects.count()
    requests = ApiCall.objects.count()
    for _ in range(3):
        _poll(link, client, run_tasks)
        advance_clock(15)
    assert ApiCall.objects.count() > requests
    assert (connection.checks.count(), Transition.objects.count()) == (checks, transitions)
    assert FixLink.objects.get().test_count == 3


def test_automatic_test_finds_granted_permission(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    _grant(sandbox, connection, *MISSING)
    states = Transition.objects.filter(subject="connections.connection", new="checking")
    before = states.count()
    _poll(link, client, run_tasks)
    assert "All permissions granted" in client.get(link).content.decode()
    assert states.count() == before


def test_opened_page_tests_at_once(link: str, client: Client) -> None:
    assert "load delay:1s" in client.get(link).content.decode()


def test_test_again_answers_with_time_and_count(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, run_tasks
) -> None:
    assert "test-result" not in client.get(link).content.decode()
    _grant(sandbox, connection, "job_posts.list")
    client.post(link)
    run_tasks()
    page = client.get(link).content.decode()
    assert "1 of 2 granted" in page
    assert f'datetime="{connection.last_check.finished_at.isoformat()}"' in page


def test_page_names_who_created_the_link(link: str, client: Client, personas: Personas) -> None:
    assert "Ask Ada" in client.get(link).content.decode()
    FixLink.objects.update(created_by=personas.cas)
    page = client.get(link).content.decode()
    assert "Ada" in page
    assert "Cas" not in page


def test_admin_emails_link(connection: Connection, personas: Personas, sign_in, run_tasks) -> None:
    ada = sign_in(personas.ada)
    mail.outbox.clear()
    assert ada.post(LINKS, {"send": "yes", "email": "gia"}).status_code == 422
    preview = ada.get(LINKS).context["email"].text
    assert ada.post(LINKS, {"send": "yes", "email": "gia@acme.example"}).url == LINKS
    run_tasks()
    [letter] = mail.outbox
    assert letter.to == ["gia@acme.example"]
    assert letter.body.splitlines()[:4] == preview.splitlines()[:4]
    assert "sent to gia@acme.example" in ada.get(LINKS).content.decode()


def test_link_can_be_revoked(link: str, client: Client, personas: Personas, sign_in) -> None:
    sign_in(personas.ada).post(f"{LINKS}{FixLink.objects.get().pk}/")
    assert client.get(link).status_code == 410


def test_unknown_token_shows_nothing(personas: Personas, client: Client) -> None:
    assert client.get("/setup/fix/made-up/").status_code == 410


def test_optional_permissions_included_on_request(connect, personas: Personas, sign_in) -> None:
    connect(without={"applications.reject", "offices.list"})
    ada = sign_in(personas.ada)
    ada.post(LINKS)
    ada.post(LINKS, {"optional": "yes"})
    permissions = [link.permissions for link in FixLink.objects.order_by("id")]
    assert permissions == [["applications.reject"], ["applications.reject", "offices.list"]]


def test_other_customers_cannot_manage_links(link: str, personas: Personas, sign_in) -> None:
    pk = FixLink.objects.get().pk
    zoe = sign_in(personas.zoe)
    assert zoe.post(LINKS).status_code == 302  # Zoe's organization has no connection
    assert zoe.post(f"{LINKS}{pk}/").status_code == 404
    assert sign_in(personas.remy).get(LINKS).status_code == 403
    assert FixLink.objects.get().is_open


class _KilledError(BaseException):
    """Stands for a killed worker."""


def test_interrupted_mail_fails_and_can_be_resent(
    connection: Connection,
    personas: Personas,
    sign_in,
    run_tasks,
    advance_clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = reverse("admin:accounts_organization_fix_link", args=[personas.ada.organization_id])
    form = {"send": "yes", "to": "ada@acme.example"}
    cas = sign_in(personas.cas)
    cas.post(page, form)
    advance_clock(3600)  # the mail was queued for an hour
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "send_email", Mock(side_effect=_KilledError))
        with pytest.raises(_KilledError):
            run_tasks()
    fix_link_email.MESSAGES.recover_lost()
    assert "waiting to be sent" in cas.get(page).content.decode()  # the worker may still be running
    advance_clock(message_queue.GIVE_UP_AFTER.total_seconds() + 1)
    fix_link_email.MESSAGES.recover_lost()
    assert "email not sent" in cas.get(page).content.decode()
    assert FixLink.objects.get().token == ""
    mail.outbox.clear()
    cas.post(page, form)
    run_tasks()
    mails = [message for message in mail.outbox if "to grant" in message.subject]
    assert [letter.to for letter in mails] == [["ada@acme.example"]]


def test_no_link_without_missing_permissions(connect, personas: Personas, sign_in) -> None:
    connect()
    page = sign_in(personas.ada).post(LINKS).content.decode()
    assert "nothing to ask your colleague for" in page
    assert not FixLink.objects.exists()
    assert V3["client_secret"] not in page
