"""Whose name an action carries in Greenhouse when the connection uses OAuth consent."""

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
from tests.connected import as_if
from tests.portal.applications.clicking import click
from tests.portal.consents import BACK, go_through, switch_on

ACTING, TAKE_BACK = "/account/greenhouse/", "/account/greenhouse/take-back/"


@pytest.fixture
def ada(cast: Cast, sandbox: Sandbox, settings, sign_in, work) -> Client:
    """Acme's admin; Acme is connected by OAuth consent."""
    switch_on(settings)

    def consent() -> None:
        go_through(sign_in(cast.ada), sandbox)
        work()

    as_if(consent, {"kind": "consent", "who": "ada"}, sandbox)
    return sign_in(cast.ada)


@pytest.fixture
def sam(ada: Client, cast: Cast, sign_in) -> Client:
    """A recruiter who sees every requisition."""
    return sign_in(cast.sam)


def _find_movable() -> Application:
    return Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    ).first()  # fmt: skip


def _get_job_page(browser: Client, application: Application) -> str:
    return browser.get(f"/requisitions/{application.job_id}/").content.decode()


def _acting_users(sandbox: Sandbox) -> list[int | None]:
    return [e.acting_user for e in sandbox.requests if e.path.endswith("/move")]


def _consent(browser: Client, sandbox: Sandbox, who: str, **more: object):
    return go_through(browser, sandbox, start=ACTING, who=who, **more)


def test_actions_need_personal_consent(sam: Client, sandbox: Sandbox, work) -> None:
    application = _find_movable()
    page = _get_job_page(sam, application)
    assert "Agree in Greenhouse first" in page
    assert page.count(f'href="{ACTING}">Act in Greenhouse as yourself') == 1  # above all rows
    assert click(sam, "advance", application).status_code == 403
    form = sam.get(f"/applications/{application.pk}/reject/").content.decode()
    assert f'href="{ACTING}"' in form
    work()
    assert _acting_users(sandbox) == []


def test_consented_action_sent_in_own_name(sam: Client, cast: Cast, sandbox: Sandbox, work) -> None:
    response = _consent(sam, sandbox, "sam")
    assert (response.status_code, response.url) == (302, ACTING)
    assert "The portal acts as you" in sam.get(ACTING).content.decode()
    assert click(sam, "advance", _find_movable()).status_code in (200, 302)
    work()
    assert _acting_users(sandbox) == [sandbox.world().user("sam").id]
    action = ApplicationAction.objects.get()
    assert (action.status, action.as_service_account) == ("done", False)
    consent = Consent.objects.get(membership=cast.sam)
    assert all(not scope.endswith(":list") for scope in consent.scopes)


@pytest.mark.parametrize(
    "options",
    [{"who": "ada"}, {"who": "ada", "service_account": True}, {"who": "zoe", "account": "other"}],
)
def test_consent_by_another_user_discarded(sam: Client, sandbox: Sandbox, options) -> None:
    before = Consent.objects.count()
    response = go_through(sam, sandbox, start=ACTING, **options)
    assert response.url == ACTING
    assert "That was not you" in sam.get(ACTING).content.decode()
    assert Consent.objects.count() == before
    # A service account's consent is not revoked: the connection's own belongs to the same user.
    endings = [row.ended for row in sandbox.consents.rows.values()]
    assert (endings[-1] == "revoked by the partner") is not options.get("service_account", False)
    assert endings[0] == ""


def test_consent_refusal_and_bad_callback_reported(sam: Client, sandbox: Sandbox) -> None:
    _consent(sam, sandbox, "sam", decision="cancel")
    assert "You did not agree in Greenhouse" in sam.get(ACTING).content.decode()
    assert sam.get(f"{BACK}?state=x&code=y").url == ACTING
    assert "does not belong to you" in sam.get(ACTING).content.decode()


def test_consent_withdrawal_revokes_in_greenhouse(
    sam: Client, cast: Cast, sandbox: Sandbox
) -> None:
    _consent(sam, sandbox, "sam")
    sam.post(TAKE_BACK)
    consent = Consent.objects.get(membership=cast.sam)
    assert (consent.state, consent.refresh_token) == ("ended", "")
    assert list(sandbox.consents.rows.values())[-1].ended == "revoked by the partner"
    assert "Agree in Greenhouse first" in _get_job_page(sam, _find_movable())
    assert Entry.objects.filter(verb="consent.taken_back").exists()


