"""Single sign-on set up by the customer's admin: tested and approved before anybody needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.core import checks
from django.test import Client
from django.urls import reverse

from portal.accounts.models import User
from portal.audit.models import Entry
from portal.signin.models import SignOnRequest, SingleSignOn, SingleSignOnDomain
from tests.personas import Personas
from tests.portal.signin.fake_provider import (
    CLIENT_SECRET,
    PROVIDER_URL,
    FakeProvider,
    configure_sso,
    mock_service,
)

ADA = {"sub": "1", "email": "ada@acme.example", "email_verified": True}
TYPED = {
    "name": "Acme login",
    "issuer": PROVIDER_URL,
    "client_id": "portal",
    "client_secret": CLIENT_SECRET,
}
PAGE = "/single-sign-on/"
DISCOVERY = f"{PROVIDER_URL}/.well-known/openid-configuration"


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with mock_service() as running:
        yield running


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


@pytest.fixture
def sign_on(personas: Personas) -> SingleSignOn:
    return configure_sso(personas.ada.organization, enabled=False)


def _read(client: Client) -> str:
    return client.get(PAGE).content.decode()


def _run_test(client: Client, **answer: str) -> str:
    """Go to the service and back; return the page of the settings afterwards."""
    start = client.get(reverse("sso_test"))
    if not start.url.startswith("https://"):
        return _read(client)
    state = parse_qs(urlsplit(start.url).query)["state"][0]
    callback = reverse("openid_connect_callback", kwargs={"provider_id": "acme"})
    back = client.get(callback, {"state": state} | (answer or {"code": "c1"}))
    assert back.url == PAGE
    return _read(client)


def _decide(client: Client, action: str, *rows: SignOnRequest) -> str:
    page = reverse("admin:signin_signonrequest_changelist")
    selected = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(page, selected, follow=True).content.decode()


def _list_verbs() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("verb", flat=True))


def test_admin_saves_service_and_never_sees_secret(ada: Client, mocked) -> None:
    FakeProvider(mocked)
    assert ada.post(PAGE, TYPED).url == PAGE
    row = SingleSignOn.objects.get()
    assert (row.server_url, row.client_secret, row.enabled) == (PROVIDER_URL, CLIENT_SECRET, False)
    page = _read(ada)
    assert CLIENT_SECRET not in page
    assert "Test sign-in" in page
    assert _list_verbs() == ["single_sign_on.changed"]


@pytest.mark.parametrize("suffix", ["/", "/.well-known/openid-configuration"])
def test_issuer_is_stored_without_suffix(ada: Client, mocked, suffix: str) -> None:
    FakeProvider(mocked)
    ada.post(PAGE, TYPED | {"issuer": PROVIDER_URL + suffix})
    assert SingleSignOn.objects.get().server_url == PROVIDER_URL


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"issuer": "https://evil.example"}, "names another issuer: https://evil.example."),
        ({"issuer": None}, "names another issuer: nothing."),
        ({"token_endpoint": None}, "names no token address"),
        ({"token_endpoint": "http://idp.example/token"}, "names no token address"),
        ({"token_endpoint": ["https://idp.example/token"]}, "names no token address"),
        ({"jwks_uri": "file:///etc/passwd"}, "names no keys address"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "names no sign-in address"),
        ({"token_endpoint_auth_methods_supported": 7}, "can&#x27;t be read"),
    ],
)
def test_wrong_discovery_document_saves_nothing(
    ada: Client, mocked, changes: dict[str, object], sentence: str
) -> None:
    FakeProvider(mocked)
    document = json.loads(mocked.registered()[0].body) | changes
    mocked.replace("GET", DISCOVERY, json=document)
    answer = ada.post(PAGE, TYPED)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert CLIENT_SECRET not in answer.content.decode()
    assert not SingleSignOn.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("<html>", 200, "it sent no JSON"),
        ("[]", 200, "it sent no JSON"),
        ("[" * 100_000, 200, "it sent no JSON"),
        ("{}", 404, "answered with status 404"),
    ],
)
def test_other_answer_is_explained(
    ada: Client, mocked, body: str, status: int, sentence: str
) -> None:
    mocked.get(DISCOVERY, body=body, status=status)
    answer = ada.post(PAGE, TYPED)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


@pytest.mark.parametrize(
    ("issuer", "sentence"),
    [
        ("http://idp.example", "starts with https://"),
        ("https://127.0.0.1:8901", "isn&#x27;t on the public internet"),
        ("https://localhost", "isn&#x27;t on the public internet"),
        ("https://[::1]", "isn&#x27;t on the public internet"),
        ("https://169.254.169.254", "isn&#x27;t on the public internet"),
    ],
)
def test_local_issuer_is_refused(ada: Client, issuer: str, sentence: str) -> None:
    answer = ada.post(PAGE, TYPED | {"issuer": issuer})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in page or "starts with https://" in page
    assert not SingleSignOn.objects.exists()


def test_admin_tests_own_sign_in(ada: Client, personas: Personas, sign_on, mocked) -> None:
    FakeProvider(mocked, ADA)
    page = _run_test(ada)
    assert "Test passed: Acme login confirmed ada@acme.example." in page
    row = SingleSignOn.objects.get()
    assert (row.is_tested, row.tested_by) == (True, personas.ada.user)
    assert _list_verbs() == ["single_sign_on.tested"]
    assert ada.get(reverse("jobs:list")).status_code == 200, "still signed in"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"email": "remy@acme.example"}, "but your account here is ada@acme.example"),
        ({"email_verified": False}, "is not verified"),
        ({"email_verified": None}, "did not say whether"),
        ({"email": ""}, "sent no email address"),
        ({"sub": None}, "Test failed."),
    ],
)
def test_other_claims_fail_the_test(
    ada: Client, sign_on, mocked, claims: dict[str, object], sentence: str
) -> None:
    FakeProvider(mocked, {k: v for k, v in (ADA | claims).items() if v is not None})
    page = _run_test(ada)
    assert "Test failed." in page
    assert sentence in page
    assert not SingleSignOn.objects.get().is_tested


def test_refused_client_secret_is_explained(ada: Client, sign_on, mocked) -> None:
    FakeProvider(mocked, ADA)
    mocked.replace("POST", f"{PROVIDER_URL}/token", json={"error": "invalid_client"}, status=401)
    assert "didn&#x27;t accept the client ID, the client secret" in _run_test(ada)


def test_declined_sign_in_fails_the_test(ada: Client, sign_on, mocked) -> None:
    FakeProvider(mocked, ADA)
    assert "Test failed." in _run_test(ada, error="access_denied")


def test_settings_changed_during_test(ada: Client, sign_on, mocked) -> None:
    FakeProvider(mocked, ADA)
    start = ada.get(reverse("sso_test"))
    SingleSignOn.objects.update(client_id="other")
    state = parse_qs(urlsplit(start.url).query)["state"][0]
    callback = reverse("openid_connect_callback", kwargs={"provider_id": "acme"})
    ada.get(callback, {"state": state, "code": "c1"})
    assert "The settings changed during the test." in _read(ada)


def test_service_under_test_signs_nobody_in(ada: Client, client: Client, sign_on, mocked) -> None:
    FakeProvider(mocked, ADA)
    login = reverse("openid_connect_login", kwargs={"provider_id": "acme"})
    assert client.get(login).status_code == 404
    ada.get(reverse("sso_test"))
    start = ada.get(login)
    state = parse_qs(urlsplit(start.url).query)["state"][0]
    callback = reverse("openid_connect_callback", kwargs={"provider_id": "acme"})
    answer = ada.get(callback, {"state": state, "code": "c1"})
    assert (answer.status_code, "turned off" in answer.content.decode()) == (403, True)


def test_domain_counts_after_approval(
    ada: Client, personas: Personas, sign_in, sign_on, mocked
) -> None:
    FakeProvider(mocked, ADA)
    ada.post(reverse("sso_request_domain"), {"domain": "@Acme.example"})
    row = SignOnRequest.objects.get()
    assert (row.domain, row.state) == ("acme.example", "requested")
    _run_test(ada)
    ada.post(reverse("sso_switch"), {"switch": "on"})
    assert not SingleSignOn.objects.get().enabled, "no domain is approved"
    assert "1 of 1 request approved." in _decide(sign_in(personas.ola), "approve", row)
    assert SingleSignOnDomain.objects.get().domain == "acme.example"
    for switch in ("on", "required"):
        ada.post(reverse("sso_switch"), {"switch": switch})
    saved = SingleSignOn.objects.get()
    assert (saved.enabled, saved.required) == (True, True)
    assert _list_verbs()[-4:] == [
        "single_sign_on.tested",
        "single_sign_on.approved",
        "single_sign_on.turned_on",
        "single_sign_on.required",
    ]


@pytest.mark.parametrize("switch", ["on", "required"])
def test_untested_service_cannot_be_required(ada: Client, sign_on, switch: str) -> None:
    SingleSignOnDomain.objects.create(single_sign_on=sign_on, domain="acme.example")
    ada.post(reverse("sso_switch"), {"switch": switch})
    row = SingleSignOn.objects.get()
    assert (row.enabled, row.required) == (False, False)
    assert "Test your own sign-in first." in _read(ada)


def test_operator_reads_what_approval_means(
    ada: Client, personas: Personas, sign_in, sign_on
) -> None:
    ada.post(reverse("sso_request_domain"), {"domain": "acme.example"})
    ola, row = sign_in(personas.ola), SignOnRequest.objects.get()
    page = ola.get(reverse("admin:signin_signonrequest_changelist")).content.decode()
    assert "only after you have confirmed that the customer owns it" in page
    _decide(ola, "approve", row)
    page = _decide(ola, "approve", row)
    assert '<li class="warning">0 of 1 request approved.' in page


def test_declined_domain_is_shown(ada: Client, personas: Personas, sign_in, sign_on) -> None:
    ada.post(reverse("sso_request_domain"), {"domain": "acme.example"})
    assert "1 of 1 request declined." in _decide(
        sign_in(personas.ola), "decline", SignOnRequest.objects.get()
    )
    assert "Declined" in _read(ada)
    assert not SingleSignOnDomain.objects.exists()


def test_domain_of_other_customer_not_approved(
    ada: Client, personas: Personas, sign_in, sign_on
) -> None:
    configure_sso(personas.zoe.organization, "acme.example")
    ada.post(reverse("sso_request_domain"), {"domain": "acme.example"})
    row = SignOnRequest.objects.get()
    assert "belongs to another customer" in _decide(sign_in(personas.ola), "approve", row)
    row.refresh_from_db()
    assert row.state == "requested"


def test_trust_in_addresses_needs_approval(
    ada: Client, personas: Personas, sign_in, sign_on
) -> None:
    ada.post(reverse("sso_request_trust"))
    assert not SingleSignOn.objects.get().addresses_verified
    _decide(sign_in(personas.ola), "approve", SignOnRequest.objects.get())
    assert SingleSignOn.objects.get().addresses_verified


def test_customer_success_sees_but_does_not_decide(
    ada: Client, personas: Personas, sign_in, sign_on
) -> None:
    ada.post(reverse("sso_request_domain"), {"domain": "acme.example"})
    cas = sign_in(personas.cas)
    page = cas.get(reverse("admin:signin_signonrequest_changelist")).content.decode()
    assert "the email domain acme.example" in page
    assert "Single sign-on requests (1 open)" in cas.get(reverse("admin:index")).content.decode()
    _decide(cas, "approve", SignOnRequest.objects.get())
    assert not SingleSignOnDomain.objects.exists()


def test_new_issuer_needs_new_approvals(ada: Client, personas: Personas, mocked) -> None:
    other = "https://other-idp.example"
    configure_sso(personas.ada.organization, "acme.example", required=True, addresses_verified=True)
    FakeProvider(mocked)
    document = json.loads(mocked.registered()[0].body) | {"issuer": other}
    mocked.get(f"{other}/.well-known/openid-configuration", json=document)
    ada.post(PAGE, TYPED | {"issuer": other})
    row = SingleSignOn.objects.get()
    assert (row.enabled, row.required, row.addresses_verified) == (False, False, False)
    assert not SingleSignOnDomain.objects.exists()
    requests = SignOnRequest.objects.filter(state="requested").values_list("kind", "domain")
    assert set(requests) == {("domain", "acme.example"), ("addresses_verified", "")}


def test_approval_is_for_the_issuer_on_screen(
    ada: Client, personas: Personas, sign_in, sign_on, mocked
) -> None:
    other = "https://other-idp.example"
    FakeProvider(mocked)
    document = json.loads(mocked.registered()[0].body) | {"issuer": other}
    mocked.get(f"{other}/.well-known/openid-configuration", json=document)
    ada.post(reverse("sso_request_domain"), {"domain": "acme.example"})
    on_screen = SignOnRequest.objects.get()
    ada.post(PAGE, TYPED | {"issuer": other})
    _decide(sign_in(personas.ola), "approve", on_screen)
    assert not SingleSignOnDomain.objects.exists()
    assert SignOnRequest.objects.get().state == "requested"


def test_stored_secret_is_not_sent_to_new_issuer(ada: Client, sign_on) -> None:
    answer = ada.post(PAGE, TYPED | {"issuer": "https://evil.example", "client_secret": ""})
    assert "Enter the client secret." in answer.content.decode()
    assert SingleSignOn.objects.get().server_url == PROVIDER_URL


def test_other_client_id_makes_sign_on_optional(ada: Client, personas: Personas, mocked) -> None:
    FakeProvider(mocked, ADA)
    configure_sso(personas.ada.organization, "acme.example")
    _run_test(ada)
    ada.post(reverse("sso_switch"), {"switch": "required"})
    assert SingleSignOn.objects.get().required
    ada.post(PAGE, TYPED | {"client_id": "other", "client_secret": ""})
    row = SingleSignOn.objects.get()
    assert (row.enabled, row.required, row.is_tested) == (True, False, False)


def test_domain_can_be_removed(ada: Client, personas: Personas) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    ada.post(reverse("sso_remove_domain"), {"domain": "acme.example"})
    assert not SingleSignOnDomain.objects.exists()
    assert _list_verbs() == ["single_sign_on.removed"]


def test_recruiter_cannot_set_it_up(personas: Personas, sign_in) -> None:
    assert sign_in(personas.remy).get(PAGE).status_code == 403


def test_admin_changes_own_customer_only(personas: Personas, sign_in, sign_on) -> None:
    zoe = sign_in(personas.zoe)
    assert zoe.post(reverse("sso_switch"), {"switch": "on"}).status_code == 404
    assert PROVIDER_URL not in _read(zoe)


def test_setup_is_rate_limited(ada: Client, mocked, settings) -> None:
    settings.SIGN_ON_SETUP_LIMIT = (1, 600)
    FakeProvider(mocked)
    ada.post(PAGE, TYPED | {"client_id": ""})
    ada.post(PAGE, TYPED)
    assert "Try again in ten minutes." in ada.post(PAGE, TYPED).content.decode()


def test_local_addresses_are_for_the_demo_only(settings) -> None:
    settings.SINGLE_SIGN_ON_LOCAL_ADDRESSES = True
    settings.INSECURE_COOKIES = False
    assert "portal.E005" in {message.id for message in checks.run_checks()}
    settings.INSECURE_COOKIES = True
    assert "portal.E005" not in {message.id for message in checks.run_checks()}


def test_no_account_is_made_by_a_test(ada: Client, sign_on, mocked) -> None:
    users = User.objects.count()
    FakeProvider(mocked, ADA | {"email": "new@acme.example"})
    _run_test(ada)
    assert User.objects.count() == users
