"""Connecting by OAuth consent in Greenhouse."""

from __future__ import annotations

import httpx
import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID, Sandbox
from portal.accounts.models import Membership
from portal.audit.models import Entry
from portal.connections import checks
from portal.connections.models import Connection, Consent, ConsentRequest
from portal.connections.oauth import partner_app
from portal.entitlements.rules import visible_jobs
from portal.issues.models import Issue
from portal.onboarding.consent_requests import ConsentCount
from portal.sync.models import Application, AtsUser, Job
from tests.conftest import V3, each_refusal
from tests.consent_page import submit_decision
from tests.personas import Personas
from tests.portal.concurrency import run_after_response
from tests.portal.consent_flow import (
    AUTHORIZE_URL,
    CALLBACK_URL,
    CREDENTIAL_URL,
    PERMISSIONS_URL,
    complete_authorization,
    enable_oauth_app,
    get_callback_path,
    open_callback,
    start_authorization,
)

ROTATION = "/setup/rotation/"
OWN = "/account/greenhouse/"


@pytest.fixture
def ada(personas: Personas, sandbox: Sandbox, settings, sign_in) -> Client:
    enable_oauth_app(settings)
    return sign_in(personas.ada)


def _connection() -> Connection:
    return Connection.objects.get(organization__name="Acme")


def _read_outcome(browser: Client, answer) -> str:
    """The text of the page that an answer leads to."""
    assert (answer.status_code, answer.url) == (302, AUTHORIZE_URL)
    return browser.get(AUTHORIZE_URL).content.decode()


# -- availability ------------------------------------------------------------------------------
def test_oauth_hidden_without_settings(personas: Personas, sandbox: Sandbox, sign_in) -> None:
    browser = sign_in(personas.ada)
    assert "Connect with Greenhouse" not in browser.get(CREDENTIAL_URL).content.decode()
    assert [browser.post(AUTHORIZE_URL).status_code, browser.get(CALLBACK_URL).status_code] == [
        404,
        404,
    ]
    posted = browser.post(CREDENTIAL_URL, {"kind": "harvest_partner"})
    assert posted.status_code == 422


def test_oauth_offered_first_and_allowed_by_csp(ada: Client, sandbox: Sandbox) -> None:
    page = ada.get(CREDENTIAL_URL)
    text = page.content.decode()
    assert text.index("Connect with Greenhouse") < text.index("Or paste a credential")
    rule = page.headers["Content-Security-Policy"]
    assert f"form-action 'self' {sandbox.url}" in rule


def test_consequence_named_before_consent(ada: Client, sandbox: Sandbox) -> None:
    assert "action buttons stay off until each recruiter" in ada.get(CREDENTIAL_URL).text
    complete_authorization(ada, sandbox)
    assert "action buttons stay off" not in ada.get(CREDENTIAL_URL).text


def test_only_admins_may_start_consent(ada: Client, personas: Personas, sign_in) -> None:
    assert sign_in(personas.remy).post(AUTHORIZE_URL).status_code == 403
    assert (
        sign_in(personas.remy).get(f"{CALLBACK_URL}?state=x&code=y").url == "/account/greenhouse/"
    )


