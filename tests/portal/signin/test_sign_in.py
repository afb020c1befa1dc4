"""Coming in and going out."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from tests.cast import Cast
from tests.factories import PASSWORD, UserFactory


def _sign_in(client: Client, email: str, password: str = PASSWORD):
    return client.post(
        reverse("account_login"), {"login": email, "password": password}, follow=True
    )


def test_a_person_signs_in_by_e_mail_without_regard_to_case(client: Client, cast: Cast) -> None:
    page = _sign_in(client, "Remy@ACME.example")
    assert page.redirect_chain[-1][0] == reverse("jobs:list")
    assert "Requisitions" in page.content.decode()


def test_a_wrong_password_is_told_without_saying_which_part_was_wrong(
    client: Client, cast: Cast
) -> None:
    known = _sign_in(client, "remy@acme.example", "not it").content.decode()
    unknown = _sign_in(client, "nobody@acme.example", "not it").content.decode()
    for page in (known, unknown):
        assert "do not belong together" in page


def test_signing_out_ends_the_session(cast: Cast, sign_in) -> None:
    remy = sign_in(cast.remy)
    remy.post(reverse("account_logout"))
    assert remy.get(reverse("jobs:list")).status_code == 302


def test_customer_success_lands_at_its_desk(cast: Cast, sign_in) -> None:
    assert sign_in(cast.cas).get(reverse("home")).url == reverse("admin:index")


def test_somebody_without_an_organization_is_told_so(transactional_db, sign_in) -> None:
    page = sign_in(UserFactory()).get(reverse("jobs:list"))
    assert page.status_code == 403
    assert b"organization" in page.content


@pytest.mark.parametrize("name", ["credential", "permissions", "sync", "live", "setup"])
def test_set_up_is_for_admins_only(cast: Cast, sign_in, name: str) -> None:
    assert sign_in(cast.remy).get(reverse(f"onboarding:{name}")).status_code == 403


def test_a_stranger_is_asked_to_sign_in_and_comes_back(client: Client, cast: Cast) -> None:
    answer = client.get(reverse("jobs:list"))
    assert answer.url == f"{reverse('account_login')}?next={reverse('jobs:list')}"


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/members/?all=1", "/members/?all=1"),
        ("/members/", "/members/"),
        ("http://elsewhere.example/members/", "/"),
        ("//elsewhere.example/", "/"),
        ("", "/"),
    ],
)
def test_a_click_after_the_session_ended_leads_back_to_the_page_it_was_made_on(
    client: Client, cast: Cast, came_from: str, back: str
) -> None:
    for click in (reverse("onboarding:pause"), reverse("members:change", args=[cast.remy.pk])):
        answer = client.post(click, headers={"Referer": came_from} if came_from else {})
        assert unquote(answer.url) == f"{reverse('account_login')}?next={back}"
    right = {"login": "ada@acme.example", "password": PASSWORD}
    page = client.post(answer.url, right, follow=True)
    assert page.status_code == 200
