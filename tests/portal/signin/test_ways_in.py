"""Resets, one-time codes, sessions, and too many tries."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from cryptography.fernet import Fernet, MultiFernet
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from encrypted_model_fields import fields as encrypted
from pytest_django import Settings

from tests.cast import Cast
from tests.factories import PASSWORD

NEW = "a-better-lantern-9"


def _sign_in(client: Client, email: str, password: str = PASSWORD):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def _is_in(client: Client) -> bool:
    return client.get(reverse("jobs:list")).status_code == 200


# -- a new password ------------------------------------------------------------------------------
def _reset_link(client: Client, email: str, mailoutbox: list[EmailMessage]) -> str:
    client.post(reverse("account_reset_password"), {"email": email})
    [link] = re.findall(r"http://testserver(\S+reset/key\S+)", str(mailoutbox[-1].body))
    return str(link)


def _choose(client: Client, link: str, password: str) -> None:
    form = client.get(link, follow=True)
    if form.redirect_chain:
        client.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})


def test_a_reset_link_works_once(
    cast: Cast, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    _choose(client, link, NEW)
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 302
    _choose(Client(), link, "another-lantern-3")
    assert _sign_in(Client(), "remy@acme.example", "another-lantern-3").status_code == 200


def test_a_reset_link_expires(
    cast: Cast,
    client: Client,
    mailoutbox: list[EmailMessage],
    later: Callable[[float], None],
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    later(61 * 60)
    _choose(client, link, NEW)
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 200


def test_the_page_does_not_tell_who_has_an_account(
    cast: Cast, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    known = client.post(reverse("account_reset_password"), {"email": "remy@acme.example"})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@acme.example"})
    assert known.status_code == unknown.status_code == 302
    assert known.url == unknown.url


def test_a_new_password_ends_the_other_sessions(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        _sign_in(client, "remy@acme.example")
    here.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )
    assert _is_in(here)
    assert not _is_in(elsewhere)


# -- sessions ------------------------------------------------------------------------------------
def test_signing_out_elsewhere_keeps_only_this_session(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        _sign_in(client, "remy@acme.example")
        assert _is_in(client)
    assert "Sign Out Other Sessions" in here.get(reverse("usersessions_list")).content.decode()
    here.post(reverse("usersessions_list"))
    assert _is_in(here)
    assert not _is_in(elsewhere)


def test_a_session_ends_after_half_a_day(
    cast: Cast, client: Client, later: Callable[[float], None]
) -> None:
    _sign_in(client, "remy@acme.example")
    later(12 * 60 * 60 + 1)
    assert not _is_in(client)


# -- too many tries ------------------------------------------------------------------------------
def test_guessing_is_stopped_soon_even_when_the_guess_gets_right(
    cast: Cast, client: Client
) -> None:
    for _ in range(10):
        _sign_in(client, "remy@acme.example", "a-wrong-guess")
    page = _sign_in(client, "remy@acme.example")
    assert page.status_code in {200, 429}
    assert "Too many" in page.content.decode()
    assert not _is_in(client)


def test_nobody_signs_up_alone(cast: Cast, client: Client) -> None:
    new = {"email": "stranger@acme.example", "password1": NEW, "password2": NEW}
    page = client.post(reverse("account_signup"), new)
    assert not _is_in(client)
    assert "closed" in page.content.decode().lower()


# -- one-time codes ------------------------------------------------------------------------------
def _code(secret: str) -> str:
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def _switch_on(client: Client) -> str:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    assert client.post(reverse("mfa_activate_totp"), {"code": _code(secret)}).status_code == 302
    return str(secret)


def test_with_a_one_time_code_the_password_alone_opens_nothing(
    cast: Cast, later: Callable[[float], None]
) -> None:
    remy = Client()
    _sign_in(remy, "remy@acme.example")
    secret = _switch_on(remy)
    later(60)
    again = Client()
    assert _sign_in(again, "remy@acme.example").url == reverse("mfa_authenticate")
    assert not _is_in(again)
    again.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert not _is_in(again)
    again.post(reverse("mfa_authenticate"), {"code": _code(secret)})
    assert _is_in(again)


def test_the_admin_asks_for_the_code_too(cast: Cast, later: Callable[[float], None]) -> None:
    cas = Client()
    _sign_in(cas, "cas@portal.example")
    _switch_on(cas)
    later(60)
    again = Client()
    _sign_in(again, "cas@portal.example")
    answer = again.get(reverse("admin:index"))
    assert answer.status_code == 302
    assert reverse("account_login") in again.get(reverse("admin:login")).url


def test_its_secret_lies_encrypted_and_moves_to_a_new_key(
    cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch, later
) -> None:
    remy = Client()
    _sign_in(remy, "remy@acme.example")
    secret = _switch_on(remy)
    assert not [one for one in Authenticator.objects.all() if secret in str(one.data)]

    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [new, *settings.FIELD_ENCRYPTION_KEY]
    keys = MultiFernet([Fernet(key) for key in settings.FIELD_ENCRYPTION_KEY])
    monkeypatch.setattr(encrypted, "CRYPTER", keys)
    call_command("reencrypt", stdout=StringIO())
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(new)]))
    later(60)
    again = Client()
    _sign_in(again, "remy@acme.example")
    again.post(reverse("mfa_authenticate"), {"code": _code(secret)})
    assert _is_in(again)
