"""Connect with Greenhouse: agreeing there instead of pasting something here."""

from __future__ import annotations

import httpx
import pytest
from django.test import Client, override_settings
from django.urls import reverse

from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID, Sandbox
from portal.audit.models import Entry
from portal.connections import checks
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


def _told(browser: Client, answer) -> str:
    """What the page says that an answer leads to."""
    assert (answer.status_code, answer.url) == (302, CONSENT)
    return browser.get(CONSENT).content.decode()


# -- seen or not -------------------------------------------------------------------------------
def test_without_the_settings_nothing_of_it_is_seen(cast: Cast, sandbox: Sandbox, sign_in) -> None:
    browser = sign_in(cast.ada)
    assert "Connect with Greenhouse" not in browser.get(CREDENTIAL).content.decode()
    assert [browser.post(CONSENT).status_code, browser.get(BACK).status_code] == [404, 404]
    posted = browser.post(CREDENTIAL, {"kind": "harvest_partner"})
    assert posted.status_code == 422


def test_it_is_the_first_choice_and_its_form_may_end_at_greenhouse(
    ada: Client, sandbox: Sandbox
) -> None:
    page = ada.get(CREDENTIAL)
    text = page.content.decode()
    assert text.index("Connect with Greenhouse") < text.index("Or paste a credential")
    rule = page.headers["Content-Security-Policy"]
    assert f"form-action 'self' {sandbox.url}" in rule


def test_only_admins_are_sent(ada: Client, cast: Cast, sign_in) -> None:
    assert sign_in(cast.remy).post(CONSENT).status_code == 403
    assert sign_in(cast.remy).get(f"{BACK}?state=x&code=y").url == "/account/greenhouse/"


# -- connecting --------------------------------------------------------------------------------
def test_one_button_connects_checks_and_reads(ada: Client, sandbox: Sandbox, work) -> None:
    answer = go_through(ada, sandbox)
    assert (answer.status_code, answer.url) == (302, PERMISSIONS)
    work()
    connection = _connection()
    assert (connection.state, connection.credential.kind) == ("live", "harvest_partner")
    assert Job.objects.filter(connection=connection).exists()
    assert "Everything is granted" in ada.get(PERMISSIONS).content.decode()
    assert Entry.objects.filter(words="connected by consent in Greenhouse").exists()


def test_the_code_is_used_once_and_at_once(ada: Client, sandbox: Sandbox) -> None:
    go_through(ada, sandbox)
    codes = [e for e in sandbox.requests.of("/token") if e.status == 200]
    assert len(codes) == 1


def test_the_request_carries_what_the_portal_uses_and_no_more(ada: Client) -> None:
    asked = httpx.URL(way_to_greenhouse(ada)).params
    assert "harvest:jobs:list" in asked["scope"].split()
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"].endswith(BACK)


