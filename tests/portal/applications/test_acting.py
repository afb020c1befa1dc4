"""In whose name a click reaches Greenhouse, where the connection is a consent."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.audit.models import Entry
from portal.connections import renewal
from portal.connections.models import Connection, Consent
from portal.issues.models import Issue
from portal.mirror.models import Application
from portal.notices.models import Notice
from tests.cast import Cast
from tests.portal.applications.clicking import click
from tests.portal.consents import BACK, go_through, switch_on

ACTING, TAKE_BACK = "/account/greenhouse/", "/account/greenhouse/take-back/"


@pytest.fixture
def ada(cast: Cast, sandbox: Sandbox, settings, sign_in, work) -> Client:
    """Acme's admin; Acme is live by consent."""
    switch_on(settings)
    browser = sign_in(cast.ada)
    go_through(browser, sandbox)
    work()
    return browser


@pytest.fixture
def sam(ada: Client, cast: Cast, sign_in) -> Client:
    """A recruiter who sees every requisition."""
    return sign_in(cast.sam)


def _movable() -> Application:
    return Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    ).first()  # fmt: skip


def _page_of(browser: Client, application: Application) -> str:
    return browser.get(f"/requisitions/{application.job_id}/").content.decode()


def _writers(sandbox: Sandbox) -> list[int | None]:
    return [e.acting_user for e in sandbox.requests if e.path.endswith("/move")]


def _agrees(browser: Client, sandbox: Sandbox, who: str, **more: object):
    return go_through(browser, sandbox, start=ACTING, who=who, **more)


def test_until_they_agree_the_buttons_say_what_to_do(sam: Client, sandbox: Sandbox, work) -> None:
    one = _movable()
    page = _page_of(sam, one)
    assert "Agree in Greenhouse first" in page
    assert page.count(f'href="{ACTING}">Act in Greenhouse as yourself') == 1  # above all rows
    assert click(sam, "advance", one).status_code == 403
    form = sam.get(f"/applications/{one.pk}/reject/").content.decode()
    assert f'href="{ACTING}"' in form
    work()
    assert _writers(sandbox) == []