# -- connecting --------------------------------------------------------------------------------
def test_consent_connects_checks_and_syncs(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    answer = complete_authorization(ada, sandbox)
    assert (answer.status_code, answer.url) == (302, PERMISSIONS_URL)
    run_tasks()
    connection = _connection()
    assert (connection.state, connection.credential.kind) == ("live", "harvest_partner")
    assert Job.objects.filter(connection=connection).exists()
    assert "All permissions granted" in ada.get(PERMISSIONS_URL).content.decode()
    assert Entry.objects.filter(description="connected by authorizing in Greenhouse").exists()


def test_status_page_counts_and_emails_consents(
    ada: Client, sandbox: Sandbox, run_tasks, personas: Personas
) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    members = Membership.objects.filter(organization=personas.ada.organization).count()
    page = ada.get("/setup/live/")
    assert page.context["consents"] == ConsentCount(members=members, given=0)
    assert "Until they do, their action buttons are off." in page.content.decode()
    assert f"Email all {members}" in page.content.decode()
    mail.outbox.clear()
    ada.post("/setup/request-consents/")
    run_tasks()
    assert len(mail.outbox) == members
    subjects = {letter.subject for letter in mail.outbox}
    assert subjects == {"Acme: Authorize Inbound Talent in Greenhouse"}
    again = ada.post("/setup/request-consents/", follow=True)
    assert "Everyone was emailed today already." in again.content.decode()


def test_authorization_code_exchanged_once(ada: Client, sandbox: Sandbox) -> None:
    complete_authorization(ada, sandbox)
    codes = [r for r in sandbox.requests if r.path.startswith("/token") and r.status == 200]
    assert len(codes) == 1


def test_request_asks_only_for_used_scopes(ada: Client) -> None:
    params = httpx.URL(start_authorization(ada)).params
    assert set(params["scope"].split()) == partner_app.list_usable_scopes()
    assert "harvest:jobs:list" in partner_app.list_usable_scopes()
    assert params["code_challenge_method"] == "S256"
    assert params["redirect_uri"].endswith(CALLBACK_URL)


def test_tokens_shown_on_no_page(
    ada: Client, personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    tokens = [Consent.objects.get().refresh_token, Consent.objects.get().access_token]
    connection = _connection()
    admin = reverse("admin:connections_connection_change", args=[connection.pk])
    for browser, path in (
        (ada, CREDENTIAL_URL),
        (ada, PERMISSIONS_URL),
        (ada, "/setup/live/"),
        (sign_in(personas.cas), admin),
        (sign_in(personas.cas), reverse("admin:connections_connection_changelist")),
    ):
        page = browser.get(path)
        assert page.status_code == 200
        assert not any(token in page.content.decode() for token in tokens)


# -- failures -----------------------------------------------------------------------------------
def test_refusal_explained_with_retry(ada: Client, sandbox: Sandbox) -> None:
    text = _read_outcome(ada, complete_authorization(ada, sandbox, decision="cancel"))
    assert "Authorization was canceled" in text
    assert "Try again" in text
    assert _connection().credential is None
    assert complete_authorization(ada, sandbox).url == PERMISSIONS_URL


@each_refusal
def test_consent_without_site_admin_discarded(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    text = _read_outcome(ada, complete_authorization(ada, sandbox, who="remy"))
    assert "a Site Admin" in text
    assert reverse("members:list") in text
    assert not Consent.objects.exists()
    run_tasks()
    assert sandbox.consents.rows[1].ended_reason == "revoked by the partner"


def test_expired_code_is_reported(ada: Client, sandbox: Sandbox, advance_clock) -> None:
    answer = submit_decision(sandbox, start_authorization(ada), service_account=True)
    advance_clock(61)
    back = open_callback(ada, get_callback_path(answer.headers["location"]))
    assert "authorization expired" in _read_outcome(ada, back)


def test_callback_accepted_once(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    answer = submit_decision(sandbox, start_authorization(ada), service_account=True)
    home = get_callback_path(answer.headers["location"])
    assert open_callback(ada, home).url == PERMISSIONS_URL
    run_tasks()
    assert "was already used" in _read_outcome(ada, open_callback(ada, home))
    assert Consent.objects.get().is_active  # the code was not sent again
    assert _connection().state == "live"


def test_callback_bound_to_session_and_organization(
    ada: Client, personas: Personas, sandbox: Sandbox, sign_in
) -> None:
    answer = submit_decision(sandbox, start_authorization(ada), service_account=True)
    home = get_callback_path(answer.headers["location"])
    for browser in (sign_in(personas.ada), sign_in(personas.zoe)):
        browser.post(AUTHORIZE_URL)
        assert "This authorization was already used" in _read_outcome(
            browser, open_callback(browser, home)
        )
    assert not Consent.objects.exists()


def test_callback_refused_after_fifteen_minutes(
    ada: Client, sandbox: Sandbox, advance_clock
) -> None:
    authorize_url = start_authorization(ada)
    advance_clock(16 * 60)
    answer = submit_decision(sandbox, authorize_url, service_account=True)
    back = open_callback(ada, get_callback_path(answer.headers["location"]))
    assert "This authorization was already used" in _read_outcome(ada, back)


@pytest.mark.parametrize("reason", ["late", "replaced", "another session", "used"])
def test_failed_own_consent_returns_to_own_page(
    ada: Client,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    advance_clock,
    reason: str,
) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    authorize_url = start_authorization(ada, OWN)
    if reason == "late":
        advance_clock(16 * 60)
    answer = submit_decision(sandbox, authorize_url, service_account=False, who="ada")
    home = get_callback_path(answer.headers["location"])
    if reason == "replaced":
        start_authorization(ada)  # in another tab, for the connection
    if reason == "used":
        open_callback(ada, home)
    browser = sign_in(personas.ada) if reason == "another session" else ada
    assert open_callback(browser, home).url == OWN
    assert "This authorization was already used" in browser.get(OWN).content.decode()
    assert browser.get(AUTHORIZE_URL).url == CREDENTIAL_URL  # no outcome to show there


def test_unknown_scope_reported_as_operator_fault(ada: Client, sandbox: Sandbox, settings) -> None:
    sandbox.consents.partners[PARTNER_CLIENT_ID].remove_permissions(["harvest:users:list"])
    refused = httpx.get(start_authorization(ada))
    text = _read_outcome(ada, open_callback(ada, get_callback_path(refused.headers["location"])))
    assert "recognize a permission we ask for" in text
    scopes = httpx.URL(start_authorization(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [
        scope for scope in scopes if scope != "harvest:users:list"
    ]
    assert httpx.get(start_authorization(ada)).status_code == 200


def test_wrong_partner_secret_reported_as_operator_fault(
    ada: Client, sandbox: Sandbox, settings
) -> None:
    answer = submit_decision(sandbox, start_authorization(ada), service_account=True)
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = "not-the-secret"
    back = open_callback(ada, get_callback_path(answer.headers["location"]))
    assert "recognize Inbound Talent" in _read_outcome(ada, back)


def test_outage_reported_and_retry_succeeds(ada: Client, sandbox: Sandbox, quick_retries) -> None:
    sandbox.faults.add_fault("/token", status=503, times=None)
    text = _read_outcome(ada, complete_authorization(ada, sandbox))
    assert "reach Greenhouse" in text
    sandbox.faults.clear_faults()
    assert complete_authorization(ada, sandbox).url == PERMISSIONS_URL


# -- reconnecting and disconnecting ------------------------------------------------------------
@pytest.mark.parametrize("replaces", [False, True])
def test_reconnecting_keeps_mirror_ids(
    ada: Client, sandbox: Sandbox, run_tasks, replaces: bool
) -> None:
    object.__setattr__(sandbox.settings, "consent_replaces", replaces)
    complete_authorization(ada, sandbox)
    run_tasks()

    def read_ids() -> list[set[tuple[int, int]]]:
        return [set(model.objects.values_list("pk", "remote_id")) for model in (Job, Application)]

    before = read_ids()
    assert complete_authorization(ada, sandbox).url == PERMISSIONS_URL
    run_tasks()
    assert read_ids() == before
    assert _connection().state == "live"
    assert list(Consent.objects.order_by("pk").values_list("state", flat=True)) == [
        "ended",
        "active",
    ]


def test_other_account_is_refused(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    text = _read_outcome(
        ada, complete_authorization(ada, sandbox, who="zoe", account="other", service_account=True)
    )
    assert "different Greenhouse account" in text
    assert reverse("onboarding:disconnect") in text
    assert _connection().credential.consent.is_active
    users = AtsUser.objects.filter(connection=_connection())
    assert not users.filter(primary_email="zoe@other.example").exists()


def test_consent_replaces_credential_and_can_roll_back(
    ada: Client, sandbox: Sandbox, run_tasks
) -> None:
    ada.post(CREDENTIAL_URL, V3)
    run_tasks()
    assert complete_authorization(ada, sandbox).url == ROTATION
    run_tasks()
    assert "The new credential has the same permissions" in ada.get(ROTATION).content.decode()
    ada.post(f"{ROTATION}switch/")
    run_tasks()
    assert (_connection().state, _connection().credential.kind) == ("live", "harvest_partner")
    ada.post(f"{ROTATION}restore/")
    run_tasks()
    assert _connection().credential.kind == "harvest_oauth"
    consent = Consent.objects.get()
    assert (consent.state, consent.refresh_token) == ("ended", "")
    assert sandbox.consents.rows[1].ended_reason == "revoked by the partner"


def test_consent_during_disconnect_is_revoked(
    ada: Client, sandbox: Sandbox, personas: Personas, sign_in, run_tasks
) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    colleague = sign_in(personas.ada)

    def disconnect() -> None:
        colleague.post("/setup/disconnect/", {"name": "Acme"})

    with run_after_response(disconnect, path="/v3/users"):  # the new consent is being verified
        text = _read_outcome(ada, complete_authorization(ada, sandbox))
    assert "disconnected or switched to another account" in text
    assert not Consent.objects.filter(state="active").exists()
    run_tasks()
    assert {row.ended_reason for row in sandbox.consents.rows.values()} == {
        "revoked by the partner"
    }
    assert _connection().credential is None


def test_disconnect_revokes_consent(ada: Client, sandbox: Sandbox, run_tasks) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    ada.post("/setup/disconnect/", {"name": "Acme"})
    consent = Consent.objects.get()
    assert (consent.state, consent.access_token, consent.refresh_token) == ("ended", "", "")
    run_tasks()
    assert sandbox.consents.rows[1].ended_reason == "revoked by the partner"
    assert complete_authorization(ada, sandbox).url == PERMISSIONS_URL


def test_newer_request_replaces_older_one(ada: Client, sandbox: Sandbox) -> None:
    old = submit_decision(sandbox, start_authorization(ada), service_account=True)
    start_authorization(ada)
    assert ConsentRequest.objects.count() == 1
    back = open_callback(ada, get_callback_path(old.headers["location"]))
    assert "This authorization was already used" in _read_outcome(ada, back)
    assert not Consent.objects.exists()


# -- scopes ------------------------------------------------------------------------------------
def test_added_scope_missing_until_consent(
    ada: Client, sandbox: Sandbox, settings, run_tasks
) -> None:
    scopes = httpx.URL(start_authorization(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [
        scope for scope in scopes if not scope.endswith(":reject")
    ]
    complete_authorization(ada, sandbox)
    run_tasks()
    page = ada.get(PERMISSIONS_URL).content.decode()
    assert "registered for it" in page
    assert "Connect again" not in page
    settings.GREENHOUSE_PARTNER_SCOPES = []
    page = ada.get(PERMISSIONS_URL).content.decode()
    assert "We need more permissions than were authorized" in page
    assert page.count("Connect again</button>") == 1
    complete_authorization(ada, sandbox)
    run_tasks()
    assert "All permissions granted" in ada.get(PERMISSIONS_URL).content.decode()


def test_removed_scope_missing_and_operators_fault(
    ada: Client, sandbox: Sandbox, run_tasks
) -> None:
    complete_authorization(ada, sandbox)
    run_tasks()
    sandbox.consents.partners[PARTNER_CLIENT_ID].remove_permissions(["harvest:applications:reject"])
    ada.post(PERMISSIONS_URL)
    run_tasks()
    page = ada.get(PERMISSIONS_URL).content.decode()
    assert "Greenhouse removed it from Inbound Talent" in page
    assert "Connect again</button>" not in page
    assert "What to tick" not in page
    issue = Issue.objects.get(cause=Issue.Cause.MISSING_PERMISSION, closed_at=None)
    assert issue.fixer == Issue.Fixer.OPERATOR


# -- start-up ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("overrides", "error_ids"),
    [
        ({}, set()),
        ({"GREENHOUSE_PARTNER_REDIRECT_URI": "https://portal.example/elsewhere/"}, {"E003"}),
        (
            {
                "GREENHOUSE_PARTNER_REDIRECT_URI": f"http://portal.example{CALLBACK_URL}",
                "INSECURE_COOKIES": False,
            },
            {"E002"},
        ),
        ({"GREENHOUSE_PARTNER_SCOPES": ["harvest:moon:list"]}, {"E004"}),
    ],
)
def test_misfit_settings_fail_startup_checks(settings, overrides, error_ids) -> None:
    enable_oauth_app(settings)
    with override_settings(**overrides):
        errors = checks.check_partner_settings()
    assert {error.id.removeprefix("portal.") for error in errors} == error_ids


def test_added_scope_takes_no_requisition_away(
    ada: Client, personas: Personas, sandbox: Sandbox, settings, run_tasks
) -> None:
    scopes = httpx.URL(start_authorization(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [
        scope for scope in scopes if scope != "harvest:user_job_permissions:list"
    ]
    complete_authorization(ada, sandbox)
    run_tasks()
    on_hiring_team = visible_jobs(personas.remy).count()
    assert on_hiring_team
    settings.GREENHOUSE_PARTNER_SCOPES = []
    complete_authorization(ada, sandbox)
    # The new authorization is in use, and not checked yet.
    assert visible_jobs(personas.remy).count() == on_hiring_team
    run_tasks()
    assert visible_jobs(personas.remy).count() > on_hiring_team
