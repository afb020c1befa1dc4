"""Connecting by OAuth consent in Greenhouse."""

from __future__ import annotations

import httpx
import pytest
from django.test import Client, override_settings
from django.urls import reverse

from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID, Sandbox
from portal.audit.models import Entry
from portal.connections import checks, partner
from portal.connections.models import Connection, Consent, ConsentRequest
from portal.issues.models import Issue
from portal.mirror.models import Application, AtsUser, Job
from tests.cast import Cast
from tests.conftest import V3, either_refusal
from tests.consenting import decide
from tests.portal.consents import (
    BACK,
    CONSENT,
    CREDENTIAL,
    PERMISSIONS,
    go_through,
    switch_on,
    way_home,
    way_to_greenhouse,
)
from tests.portal.meanwhile import when_greenhouse_has_answered

ROTATION = "/set-up/rotation/"
OWN = "/account/greenhouse/"


@pytest.fixture
def ada(cast: Cast, sandbox: Sandbox, settings, sign_in) -> Client:
    switch_on(settings)
    return sign_in(cast.ada)


def _connection() -> Connection:
    return Connection.objects.get(organization__name="Acme")


def _read_outcome(browser: Client, answer) -> str:
    """The text of the page that an answer leads to."""
    assert (answer.status_code, answer.url) == (302, CONSENT)
    return browser.get(CONSENT).content.decode()


# -- availability ------------------------------------------------------------------------------
def test_oauth_hidden_without_settings(cast: Cast, sandbox: Sandbox, sign_in) -> None:
    browser = sign_in(cast.ada)
    assert "Connect with Greenhouse" not in browser.get(CREDENTIAL).content.decode()
    assert [browser.post(CONSENT).status_code, browser.get(BACK).status_code] == [404, 404]
    posted = browser.post(CREDENTIAL, {"kind": "harvest_partner"})
    assert posted.status_code == 422


def test_oauth_offered_first_and_allowed_by_csp(ada: Client, sandbox: Sandbox) -> None:
    page = ada.get(CREDENTIAL)
    text = page.content.decode()
    assert text.index("Connect with Greenhouse") < text.index("Or paste a credential")
    rule = page.headers["Content-Security-Policy"]
    assert f"form-action 'self' {sandbox.url}" in rule


def test_only_admins_may_start_consent(ada: Client, cast: Cast, sign_in) -> None:
    assert sign_in(cast.remy).post(CONSENT).status_code == 403
    assert sign_in(cast.remy).get(f"{BACK}?state=x&code=y").url == "/account/greenhouse/"


# -- connecting --------------------------------------------------------------------------------
def test_consent_connects_checks_and_syncs(ada: Client, sandbox: Sandbox, work) -> None:
    answer = go_through(ada, sandbox)
    assert (answer.status_code, answer.url) == (302, PERMISSIONS)
    work()
    connection = _connection()
    assert (connection.state, connection.credential.kind) == ("live", "harvest_partner")
    assert Job.objects.filter(connection=connection).exists()
    assert "Everything is granted" in ada.get(PERMISSIONS).content.decode()
    assert Entry.objects.filter(words="connected by consent in Greenhouse").exists()


def test_authorization_code_exchanged_once(ada: Client, sandbox: Sandbox) -> None:
    go_through(ada, sandbox)
    codes = [e for e in sandbox.requests.of("/token") if e.status == 200]
    assert len(codes) == 1


def test_request_asks_only_for_used_scopes(ada: Client) -> None:
    params = httpx.URL(way_to_greenhouse(ada)).params
    assert set(params["scope"].split()) == partner.used_scopes()
    assert "harvest:jobs:list" in partner.used_scopes()
    assert params["code_challenge_method"] == "S256"
    assert params["redirect_uri"].endswith(BACK)


def test_tokens_shown_on_no_page(ada: Client, cast: Cast, sandbox: Sandbox, sign_in, work) -> None:
    go_through(ada, sandbox)
    work()
    tokens = [Consent.objects.get().refresh_token, Consent.objects.get().access_token]
    connection = _connection()
    admin = reverse("admin:connections_connection_change", args=[connection.pk])
    for browser, path in (
        (ada, CREDENTIAL),
        (ada, PERMISSIONS),
        (ada, "/set-up/live/"),
        (sign_in(cast.cas), admin),
        (sign_in(cast.cas), reverse("admin:connections_connection_changelist")),
    ):
        page = browser.get(path)
        assert page.status_code == 200
        assert not any(token in page.content.decode() for token in tokens)