def test_repeated_consent_keeps_one_grant(sam: Client, cast: Cast, sandbox: Sandbox) -> None:
    _consent(sam, sandbox, "sam")
    _consent(sam, sandbox, "sam")
    active_consents = Consent.objects.filter(membership=cast.sam, state="living")
    assert active_consents.count() == 1
    assert [row.ended for row in sandbox.consents.living("acme", active_consents.get().subject)][
        -1
    ] == ""


def test_service_account_acting_is_disclosed(
    ada: Client, sam: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    assert sam.post("/set-up/acting/", {"allowed": "yes"}).status_code == 403
    ada.post("/set-up/acting/", {"allowed": "yes"})
    application = _find_movable()
    page = _get_job_page(sam, application)
    assert "Advance as the service account" in page
    assert "shows the service account’s name, not yours" in page
    click(sam, "advance", application)
    work()
    (writer,) = _acting_users(sandbox)
    assert sandbox.world().users[writer or 0].service_account
    action = ApplicationAction.objects.get()
    assert action.as_service_account
    assert action.outcome.endswith("as the service account.")
    entry = Entry.objects.get(verb="action.service_account")
    assert (entry.by, "as the service account" in entry.words) == (cast.sam.user, True)
    advanced = Entry.objects.get(verb="application.advanced")
    assert advanced.words.endswith("in Greenhouse, as the service account")
    ada.post("/set-up/acting/", {"allowed": "no"})
    assert "Agree in Greenhouse first" in _get_job_page(sam, _find_movable())


def test_service_account_refusal_not_blamed_on_person(
    ada: Client, sam: Client, sandbox: Sandbox, work
) -> None:
    ada.post("/set-up/acting/", {"allowed": "yes"})
    sandbox.faults.add(
        regex=r"/move$", method="POST", status=403, body={"message": "Access Denied"}
    )
    click(sam, "advance", _find_movable())
    work()
    action = ApplicationAction.objects.get()
    assert action.status == "refused"
    assert "does not let the service account do this" in action.outcome
    assert "It says: Access Denied" in action.outcome
    issue = Issue.objects.get(cause=Issue.Cause.ACTING_USER_REFUSED)
    assert issue.title == "Greenhouse does not let the service account “Advance”"
    assert "in the name of" not in issue.words
    assert not LearnedRefusal.objects.exists()
    sandbox.faults.clear()
    click(sam, "advance", _find_movable())
    work()
    issue.refresh_from_db()
    assert issue.closed_at


def test_lost_response_attributed_to_service_account(
    ada: Client, sam: Client, sandbox: Sandbox, work, later
) -> None:
    ada.post("/set-up/acting/", {"allowed": "yes"})
    sandbox.faults.add(regex=r"/move$", method="POST", kind="drop_after", times=1)
    click(sam, "advance", _find_movable())
    work()
    later(40)
    outbox.release()
    work()
    action = ApplicationAction.objects.get()
    assert action.status == "done"
    assert action.outcome.endswith(", as the service account.")
    assert Entry.objects.filter(verb="action.service_account").count() == 1


def test_consent_revoked_in_greenhouse_notifies_person(
    sam: Client, cast: Cast, sandbox: Sandbox, later, work
) -> None:
    _consent(sam, sandbox, "sam")
    sandbox.withdraw(user="sam")
    later(7 * 3600)
    renewal.renew_due()
    work()
    assert Consent.objects.get(membership=cast.sam).state == "ended"
    notice = Notice.objects.get(key__startswith="consent-lost:")
    assert notice.to == cast.sam.user
    connection = Connection.objects.get(organization=cast.sam.organization)
    assert connection.state == Connection.State.LIVE


def test_unmatched_member_cannot_consent(ada: Client, cast: Cast, sign_in) -> None:
    uma = sign_in(cast.uma)
    assert "does not know you by your address" in uma.get(ACTING).content.decode()
    assert uma.post(ACTING).url == ACTING


def test_consent_not_needed_with_other_credentials(connect, cast: Cast, sign_in, settings) -> None:
    connect()
    assert sign_in(cast.sam).get(ACTING).status_code == 404
    switch_on(settings)
    page = sign_in(cast.sam).get(ACTING).content.decode()
    assert "There is nothing to do" in page
    assert "Agree in Greenhouse first" not in _get_job_page(sign_in(cast.sam), _find_movable())
