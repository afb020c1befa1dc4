"""Password resets, sessions, rate limits and one-time codes."""

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

from portal.accounts.models import User
from tests.factories import PASSWORD
from tests.personas import Personas
from tests.queue import run_tasks

NEW = "a-better-lantern-9"


def _sign_in(client: Client, email: str, password: str = PASSWORD):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def _is_signed_in(client: Client) -> bool:
    return client.get(reverse("jobs:list")).status_code == 200


# -- passwords -----------------------------------------------------------------------------------
def _reset_link(client: Client, email: str, mailoutbox: list[EmailMessage]) -> str:
    client.post(reverse("account_reset_password"), {"email": email})
    assert mailoutbox == [], "not within the request"
    run_tasks()
    [link] = re.findall(r"http://testserver(\S+reset/key\S+)", str(mailoutbox[-1].body))
    return str(link)


def _choose_password(client: Client, link: str, password: str) -> None:
    form = client.get(link, follow=True)
    if form.redirect_chain:
        client.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})


def test_reset_link_works_once(
    personas: Personas, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    _choose_password(client, link, NEW)
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 302
    _choose_password(Client(), link, "another-lantern-3")
    assert _sign_in(Client(), "remy@acme.example", "another-lantern-3").status_code == 200


def test_reset_link_expires(
    personas: Personas,
    client: Client,
    mailoutbox: list[EmailMessage],
    advance_clock: Callable[[float], None],
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    advance_clock(61 * 60)
    _choose_password(client, link, NEW)
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 200


def test_reset_link_survives_sign_in_and_ends_with_a_way_on(
    personas: Personas, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    _sign_in(Client(), "remy@acme.example")
    _choose_password(client, link, NEW)
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 302
    page = Client().get(link, follow=True).content.decode()
    assert "This link no longer works" in page
    assert f'href="{reverse("account_reset_password")}"' in page


def test_security_mails_name_product_instead_of_host(
    personas: Personas, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    link = _reset_link(client, "remy@acme.example", mailoutbox)
    _choose_password(client, link, NEW)
    run_tasks()
    reset_mail, changed_mail = mailoutbox
    assert reset_mail.subject == "Reset your Inbound Talent password"
    assert changed_mail.subject == "Inbound Talent: your password was reset"
    for mail in mailoutbox:
        assert "Inbound Talent" in mail.body
        assert "testserver" not in re.sub(r"http://\S+", "", mail.body)
        assert "Hello from" not in mail.body


def test_security_page_asks_again_only_after_a_while(
    personas: Personas, client: Client, advance_clock: Callable[[float], None]
) -> None:
    _sign_in(client, "remy@acme.example")
    address = reverse("mfa_activate_totp")
    assert client.get(address).status_code == 200
    advance_clock(6 * 60)
    assert "Confirm it's you" in client.get(address, follow=True).content.decode()


def test_browser_files_answer_without_sign_in(client: Client) -> None:
    assert client.get("/robots.txt").content == b"User-agent: *\nDisallow: /\n"
    assert client.get("/favicon.ico").url == "/static/img/logo.svg"


def test_reset_page_does_not_reveal_accounts(
    personas: Personas, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    known_account, unknown_account = (
        Client().post(reverse("account_reset_password"), {"email": email}, follow=True)
        for email in ("remy@acme.example", "nobody@acme.example")
    )
    assert known_account.redirect_chain == unknown_account.redirect_chain != []
    token = re.compile(r'(name="csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+')
    pages = {
        token.sub("", page.content.decode().replace("remy@acme", "nobody@acme"))
        for page in (known_account, unknown_account)
    }
    assert len(pages) == 1


def test_new_password_ends_other_sessions(personas: Personas) -> None:
    this_session, other_session = Client(), Client()
    for client in (this_session, other_session):
        _sign_in(client, "remy@acme.example")
    this_session.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )
    assert _is_signed_in(this_session)
    assert not _is_signed_in(other_session)


# -- sessions ------------------------------------------------------------------------------------
def test_other_sessions_can_be_signed_out(personas: Personas) -> None:
    this_session, other_session = Client(), Client()
    for client in (this_session, other_session):
        _sign_in(client, "remy@acme.example")
        assert _is_signed_in(client)
    assert (
        "Sign out other sessions" in this_session.get(reverse("usersessions_list")).content.decode()
    )
    this_session.post(reverse("usersessions_list"))
    assert _is_signed_in(this_session)
    assert not _is_signed_in(other_session)


@pytest.mark.parametrize(
    ("user_agent", "expected_name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/143.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/143.0 Safari/537.36 Edg/143.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
    ],
)
def test_sessions_name_the_browser(personas: Personas, user_agent: str, expected_name: str) -> None:
    client = Client(headers={"user-agent": user_agent})
    _sign_in(client, "remy@acme.example")
    assert f">{expected_name}<" in client.get(reverse("usersessions_list")).content.decode()


def test_session_ends_after_twelve_hours(
    personas: Personas, client: Client, advance_clock: Callable[[float], None]
) -> None:
    _sign_in(client, "remy@acme.example")
    advance_clock(12 * 60 * 60 + 1)
    assert not _is_signed_in(client)


# -- guessing and signing up ---------------------------------------------------------------------
def test_password_guessing_is_rate_limited(personas: Personas, client: Client) -> None:
    for _ in range(10):
        _sign_in(client, "remy@acme.example", "a-wrong-guess")
    page = _sign_in(client, "remy@acme.example")
    assert page.status_code in {200, 429}
    assert "Too many" in page.content.decode()
    assert not _is_signed_in(client)


def _lock_account(email: str) -> None:
    """Guess wrong from other addresses, as somebody who wants to lock the owner out."""
    for guess in range(12):
        address = f"198.51.100.{guess}"
        Client(REMOTE_ADDR=address).post(
            reverse("account_login"), {"login": email, "password": "a-wrong-guess"}
        )


def test_known_device_gets_through_lock(personas: Personas, client: Client) -> None:
    _sign_in(client, "remy@acme.example")
    client.post(reverse("account_logout"))
    _lock_account("remy@acme.example")
    assert "Too many" in _sign_in(Client(), "remy@acme.example").content.decode()
    assert _sign_in(client, "REMY@acme.example").status_code == 302
    assert _is_signed_in(client)


def test_known_device_may_not_guess_forever(personas: Personas, client: Client) -> None:
    _sign_in(client, "remy@acme.example")
    client.post(reverse("account_logout"))
    for _ in range(5):
        _sign_in(client, "remy@acme.example", "a-wrong-guess")
    assert "Too many" in _sign_in(client, "remy@acme.example").content.decode()
    assert _sign_in(Client(), "remy@acme.example").status_code == 302


@pytest.mark.parametrize("forgery", ["{}x", "made-up", "", "[1, 2]"])
def test_device_of_other_account_is_unknown(
    personas: Personas, client: Client, forgery: str
) -> None:
    _sign_in(client, "sam@acme.example")
    client.post(reverse("account_logout"))
    device = client.cookies["device"].value
    assert client.cookies["device"]["httponly"]
    _lock_account("remy@acme.example")
    assert "Too many" in _sign_in(client, "remy@acme.example").content.decode()
    client.cookies["device"] = forgery.format(device)
    assert "Too many" in _sign_in(client, "remy@acme.example").content.decode()


def test_reset_password_gets_through_lock(
    personas: Personas, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    _lock_account("remy@acme.example")
    _choose_password(client, _reset_link(client, "remy@acme.example", mailoutbox), NEW)
    _lock_account("remy@acme.example")
    assert _sign_in(client, "remy@acme.example", NEW).status_code == 302


def test_second_factor_gets_through_lock(personas: Personas, client: Client) -> None:
    _sign_in(client, "remy@acme.example")
    secret = _activate_totp(client)
    _lock_account("remy@acme.example")
    stranger = Client(REMOTE_ADDR="198.51.100.99")
    page = _sign_in(stranger, "remy@acme.example", "a-wrong-guess")
    assert "Too many" in page.content.decode()
    page = _sign_in(stranger, "remy@acme.example")
    assert page.url == reverse("mfa_authenticate")
    assert not _is_signed_in(stranger)
    stranger.post(reverse("mfa_authenticate"), {"code": _current_code(secret)})
    assert _is_signed_in(stranger)


def test_guesses_while_locked_are_limited(personas: Personas, client: Client) -> None:
    _sign_in(client, "remy@acme.example")
    _activate_totp(client)
    _lock_account("remy@acme.example")
    stranger = Client(REMOTE_ADDR="198.51.100.99")
    for _ in range(20):
        _sign_in(stranger, "remy@acme.example", "a-wrong-guess")
    assert "Too many" in _sign_in(stranger, "remy@acme.example").content.decode()


# -- messages and lost cookies -------------------------------------------------------------------
def test_messages_end_with_session(personas: Personas, client: Client) -> None:
    _sign_in(client, "ada@acme.example")
    form = {"email": "nina@acme.example", "role": "recruiter"}
    client.post(reverse("members:list"), form)
    assert "messages" not in client.cookies
    client.post(reverse("account_logout"))
    assert "nina@acme.example" not in client.get(reverse("account_login")).content.decode()
    _sign_in(client, "zoe@other.example")
    assert "nina@acme.example" not in client.get("/notifications/").content.decode()


def test_lost_cookies_lead_to_sign_in(personas: Personas) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(
        reverse("members:list"), {"email": "x@acme.example"},
        headers={"referer": "http://testserver/members/?page=2"},
    )  # fmt: skip
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "You're signed out" in page
    assert "try" not in page.split("<main")[1].lower().replace("entry", "")
    assert f"{reverse('account_login')}?next=/members/%3Fpage%3D2" in page


def test_stale_page_asks_to_try_again(personas: Personas) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(personas.ada.user)
    page = client.post(reverse("members:list"), {"email": "x@acme.example"}).content.decode()
    assert "Reload the page and try again" in page
    assert "signed out" not in page.split("</main>")[0]


def test_sign_up_is_closed(personas: Personas, client: Client) -> None:
    form = {"email": "stranger@acme.example", "password1": NEW, "password2": NEW}
    page = client.post(reverse("account_signup"), form)
    assert not _is_signed_in(client)
    assert "You need an invitation" in page.content.decode()
    assert not User.objects.filter(email="stranger@acme.example").exists()


# -- one-time codes ------------------------------------------------------------------------------
def _current_code(secret: str) -> str:
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def _activate_totp(client: Client) -> str:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    assert (
        client.post(reverse("mfa_activate_totp"), {"code": _current_code(secret)}).status_code
        == 302
    )
    return str(secret)


def test_one_time_code_is_required_at_sign_in(
    personas: Personas, advance_clock: Callable[[float], None]
) -> None:
    remy = Client()
    _sign_in(remy, "remy@acme.example")
    secret = _activate_totp(remy)
    advance_clock(60)
    second_client = Client()
    assert _sign_in(second_client, "remy@acme.example").url == reverse("mfa_authenticate")
    assert not _is_signed_in(second_client)
    second_client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert not _is_signed_in(second_client)
    second_client.post(reverse("mfa_authenticate"), {"code": _current_code(secret)})
    assert _is_signed_in(second_client)


def test_admin_site_requires_one_time_code(
    personas: Personas, advance_clock: Callable[[float], None]
) -> None:
    cas = Client()
    _sign_in(cas, "cas@portal.example")
    _activate_totp(cas)
    advance_clock(60)
    second_client = Client()
    _sign_in(second_client, "cas@portal.example")
    answer = second_client.get(reverse("admin:index"))
    assert answer.status_code == 302
    assert reverse("account_login") in second_client.get(reverse("admin:login")).url


def test_totp_secret_encrypted_and_rekeyed(
    personas: Personas, settings: Settings, monkeypatch: pytest.MonkeyPatch, advance_clock
) -> None:
    remy = Client()
    _sign_in(remy, "remy@acme.example")
    secret = _activate_totp(remy)
    assert not [
        authenticator
        for authenticator in Authenticator.objects.all()
        if secret in str(authenticator.data)
    ]

    new_key = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [new_key, *settings.FIELD_ENCRYPTION_KEY]
    keys = MultiFernet([Fernet(key) for key in settings.FIELD_ENCRYPTION_KEY])
    monkeypatch.setattr(encrypted, "CRYPTER", keys)
    call_command("reencrypt_secrets", stdout=StringIO())
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(new_key)]))
    advance_clock(60)
    second_client = Client()
    _sign_in(second_client, "remy@acme.example")
    second_client.post(reverse("mfa_authenticate"), {"code": _current_code(secret)})
    assert _is_signed_in(second_client)