# -- failures -----------------------------------------------------------------------------------
def test_refusal_explained_with_retry(ada: Client, sandbox: Sandbox) -> None:
    text = _read_outcome(ada, go_through(ada, sandbox, decision="cancel"))
    assert "You did not agree in Greenhouse" in text
    assert "Try again" in text
    assert _connection().credential is None
    assert go_through(ada, sandbox).url == PERMISSIONS


@either_refusal
def test_consent_without_site_admin_discarded(ada: Client, sandbox: Sandbox) -> None:
    text = _read_outcome(ada, go_through(ada, sandbox, who="remy"))
    assert "no Site Admin" in text
    assert reverse("members:list") in text
    assert not Consent.objects.exists()
    assert sandbox.consents.rows[1].ended == "revoked by the partner"


def test_expired_code_is_reported(ada: Client, sandbox: Sandbox, later) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    later(61)
    back = ada.get(way_home(answer.headers["location"]))
    assert "came too late" in _read_outcome(ada, back)


def test_callback_accepted_once(ada: Client, sandbox: Sandbox, work) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    home = way_home(answer.headers["location"])
    assert ada.get(home).url == PERMISSIONS
    work()
    assert "was used already" in _read_outcome(ada, ada.get(home))
    assert Consent.objects.get().is_living  # the code was not sent again
    assert _connection().state == "live"


