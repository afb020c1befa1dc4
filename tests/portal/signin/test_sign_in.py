"""Signing in and out."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import PASSWORD, UserFactory
from tests.personas import Personas


def _sign_in(client: Client, email: str, password: str = PASSWORD):
    return client.post(
        reverse("account_login"), {"login": email, "password": password}, follow=True
    )


def test_email_is_case_insensitive(client: Client, personas: Personas) -> None:
    page = _sign_in(client, "Remy@ACME.example")
    assert page.redirect_chain[-1][0] == reverse("jobs:list")
    assert "Requisitions" in page.content.decode()


def test_wrong_password_does_not_reveal_account(client: Client, personas: Personas) -> None:
    known_account, unknown_account = (
        re.sub(r'(name="csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+', "", page).replace(
            email, "the address"
        )
        for email in ("remy@acme.example", "nobody@acme.example")
        for page in [_sign_in(client, email, "not it").content.decode()]
    )
    assert "Incorrect email or password" in known_account
    assert known_account == unknown_account


def test_sign_out_ends_session(personas: Personas, sign_in) -> None:
    remy = sign_in(personas.remy)
    remy.post(reverse("account_logout"))
    assert remy.get(reverse("jobs:list")).status_code == 302


def test_csm_lands_in_admin_site(personas: Personas, sign_in) -> None:
    assert sign_in(personas.cas).get(reverse("home")).url == reverse("admin:index")


def test_user_without_organization_is_told(transactional_db, sign_in) -> None:
    page = sign_in(UserFactory()).get(reverse("jobs:list"))
    assert page.status_code == 403
    assert b"a member of a company yet" in page.content


@pytest.mark.parametrize("name", ["credential", "permissions", "sync", "live", "setup"])
def test_setup_is_for_admins_only(personas: Personas, sign_in, name: str) -> None:
    assert sign_in(personas.remy).get(reverse(f"onboarding:{name}")).status_code == 403


def test_anonymous_visitor_returns_after_login(client: Client, personas: Personas) -> None:
    answer = client.get(reverse("jobs:list"))
    assert answer.url == f"{reverse('account_login')}?next={reverse('jobs:list')}"


@pytest.mark.parametrize(
    ("referer", "next_path"),
    [
        ("http://testserver/members/?all=1", "/members/?all=1"),
        ("/members/", "/members/"),
        ("http://elsewhere.example/members/", "/"),
        ("//elsewhere.example/", "/"),
        ("", "/"),
    ],
)
def test_post_after_session_end_returns_to_its_page(
    client: Client, personas: Personas, referer: str, next_path: str
) -> None:
    for url in (
        reverse("onboarding:pause"),
        reverse("members:update_member", args=[personas.remy.pk]),
    ):
        answer = client.post(url, headers={"Referer": referer} if referer else {})
        assert unquote(answer.url) == f"{reverse('account_login')}?next={next_path}"
    credentials = {"login": "ada@acme.example", "password": PASSWORD}
    page = client.post(answer.url, credentials, follow=True)
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("headers", "next_path"),
    [
        ({}, "/setup/credential/?from=start"),
        ({"HX-Current-URL": "http://testserver/setup/permissions/"}, "/setup/permissions/"),
        ({"HX-Current-URL": "http://elsewhere.example/"}, "/setup/credential/?from=start"),
    ],
)
def test_form_with_own_page_returns_there(
    client: Client, personas: Personas, headers: dict[str, str], next_path: str
) -> None:
    url = f"{reverse('onboarding:credential')}?from=start"
    answer = client.post(url, headers=headers)
    assert unquote(answer.url) == f"{reverse('account_login')}?next={next_path}"


def test_lost_cookies_return_to_form_without_referer(personas: Personas) -> None:
    page = Client(enforce_csrf_checks=True).post(reverse("onboarding:credential"))
    sign_in_url = f"{reverse('account_login')}?next={reverse('onboarding:credential')}"
    assert f'href="{sign_in_url}" data-sign-in-again' in page.content.decode()
