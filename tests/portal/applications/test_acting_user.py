"""Whose name an action carries in Greenhouse when the connection uses OAuth consent."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.audit.models import Entry
from portal.connections.models import Connection, Consent
from portal.connections.oauth import renewal
from portal.issues.models import Issue
from portal.notifications.models import Notification
from portal.sync.models import Application
from tests.personas import Personas
from tests.portal.applications.action_helpers import submit_action
from tests.portal.consent_flow import CALLBACK_URL, complete_authorization, enable_oauth_app
from tests.setup_cache import run_or_replay

ACTING, REVOKE = "/account/greenhouse/", "/account/greenhouse/revoke/"


@pytest.fixture
def ada(personas: Personas, sandbox: Sandbox, settings, sign_in, run_tasks) -> Client:
    """Acme's admin; Acme is connected by OAuth consent."""
    enable_oauth_app(settings)

    def consent() -> None:
        complete_authorization(sign_in(personas.ada), sandbox)
        run_tasks()

    run_or_replay(consent, {"kind": "consent", "who": "ada"}, sandbox)
    return sign_in(personas.ada)


@pytest.fixture
def sam(ada: Client, personas: Personas, sign_in) -> Client:
    """A recruiter who sees every requisition."""
    return sign_in(personas.sam)


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
    return complete_authorization(browser, sandbox, start=ACTING, who=who, **more)


def test_actions_need_personal_consent(sam: Client, sandbox: Sandbox, run_tasks) -> None:
    application = _find_movable()
    page = _get_job_page(sam, application)
    assert "First authorize this portal in Greenhouse" in page
    assert page.count(f'href="{ACTING}">Authorize in Greenhouse') == 1  # above all rows
    assert submit_action(sam, "advance", application).status_code == 403
    form = sam.get(f"/applications/{application.pk}/reject/").content.decode()
    assert f'href="{ACTING}"' in form
    run_tasks()
    assert _acting_users(sandbox) == []