def test_no_token_is_on_any_page_nor_in_the_admin(
    ada: Client, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
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


# -- where nothing comes of it ------------------------------------------------------------------
def test_a_refusal_is_told_with_a_way_on(ada: Client, sandbox: Sandbox) -> None:
    text = _told(ada, go_through(ada, sandbox, decision="cancel"))
    assert "You did not agree in Greenhouse" in text
    assert "Try again" in text
    assert _connection().credential is None
    assert go_through(ada, sandbox).url == PERMISSIONS


@either_refusal
def test_a_consent_by_somebody_who_is_no_site_admin_is_not_kept(
    ada: Client, sandbox: Sandbox
) -> None:
    text = _told(ada, go_through(ada, sandbox, who="remy"))
    assert "no Site Admin" in text
    assert reverse("members:list") in text
    assert not Consent.objects.exists()
    assert sandbox.consents.rows[1].ended == "revoked by the partner"


def test_a_code_that_is_too_old_is_told(ada: Client, sandbox: Sandbox, later) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    later(61)
    back = ada.get(way_home(answer.headers["location"]))
    assert "came too late" in _told(ada, back)


def test_the_same_answer_counts_once(ada: Client, sandbox: Sandbox, work) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    home = way_home(answer.headers["location"])
    assert ada.get(home).url == PERMISSIONS
    work()
    assert "was used already" in _told(ada, ada.get(home))
    assert Consent.objects.get().is_living  # Greenhouse did not see the code again
    assert _connection().state == "live"


def test_an_answer_counts_for_its_person_its_session_and_its_organization(
    ada: Client, cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    home = way_home(answer.headers["location"])
    for stranger in (sign_in(cast.ada), sign_in(cast.zoe)):
        stranger.post(CONSENT)
        assert "does not belong to you" in _told(stranger, stranger.get(home))
    assert not Consent.objects.exists()


def test_nothing_comes_back_after_a_quarter_of_an_hour(
    ada: Client, sandbox: Sandbox, later
) -> None:
    asked = way_to_greenhouse(ada)
    later(16 * 60)
    answer = decide(sandbox, asked, service_account=True)
    back = ada.get(way_home(answer.headers["location"]))
    assert "does not belong to you" in _told(ada, back)


@pytest.mark.parametrize("why", ["late", "replaced", "another session", "used"])
def test_an_admins_own_consent_leads_back_to_their_own_page(
    ada: Client, cast: Cast, sandbox: Sandbox, sign_in, work, later, why: str
) -> None:
    go_through(ada, sandbox)
    work()
    asked = way_to_greenhouse(ada, OWN)
    if why == "late":
        later(16 * 60)
    answer = decide(sandbox, asked, service_account=False, who="ada")
    home = way_home(answer.headers["location"])
    if why == "replaced":
        way_to_greenhouse(ada)  # in another tab, for the connection
    if why == "used":
        ada.get(home)
    browser = sign_in(cast.ada) if why == "another session" else ada
    assert browser.get(home).url == OWN
    assert "does not belong to you" in browser.get(OWN).content.decode()
    assert browser.get(CONSENT).url == CREDENTIAL  # nothing waits there


def test_a_scope_that_greenhouse_does_not_know_is_the_operators(
    ada: Client, sandbox: Sandbox, settings
) -> None:
    sandbox.consents.partners[PARTNER_CLIENT_ID].remove(["harvest:users:list"])
    refused = httpx.get(way_to_greenhouse(ada))
    text = _told(ada, ada.get(way_home(refused.headers["location"])))
    assert "does not know something that this portal asks for" in text
    everything = httpx.URL(way_to_greenhouse(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [s for s in everything if s != "harvest:users:list"]
    assert httpx.get(way_to_greenhouse(ada)).status_code == 200


def test_a_wrong_partner_secret_is_the_operators(ada: Client, sandbox: Sandbox, settings) -> None:
    answer = decide(sandbox, way_to_greenhouse(ada), service_account=True)
    settings.GREENHOUSE_PARTNER_CLIENT_SECRET = "not-the-secret"
    back = ada.get(way_home(answer.headers["location"]))
    assert "does not know this portal" in _told(ada, back)


def test_while_greenhouse_is_down_nothing_is_lost(
    ada: Client, sandbox: Sandbox, quick_retries
) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    text = _told(ada, go_through(ada, sandbox))
    assert "did not answer" in text
    sandbox.faults.clear()
    assert go_through(ada, sandbox).url == PERMISSIONS


# -- again, instead, and never more ------------------------------------------------------------
@pytest.mark.parametrize("replaces", [False, True])
def test_connecting_again_keeps_the_mirror_and_its_ids(
    ada: Client, sandbox: Sandbox, work, replaces: bool
) -> None:
    object.__setattr__(sandbox.settings, "consent_replaces", replaces)
    go_through(ada, sandbox)
    work()

    def ids() -> list[set[tuple[int, int]]]:
        return [set(m.objects.values_list("pk", "remote_id")) for m in (Job, Application)]

    before = ids()
    assert go_through(ada, sandbox).url == PERMISSIONS
    work()
    assert ids() == before
    assert _connection().state == "live"
    assert list(Consent.objects.order_by("pk").values_list("state", flat=True)) == [
        "ended",
        "living",
    ]


def test_another_account_than_the_connected_one_is_refused(
    ada: Client, sandbox: Sandbox, work
) -> None:
    go_through(ada, sandbox)
    work()
    text = _told(ada, go_through(ada, sandbox, who="zoe", account="other", service_account=True))
    assert "another Greenhouse account" in text
    assert reverse("onboarding:disconnect") in text
    assert _connection().credential.consent.is_living
    people = AtsUser.objects.filter(connection=_connection())
    assert not people.filter(primary_email="zoe@other.example").exists()


def test_from_client_credentials_it_is_checked_beside_and_can_be_taken_back(
    ada: Client, sandbox: Sandbox, work
) -> None:
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


def test_a_consent_that_comes_while_somebody_disconnects_is_given_up(
    ada: Client, sandbox: Sandbox, cast: Cast, sign_in, work
) -> None:
    go_through(ada, sandbox)
    work()
    colleague = sign_in(cast.ada)

    def leave() -> None:
        colleague.post("/set-up/disconnect/", {"name": "Acme"})

    with when_greenhouse_has_answered(leave, path="/v3/users"):  # the new one is being looked at
        text = _told(ada, go_through(ada, sandbox))
    assert "disconnected here meanwhile" in text
    assert not Consent.objects.filter(state="living").exists()
    assert {row.ended for row in sandbox.consents.rows.values()} == {"revoked by the partner"}
    assert _connection().credential is None


def test_disconnecting_gives_the_consent_up(ada: Client, sandbox: Sandbox, work) -> None:
    go_through(ada, sandbox)
    work()
    ada.post("/set-up/disconnect/", {"name": "Acme"})
    consent = Consent.objects.get()
    assert (consent.state, consent.access_token, consent.refresh_token) == ("ended", "", "")
    assert sandbox.consents.rows[1].ended == "revoked by the partner"
    work()
    assert go_through(ada, sandbox).url == PERMISSIONS


def test_an_old_request_holds_no_way_in(ada: Client) -> None:
    way_to_greenhouse(ada)
    way_to_greenhouse(ada)
    assert ConsentRequest.objects.count() == 1


# -- scopes ------------------------------------------------------------------------------------
def test_a_scope_that_was_added_is_missing_until_somebody_agrees_to_it(
    ada: Client, sandbox: Sandbox, settings, work
) -> None:
    everything = httpx.URL(way_to_greenhouse(ada)).params["scope"].split()
    settings.GREENHOUSE_PARTNER_SCOPES = [s for s in everything if not s.endswith(":reject")]
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


def test_a_scope_that_was_removed_is_missing_at_once_and_not_the_customers_to_mend(
    ada: Client, sandbox: Sandbox, work
) -> None:
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
    ("told", "trouble"),
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
def test_settings_that_do_not_fit_are_told_before_serving(settings, told, trouble) -> None:
    switch_on(settings)
    with override_settings(**told):
        found = checks.partner_settings_fit()
    assert {one.id.removeprefix("portal.") for one in found} == trouble