def test_callback_bound_to_session_and_organization(
    ada: Client, cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    home = way_home(answer.headers["location"])
    for browser in (sign_in(cast.ada), sign_in(cast.zoe)):
        browser.post(CONSENT)
        assert "does not belong to you" in _read_outcome(browser, browser.get(home))
    assert not Consent.objects.exists()


def test_callback_refused_after_fifteen_minutes(ada: Client, sandbox: Sandbox, later) -> None:
    authorize_url = way_to_greenhouse(ada)
    later(16 * 60)
    answer = decide(sandbox, authorize_url, service_account=True)
    back = ada.get(way_home(answer.headers["location"]))
    assert "does not belong to you" in _read_outcome(ada, back)


@pytest.mark.parametrize("reason", ["late", "replaced", "another session", "used"])
def test_failed_own_consent_returns_to_own_page(
    ada: Client, cast: Cast, sandbox: Sandbox, sign_in, work, later, reason: str
) -> None:
    go_through(ada, sandbox)
    work()
    authorize_url = way_to_greenhouse(ada, OWN)
    if reason == "late":
        later(16 * 60)
    answer = decide(sandbox, authorize_url, service_account=False, who="ada")
    home = way_home(answer.headers["location"])
    if reason == "replaced":
        way_to_greenhouse(ada)  # in another tab, for the connection
    if reason == "used":
        ada.get(home)
    browser = sign_in(cast.ada) if reason == "another session" else ada
    assert browser.get(home).url == OWN
    assert "does not belong to you" in browser.get(OWN).content.decode()
    assert browser.get(CONSENT).url == CREDENTIAL  # no outcome to show there


def test_unknown_scope_reported_as_operator_fault(ada: Client, sandbox: Sandbox, settings) -> None:
    sandbox.consents.partners[PARTNER_CLIENT_ID].remove(["harvest:users:list"])
    refused = httpx.get(way_to_greenhouse(ada))
    text = _read_outcome(ada, ada.get(way_home(refused.headers["location"])))
    assert "does not know something that this portal asks for" in text
    scopes = httpx.URL(way_to_greenhouse(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [
        scope for scope in scopes if scope != "harvest:users:list"
    ]
    assert httpx.get(way_to_greenhouse(ada)).status_code == 200


def test_wrong_partner_secret_reported_as_operator_fault(
    ada: Client, sandbox: Sandbox, settings
) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = "not-the-secret"
    back = ada.get(way_home(answer.headers["location"]))
    assert "does not know this portal" in _read_outcome(ada, back)


def test_outage_reported_and_retry_succeeds(ada: Client, sandbox: Sandbox, quick_retries) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    text = _read_outcome(ada, go_through(ada, sandbox))
    assert "did not answer" in text
    sandbox.faults.clear()
    assert go_through(ada, sandbox).url == PERMISSIONS


# -- reconnecting and disconnecting ------------------------------------------------------------
@pytest.mark.parametrize("replaces", [False, True])
def test_reconnecting_keeps_mirror_ids(ada: Client, sandbox: Sandbox, work, replaces: bool) -> None:
    object.__setattr__(sandbox.settings, "consent_replaces", replaces)
    go_through(ada, sandbox)
    work()

    def read_ids() -> list[set[tuple[int, int]]]:
        return [set(model.objects.values_list("pk", "remote_id")) for model in (Job, Application)]

    before = read_ids()
    assert go_through(ada, sandbox).url == PERMISSIONS
    work()
    assert read_ids() == before
    assert _connection().state == "live"
    assert list(Consent.objects.order_by("pk").values_list("state", flat=True)) == [
        "ended",
        "living",
    ]


def test_other_account_is_refused(ada: Client, sandbox: Sandbox, work) -> None:
    go_through(ada, sandbox)
    work()
    text = _read_outcome(
        ada, go_through(ada, sandbox, who="zoe", account="other", service_account=True)
    )
    assert "another Greenhouse account" in text
    assert reverse("onboarding:disconnect") in text
    assert _connection().credential.consent.is_living
    users = AtsUser.objects.filter(connection=_connection())
    assert not users.filter(primary_email="zoe@other.example").exists()


def test_consent_replaces_credential_and_can_roll_back(ada: Client, sandbox: Sandbox, work) -> None:
    ada.post(CREDENTIAL, V3)
    work()
    assert go_through(ada, sandbox).url == ROTATION
    work()
    assert "You can switch" in ada.get(ROTATION).content.decode()
    ada.post(f"{ROTATION}switch/")
    work()
    assert (_connection().state, _connection().credential.kind) == ("live", "harvest_partner")
    ada.post(f"{ROTATION}back/")
    work()
    assert _connection().credential.kind == "harvest_oauth"
    consent = Consent.objects.get()
    assert (consent.state, consent.refresh_token) == ("ended", "")
    assert sandbox.consents.rows[1].ended == "revoked by the partner"


def test_consent_during_disconnect_is_revoked(
    ada: Client, sandbox: Sandbox, cast: Cast, sign_in, work
) -> None:
    go_through(ada, sandbox)
    work()
    colleague = sign_in(cast.ada)

    def disconnect() -> None:
        colleague.post("/set-up/disconnect/", {"name": "Acme"})

    with when_greenhouse_has_answered(
        disconnect, path="/v3/users"
    ):  # the new consent is being verified
        text = _read_outcome(ada, go_through(ada, sandbox))
    assert "disconnected here meanwhile" in text
    assert not Consent.objects.filter(state="living").exists()
    assert {row.ended for row in sandbox.consents.rows.values()} == {"revoked by the partner"}
    assert _connection().credential is None


def test_disconnect_revokes_consent(ada: Client, sandbox: Sandbox, work) -> None:
    go_through(ada, sandbox)
    work()
    ada.post("/set-up/disconnect/", {"name": "Acme"})
    consent = Consent.objects.get()
    assert (consent.state, consent.access_token, consent.refresh_token) == ("ended", "", "")
    assert sandbox.consents.rows[1].ended == "revoked by the partner"
    work()
    assert go_through(ada, sandbox).url == PERMISSIONS


def test_newer_request_replaces_older_one(ada: Client, sandbox: Sandbox) -> None:
    old = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    way_to_greenhouse(ada)
    assert ConsentRequest.objects.count() == 1
    back = ada.get(way_home(old.headers["location"]))
    assert "does not belong to you" in _read_outcome(ada, back)
    assert not Consent.objects.exists()


# -- scopes ------------------------------------------------------------------------------------
def test_added_scope_missing_until_consent(ada: Client, sandbox: Sandbox, settings, work) -> None:
    scopes = httpx.URL(way_to_greenhouse(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [
        scope for scope in scopes if not scope.endswith(":reject")
    ]
    go_through(ada, sandbox)
    work()
    page = ada.get(PERMISSIONS).content.decode()
    assert "This portal does not ask for it" in page
    assert "Connect again" not in page
    settings.GREENHOUSE_PARTNER_SCOPES = []
    page = ada.get(PERMISSIONS).content.decode()
    assert "The consent does not include it" in page
    assert page.count("Connect again</button>") == 1
    go_through(ada, sandbox)
    work()
    assert "Everything is granted" in ada.get(PERMISSIONS).content.decode()


def test_removed_scope_missing_and_operators_fault(ada: Client, sandbox: Sandbox, work) -> None:
    go_through(ada, sandbox)
    work()
    sandbox.consents.partners[PARTNER_CLIENT_ID].remove(["harvest:applications:reject"])
    ada.post(PERMISSIONS)
    work()
    page = ada.get(PERMISSIONS).content.decode()
    assert "taken it from this portal" in page
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
                "GREENHOUSE_PARTNER_REDIRECT_URI": f"http://portal.example{BACK}",
                "INSECURE_COOKIES": False,
            },
            {"E002"},
        ),
        ({"GREENHOUSE_PARTNER_SCOPES": ["harvest:moon:list"]}, {"E004"}),
    ],
)
def test_misfit_settings_fail_startup_checks(settings, overrides, error_ids) -> None:
    switch_on(settings)
    with override_settings(**overrides):
        errors = checks.partner_settings_fit()
    assert {error.id.removeprefix("portal.") for error in errors} == error_ids
