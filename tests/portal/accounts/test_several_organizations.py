"""People who belong to several organizations: they switch, and no page acts for another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.accounts.access import PAGE_ORGANIZATION_FIELD, PAGE_ORGANIZATION_HEADER
from portal.accounts.models import Membership, Organization
from portal.core.secrets.secret_field import reveal_secret
from portal.members.models import Invitation
from tests.factories import MembershipFactory
from tests.personas import Personas
from tests.portal.signin.fake_provider import (
    FakeProvider,
    configure_sso,
    mock_service,
    sign_in_with_sso,
)

SWITCH = "/organization/"
INVITE = {"email": "new@acme.example", "role": "recruiter"}


@pytest.fixture
def other(personas: Personas) -> Organization:
    """Ada is an admin of Other Inc, too."""
    other = personas.zoe.organization
    MembershipFactory(user=personas.ada.user, organization=other, role="admin")
    return other


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with mock_service() as running:
        yield running


def _read_company(client: Client) -> str:
    return client.get("/members/").context["organization"].name


def test_header_switches_for_this_session_only(personas: Personas, other, sign_in) -> None:
    ada, elsewhere = sign_in(personas.ada), sign_in(personas.ada)
    assert "Switch to Other Inc" in ada.get("/members/").text
    ada.post(SWITCH, {"organization": other.pk})
    assert _read_company(ada) == "Other Inc"
    assert "zoe@other.example" in ada.get("/members/").text
    assert _read_company(elsewhere) == "Acme"


def test_nobody_switches_to_foreign_organization(personas: Personas, sign_in) -> None:
    ada = sign_in(personas.ada)
    for pk in (personas.zoe.organization_id, "0", "x", ""):
        assert ada.post(SWITCH, {"organization": pk}).status_code == 404
    assert _read_company(ada) == "Acme"
    assert "Switch to" not in ada.get("/members/").text


def test_removed_member_returns_to_other_company(personas: Personas, other, sign_in) -> None:
    ada = sign_in(personas.ada)
    ada.post(SWITCH, {"organization": other.pk})
    sign_in(personas.zoe).post(
        f"/members/{Membership.objects.get(user=personas.ada.user, organization=other).pk}/",
        {"remove": "yes"},
    )
    assert _read_company(ada) == "Acme"


def test_form_of_other_company_changes_nothing(personas: Personas, other, sign_in) -> None:
    acme, ada = personas.ada.organization, sign_in(personas.ada)
    field = f'name="{PAGE_ORGANIZATION_FIELD}" value="{acme.pk}"'
    assert field in ada.get("/members/").text
    ada.post(SWITCH, {"organization": other.pk})
    answer = ada.post("/members/", INVITE | {PAGE_ORGANIZATION_FIELD: acme.pk})
    assert answer.status_code == 409
    assert "This page belongs to Acme" in answer.text
    assert not Invitation.objects.exists()
    assert ada.post("/members/", INVITE).status_code == 409
    answer = ada.post("/members/", INVITE | {PAGE_ORGANIZATION_FIELD: other.pk})
    assert answer.status_code == 302
    assert Invitation.objects.get().organization == other


def _list_member_urls(patterns: list, prefix: str = "/") -> Iterator[str]:
    values = {"<id:": "1", "<int:": "1", "<slug:": "x", "<str:": "x"}
    for pattern in patterns:
        url = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _list_member_urls(pattern.url_patterns, url)
        elif isinstance(pattern, URLPattern) and getattr(pattern.callback, "policy", "") in (
            "member",
            "admin",
        ):
            for start, value in values.items():
                while start in url:
                    before, _, rest = url.partition(start)
                    url = before + value + rest.partition(">")[2]
            yield url


MEMBER_URLS = list(_list_member_urls(get_resolver().url_patterns))


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_url_acts_for_page_of_other_company(
    personas: Personas, other, sign_in, method: str
) -> None:
    ada = sign_in(personas.ada)
    assert len(MEMBER_URLS) > 50
    headers = {PAGE_ORGANIZATION_HEADER: str(other.pk), "HX-Request": "true"}
    for url in MEMBER_URLS:
        assert "<" not in url
        assert getattr(ada, method)(url, headers=headers).status_code in (405, 409), url
    if method == "post":
        for url in MEMBER_URLS:
            form = {PAGE_ORGANIZATION_FIELD: str(other.pk)}
            assert ada.post(url, form).status_code in (405, 409), url


def test_invited_colleague_joins_second_company(personas: Personas, sign_in, run_tasks) -> None:
    ada, zoe = sign_in(personas.ada), sign_in(personas.zoe)
    form = {"email": "zoe@other.example", "role": "recruiter"}
    answer = ada.post("/members/", form)
    assert answer.status_code == 422
    assert "with another company" in answer.text
    assert "Other Inc" not in answer.text
    assert 'value="zoe@other.example"' in answer.text
    ada.post("/members/", form | {"confirmed_email": "zoe@other.example"})
    invitation = Invitation.objects.get()
    zoe.post(reverse("members:accept_invitation", args=[reveal_secret(invitation.token)]))
    assert Membership.objects.filter(user=personas.zoe.user).count() == 2
    assert zoe.get("/requisitions/").context["organization"].name == "Acme"


# -- single sign-on --------------------------------------------------------------------------------
@pytest.fixture
def ada_by_sso(personas: Personas, other, mocked: responses.RequestsMock) -> Client:
    """Signed in through Acme's provider, which Acme requires."""
    configure_sso(personas.ada.organization, "acme.example", required=True)
    FakeProvider(mocked, {"sub": "5", "email": "ada@acme.example", "email_verified": True})
    client = Client()
    assert sign_in_with_sso(client, personas.ada.organization).status_code == 302
    return client


def test_sso_session_starts_in_its_company_and_switches(ada_by_sso: Client, other) -> None:
    assert _read_company(ada_by_sso) == "Acme"
    ada_by_sso.post(SWITCH, {"organization": other.pk})
    assert _read_company(ada_by_sso) == "Other Inc"


def test_sso_of_one_company_is_not_enough_for_required_sso(
    personas: Personas, ada_by_sso: Client, other
) -> None:
    ada_by_sso.post(SWITCH, {"organization": other.pk})
    configure_sso(other, "other.example", required=True)
    assert _read_company(ada_by_sso) == "Acme"
    assert "requires its own single sign-on" in ada_by_sso.get("/members/").text
    assert ada_by_sso.post(SWITCH, {"organization": other.pk}).status_code == 404
    assert ada_by_sso.get("/members/", {"organization": other.pk}).status_code == 200
    assert _read_company(ada_by_sso) == "Acme"
    personas.ada.delete()
    answer = ada_by_sso.get("/members/")
    assert answer.status_code == 403
    assert "Other Inc requires its own single sign-on" in answer.text


def test_provider_opens_no_account_of_others_by_invitation(
    personas: Personas, sign_in, mocked: responses.RequestsMock
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example", "other.example", required=True)
    form = {"email": "zoe@other.example", "role": "recruiter"}
    sign_in(personas.ada).post("/members/", form | {"confirmed_email": form["email"]})
    FakeProvider(mocked, {"sub": "6", "email": "zoe@other.example", "email_verified": True})
    client = Client()
    assert sign_in_with_sso(client, acme).status_code == 403
    assert client.get("/members/").status_code == 302
    assert not Membership.objects.filter(user=personas.zoe.user, organization=acme).exists()