def test_once_agreed_it_goes_out_in_their_own_name(
    sam: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    answer = _agrees(sam, sandbox, "sam")
    assert (answer.status_code, answer.url) == (302, ACTING)
    assert "The portal acts as you" in sam.get(ACTING).content.decode()
    assert click(sam, "advance", _movable()).status_code in (200, 302)
    work()
    assert _writers(sandbox) == [sandbox.world().user("sam").id]
    action = ApplicationAction.objects.get()
    assert (action.status, action.as_service_account) == ("done", False)
    consent = Consent.objects.get(membership=cast.sam)
    assert all(not scope.endswith(":list") for scope in consent.scopes)


@pytest.mark.parametrize(
    "more",
    [{"who": "ada"}, {"who": "ada", "service_account": True}, {"who": "zoe", "account": "other"}],
)
def test_agreeing_as_somebody_else_is_not_kept(sam: Client, sandbox: Sandbox, more) -> None:
    before = Consent.objects.count()
    answer = go_through(sam, sandbox, start=ACTING, **more)
    assert answer.url == ACTING
    assert "That was not you" in sam.get(ACTING).content.decode()
    assert Consent.objects.count() == before
    # The service account's is left to end by itself: the connection's own is of the same user.
    ended = [row.ended for row in sandbox.consents.rows.values()]
    assert (ended[-1] == "revoked by the partner") is not more.get("service_account", False)
    assert ended[0] == ""


def test_refusing_and_strange_answers_are_told_to_them(sam: Client, sandbox: Sandbox) -> None:
    _agrees(sam, sandbox, "sam", decision="cancel")
    assert "You did not agree in Greenhouse" in sam.get(ACTING).content.decode()
    assert sam.get(f"{BACK}?state=x&code=y").url == ACTING
    assert "does not belong to you" in sam.get(ACTING).content.decode()


def test_taking_it_back_ends_it_there_too(sam: Client, cast: Cast, sandbox: Sandbox) -> None:
    _agrees(sam, sandbox, "sam")
    sam.post(TAKE_BACK)
    consent = Consent.objects.get(membership=cast.sam)
    assert (consent.state, consent.refresh_token) == ("ended", "")
    assert list(sandbox.consents.rows.values())[-1].ended == "revoked by the partner"
    assert "Agree in Greenhouse first" in _page_of(sam, _movable())
    assert Entry.objects.filter(verb="consent.taken_back").exists()


def test_agreeing_again_keeps_one(sam: Client, cast: Cast, sandbox: Sandbox) -> None:
    _agrees(sam, sandbox, "sam")
    _agrees(sam, sandbox, "sam")
    living = Consent.objects.filter(membership=cast.sam, state="living")
    assert living.count() == 1
    assert [row.ended for row in sandbox.consents.living("acme", living.get().subject)][-1] == ""


def test_the_admin_may_let_the_service_account_act_and_it_is_named(
    ada: Client, sam: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    assert sam.post("/set-up/acting/", {"allowed": "yes"}).status_code == 403
    ada.post("/set-up/acting/", {"allowed": "yes"})
    one = _movable()
    page = _page_of(sam, one)
    assert "Advance as the service account" in page
    assert "shows the service account’s name, not yours" in page
    click(sam, "advance", one)
    work()
    (writer,) = _writers(sandbox)
    assert sandbox.world().users[writer or 0].service_account
    action = ApplicationAction.objects.get()
    assert action.as_service_account
    assert action.outcome.endswith("as the service account.")
    entry = Entry.objects.get(verb="action.service_account")
    assert (entry.by, "as the service account" in entry.words) == (cast.sam.user, True)
    done = Entry.objects.get(verb="application.advanced")
    assert done.words.endswith("in Greenhouse, as the service account")
    ada.post("/set-up/acting/", {"allowed": "no"})
    assert "Agree in Greenhouse first" in _page_of(sam, _movable())


def test_what_greenhouse_refuses_to_the_service_account_is_not_blamed_on_the_person(
    ada: Client, sam: Client, sandbox: Sandbox, work
) -> None:
    ada.post("/set-up/acting/", {"allowed": "yes"})
    sandbox.faults.add(
        regex=r"/move$", method="POST", status=403, body={"message": "Access Denied"}
    )
    click(sam, "advance", _movable())
    work()
    refused = ApplicationAction.objects.get()
    assert refused.status == "refused"
    assert "does not let the service account do this" in refused.outcome
    assert "It says: Access Denied" in refused.outcome
    issue = Issue.objects.get(cause=Issue.Cause.ACTING_USER_REFUSED)
    assert issue.title == "Greenhouse does not let the service account “Advance”"
    assert "in the name of" not in issue.words
    assert not LearnedRefusal.objects.exists()
    sandbox.faults.clear()
    click(sam, "advance", _movable())
    work()
    issue.refresh_from_db()
    assert issue.closed_at


def test_an_answer_that_was_lost_is_told_and_logged_as_the_service_account_s_too(
    ada: Client, sam: Client, sandbox: Sandbox, work, later
) -> None:
    ada.post("/set-up/acting/", {"allowed": "yes"})
    sandbox.faults.add(regex=r"/move$", method="POST", kind="drop_after", times=1)
    click(sam, "advance", _movable())
    work()
    later(40)
    outbox.release()
    work()
    done = ApplicationAction.objects.get()
    assert done.status == "done"
    assert done.outcome.endswith(", as the service account.")
    assert Entry.objects.filter(verb="action.service_account").count() == 1


def test_a_consent_taken_back_in_greenhouse_is_told_to_its_person(
    sam: Client, cast: Cast, sandbox: Sandbox, later, work
) -> None:
    _agrees(sam, sandbox, "sam")
    sandbox.withdraw(user="sam")
    later(7 * 3600)
    renewal.renew_due()
    work()
    assert Consent.objects.get(membership=cast.sam).state == "ended"
    notice = Notice.objects.get(key__startswith="consent-lost:")
    assert notice.to == cast.sam.user
    connection = Connection.objects.get(organization=cast.sam.organization)
    assert connection.state == Connection.State.LIVE


def test_who_is_not_matched_is_told_and_sent_nowhere(ada: Client, cast: Cast, sign_in) -> None:
    uma = sign_in(cast.uma)
    assert "does not know you by your address" in uma.get(ACTING).content.decode()
    assert uma.post(ACTING).url == ACTING


def test_with_other_credentials_there_is_nothing_to_do(
    connect, cast: Cast, sign_in, settings
) -> None:
    connect()
    assert sign_in(cast.sam).get(ACTING).status_code == 404
    switch_on(settings)
    page = sign_in(cast.sam).get(ACTING).content.decode()
    assert "There is nothing to do" in page
    assert "Agree in Greenhouse first" not in _page_of(sign_in(cast.sam), _movable())