def test_consented_action_sent_in_own_name(
    sam: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    response = _consent(sam, sandbox, "sam")
    assert (response.status_code, response.url) == (302, ACTING)
    assert "You're authorized" in sam.get(ACTING).content.decode()
    assert submit_action(sam, "advance", _find_movable()).status_code in (200, 302)
    run_tasks()
    assert _acting_users(sandbox) == [sandbox.dataset().find_user("sam").id]
    action = ApplicationAction.objects.get()
    assert (action.status, action.as_service_account) == ("done", False)
    consent = Consent.objects.get(membership=personas.sam)
    assert all(not scope.endswith(":list") for scope in consent.scopes)


@pytest.mark.parametrize(
    "options",
    [{"who": "ada"}, {"who": "ada", "service_account": True}, {"who": "zoe", "account": "other"}],
)
def test_consent_by_another_user_discarded(
    sam: Client, sandbox: Sandbox, run_tasks, options
) -> None:
    before = Consent.objects.count()
    response = complete_authorization(sam, sandbox, start=ACTING, **options)
    assert response.url == ACTING
    assert "Authorized as someone else" in sam.get(ACTING).content.decode()
    assert Consent.objects.count() == before
    run_tasks()
    # A service account's consent is not revoked: the connection's own belongs to the same user.
    run_tasks()
    endings = [row.ended_reason for row in sandbox.consents.rows.values()]
    assert (endings[-1] == "revoked by the partner") is not options.get("service_account", False)
    assert endings[0] == ""


def test_consent_refusal_and_bad_callback_reported(sam: Client, sandbox: Sandbox) -> None:
    _consent(sam, sandbox, "sam", decision="cancel")
    assert "Authorization was canceled" in sam.get(ACTING).content.decode()
    assert sam.get(f"{CALLBACK_URL}?state=x&code=y").url == ACTING
    assert "This authorization was already used" in sam.get(ACTING).content.decode()


def test_consent_withdrawal_revokes_in_greenhouse(
    sam: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    _consent(sam, sandbox, "sam")
    sam.post(REVOKE)
    consent = Consent.objects.get(membership=personas.sam)
    assert (consent.state, consent.refresh_token) == ("ended", "")
    run_tasks()
    assert list(sandbox.consents.rows.values())[-1].ended_reason == "revoked by the partner"
    assert "First authorize this portal in Greenhouse" in _get_job_page(sam, _find_movable())
    assert Entry.objects.filter(verb="consent.revoked").exists()


def test_repeated_consent_keeps_one_grant(
    sam: Client, personas: Personas, sandbox: Sandbox
) -> None:
    _consent(sam, sandbox, "sam")
    _consent(sam, sandbox, "sam")
    active_consents = Consent.objects.filter(membership=personas.sam, state="active")
    assert active_consents.count() == 1
    assert [
        row.ended_reason
        for row in sandbox.consents.list_active("acme", active_consents.get().subject)
    ][-1] == ""


def test_service_account_acting_is_disclosed(
    ada: Client, sam: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    assert sam.post("/setup/service-account/", {"allowed": "yes"}).status_code == 403
    ada.post("/setup/service-account/", {"allowed": "yes"})
    application = _find_movable()
    page = _get_job_page(sam, application)
    assert "Advance as the service account" in page
    assert "under the service account&#x27;s name, not yours" in page
    submit_action(sam, "advance", application)
    run_tasks()
    (writer,) = _acting_users(sandbox)
    assert sandbox.dataset().users[writer or 0].service_account
    action = ApplicationAction.objects.get()
    assert action.as_service_account
    assert action.outcome.endswith("as the service account.")
    entry = Entry.objects.get(verb="service_account.used")
    assert (entry.by, "as the service account" in entry.description) == (personas.sam.user, True)
    advanced = Entry.objects.get(verb="application.advanced")
    assert advanced.description.endswith("in Greenhouse as the service account")
    ada.post("/setup/service-account/", {"allowed": "no"})
    assert "First authorize this portal in Greenhouse" in _get_job_page(sam, _find_movable())


def test_service_account_refusal_not_blamed_on_person(
    ada: Client, sam: Client, sandbox: Sandbox, run_tasks
) -> None:
    ada.post("/setup/service-account/", {"allowed": "yes"})
    sandbox.faults.add_fault(
        regex=r"/move$", method="POST", status=403, body={"message": "Access Denied"}
    )
    submit_action(sam, "advance", _find_movable())
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == "refused"
    assert "The service account doesn't have permission" in action.outcome
    issue = Issue.objects.get(cause=Issue.Cause.ACTING_USER_REFUSED)
    assert issue.title == "Greenhouse denies the service account “Advance”"
    assert "to the service account" in issue.description
    assert not LearnedRefusal.objects.exists()
    sandbox.faults.clear_faults()
    submit_action(sam, "advance", _find_movable())
    run_tasks()
    issue.refresh_from_db()
    assert issue.closed_at


def test_lost_response_attributed_to_service_account(
    ada: Client, sam: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    ada.post("/setup/service-account/", {"allowed": "yes"})
    sandbox.faults.add_fault(regex=r"/move$", method="POST", kind="drop_after", times=1)
    submit_action(sam, "advance", _find_movable())
    run_tasks()
    advance_clock(40)
    outbox.release_due_actions()
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == "done"
    assert action.outcome.endswith(" as the service account.")
    assert Entry.objects.filter(verb="service_account.used").count() == 1


def test_consent_revoked_in_greenhouse_notifies_person(
    sam: Client, personas: Personas, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    _consent(sam, sandbox, "sam")
    sandbox.withdraw_consents(user="sam")
    advance_clock(7 * 3600)
    renewal.enqueue_due_renewals()
    run_tasks()
    assert Consent.objects.get(membership=personas.sam).state == "ended"
    notice = Notification.objects.get(key__startswith="consent-lost:")
    assert notice.recipient == personas.sam.user
    connection = Connection.objects.get(organization=personas.sam.organization)
    assert connection.state == Connection.State.LIVE


def test_unmatched_member_cannot_consent(ada: Client, personas: Personas, sign_in) -> None:
    uma = sign_in(personas.uma)
    assert "No Greenhouse user matches your email" in uma.get(ACTING).content.decode()
    assert uma.post(ACTING).url == ACTING


def test_consent_not_needed_with_other_credentials(
    connect, personas: Personas, sign_in, settings
) -> None:
    connect()
    assert sign_in(personas.sam).get(ACTING).status_code == 404
    enable_oauth_app(settings)
    page = sign_in(personas.sam).get(ACTING).content.decode()
    assert "No authorization needed" in page
    assert "First authorize this portal in Greenhouse" not in _get_job_page(
        sign_in(personas.sam), _find_movable()
    )
