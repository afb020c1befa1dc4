"""The link for who manages Greenhouse: what it shows, how often it tests, when it ends."""

from __future__ import annotations

import re
from unittest.mock import Mock

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from portal.connections import fix_mail
from portal.connections.fix_links import MOST_TESTS
from portal.connections.models import Connection, FixLink
from tests.cast import Cast
from tests.conftest import V3

LINKS = "/set-up/links/"
LACKS = {"applications.reject", "job_posts.list"}


@pytest.fixture
def connection(connect) -> Connection:
    return connect(without=LACKS)


@pytest.fixture
def link(connection: Connection, cast: Cast, sign_in) -> str:
    """The path of a link that Ada made."""
    page = sign_in(cast.ada).post(LINKS).content.decode()
    return re.search(r"(/set-up/fix/[^/<\s]+/)", page).group(1)


def _tick(sandbox: Sandbox, connection: Connection, *names: str) -> None:
    client_id = connection.credential.secrets()["client_id"]
    sandbox.credentials.find(client_id).grant(names)


def test_it_shows_what_is_missing_and_nothing_else(link: str, client: Client) -> None:
    page = client.get(link).content.decode()
    assert "harvest:applications:reject" in page
    assert "harvest:job_posts:list" in page
    assert "harvest:jobs:list" not in page
    assert "Manage Scopes" in page


def test_it_says_of_each_box_what_it_is_for(link: str, client: Client) -> None:
    page = client.get(link).content.decode()
    assert "Inbound Talent: recruiters see there the jobs that Greenhouse lets them see" in page
    assert "Lets recruiters reject an application." in page
    assert "Shows with which posts a job is advertised." in page
    assert "Shows recruiters their jobs." not in page  # that one is ticked


def test_every_use_is_a_sentence_that_needs_no_knowledge_of_the_portal() -> None:
    jargon = re.compile(r"endpoint|scope|mirror|sync|API|requisition")
    uses = [box.use for box in CATALOGUE.permissions]
    assert not [use for use in uses if not use.endswith(".") or jargon.search(use)]
    assert max(map(len, uses)) < 100


def test_it_holds_no_secret_and_its_token_is_not_stored(
    link: str, client: Client, connection: Connection
) -> None:
    page = client.get(link).content.decode()
    secrets = connection.credential.secrets()
    assert secrets["client_secret"] not in page
    assert secrets["client_id"] not in page
    assert connection.credential.last_four not in page
    token = link.split("/")[3]
    assert token not in str(FixLink.objects.values().get())


def test_it_ticks_off_what_was_ticked(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    _tick(sandbox, connection, "job_posts.list")
    client.post(link)
    work()
    boxes = {box.words: box.state for box in client.get(link).context["boxes"]}
    assert boxes == {
        "harvest:applications:reject": "missing",
        "harvest:job_posts:list": "granted",
    }
    assert FixLink.objects.get().is_open


def test_it_ends_by_itself_and_tells_the_admin_and_customer_success(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, work
) -> None:
    _tick(sandbox, connection, *LACKS)
    mail.outbox.clear()
    client.post(link)
    work()
    assert "Everything is ticked" in client.get(link).content.decode()
    assert not FixLink.objects.get().is_open
    told = {
        to
        for message in mail.outbox
        if "everything is ticked" in f"{message.subject} {message.body}"
        for to in message.to
    }
    assert told == {"ada@acme.example", "cas@portal.example", "ola@portal.example"}
    calls = len(list(sandbox.requests))
    client.post(link)
    work()
    assert len(list(sandbox.requests)) == calls  # it has ended: nothing is asked any more


def test_once_done_it_tells_nothing_of_later_and_ends_with_its_time(
    link: str, client: Client, connection: Connection, sandbox: Sandbox, sign_in, cast, later, work
) -> None:
    _tick(sandbox, connection, *LACKS)
    client.post(link)
    work()
    client_id = connection.credential.secrets()["client_id"]
    sandbox.credentials.find(client_id).remove({"applications.reject"})
    sign_in(cast.ada).post("/set-up/permissions/")
    work()
    page = client.get(link).content.decode()
    assert "Everything is ticked" in page
    assert "To tick" not in page
    assert "harvest:applications:reject" not in page
    assert "to be ticked in Greenhouse" not in page
    later(8 * 24 * 3600)
    assert client.get(link).status_code == 410


def test_testing_again_has_a_rate_and_an_end(
    link: str, client: Client, connection: Connection, later, work
) -> None:
    checks = connection.checks.count()
    client.post(link)
    again = client.post(link, follow=True)
    assert "wait ten seconds" in again.content.decode()
    work()
    assert connection.checks.count() == checks + 1
    later(11)
    client.post(link)
    work()
    assert connection.checks.count() == checks + 2
    FixLink.objects.update(tests=MOST_TESTS)
    later(11)
    assert "tested very often" in client.post(link, follow=True).content.decode()
    assert connection.checks.count() == checks + 2


def test_it_expires(link: str, client: Client, later) -> None:
    later(8 * 24 * 3600)
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410


def test_it_can_be_taken_back(link: str, client: Client, cast: Cast, sign_in) -> None:
    sign_in(cast.ada).post(f"{LINKS}{FixLink.objects.get().pk}/")
    assert client.get(link).status_code == 410


def test_a_made_up_link_shows_nothing(cast: Cast, client: Client) -> None:
    assert client.get("/set-up/fix/made-up/").status_code == 410


def test_optional_ones_are_asked_for_only_on_demand(connect, cast: Cast, sign_in) -> None:
    connect(without={"applications.reject", "offices.list"})
    ada = sign_in(cast.ada)
    ada.post(LINKS)
    ada.post(LINKS, {"optional": "yes"})
    asked = [link.permissions for link in FixLink.objects.order_by("id")]
    assert asked == [["applications.reject"], ["applications.reject", "offices.list"]]


def test_zoe_can_neither_make_nor_take_back_acmes_links(link: str, cast: Cast, sign_in) -> None:
    pk = FixLink.objects.get().pk
    zoe = sign_in(cast.zoe)
    assert zoe.post(LINKS).status_code == 302  # she has nothing connected
    assert zoe.post(f"{LINKS}{pk}/").status_code == 404
    assert sign_in(cast.remy).get(LINKS).status_code == 403
    assert FixLink.objects.get().is_open


class _KilledError(BaseException):
    """As a worker is, in the middle of what it does."""


def test_a_letter_whose_worker_was_killed_is_given_up_and_another_one_is_sent(
    connection: Connection, cast: Cast, sign_in, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = reverse("admin:accounts_organization_fix_link", args=[cast.ada.organization_id])
    colleague = {"send": "yes", "to": "ada@acme.example"}
    cas = sign_in(cast.cas)
    cas.post(desk, colleague)
    later(3600)  # the workers were busy
    with monkeypatch.context() as patched:
        patched.setattr(fix_mail, "send_mail", Mock(side_effect=_KilledError))
        with pytest.raises(_KilledError):
            work()
    fix_mail.sweep()
    assert "waiting to be sent" in cas.get(desk).content.decode()  # it may still be at it
    later(fix_mail.GIVEN_UP_AFTER.total_seconds() + 1)
    fix_mail.sweep()
    assert "the mail could not be sent" in cas.get(desk).content.decode()
    assert FixLink.objects.get().link == ""
    mail.outbox.clear()
    cas.post(desk, colleague)
    work()
    letters = [one for one in mail.outbox if "to tick in Greenhouse" in one.subject]
    assert [letter.to for letter in letters] == [["ada@acme.example"]]


def test_nothing_missing_makes_no_link(connect, cast: Cast, sign_in) -> None:
    connect()
    page = sign_in(cast.ada).post(LINKS).content.decode()
    assert "nothing to ask your colleague for" in page
    assert not FixLink.objects.exists()
    assert V3["client_secret"] not in page
