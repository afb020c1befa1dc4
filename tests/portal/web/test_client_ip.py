"""The client's address: which forwarding headers are believed, and by whom it is used."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from portal.audit.models import Entry
from portal.web.client_ip import get_client_ip
from tests.factories import PASSWORD
from tests.personas import Personas
from tests.portal.core.test_settings import run_in_production

PEER = "10.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, None, PEER),
        (0, "203.0.113.7", PEER),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.7, 203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.7,203.0.113.7 ", "203.0.113.7"),
        (2, "198.51.100.7, 203.0.113.7, 192.0.2.1", "203.0.113.7"),
        (2, "203.0.113.7, 192.0.2.1", "203.0.113.7"),
        (2, "203.0.113.7", None),
        (1, None, None),
        (1, "", None),
        (1, "203.0.113.7, ", None),
        (1, "unknown", None),
        (1, "203.0.113.7:4711", None),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
        (1, "2001:DB8::0:1", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_client_ip_counts_hops_from_the_right(
    settings, proxies: int, forwarded: str | None, expected: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=PEER)
    assert get_client_ip(request) == expected


@pytest.mark.parametrize(
    ("proxies", "expected"), [(0, PEER), (1, "203.0.113.7"), (2, "198.51.100.7")]
)
def test_sign_in_records_client_ip(
    personas: Personas, client: Client, settings, proxies: int, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    client.post(
        reverse("account_login"),
        {"login": "remy@acme.example", "password": PASSWORD},
        headers={"X-Forwarded-For": "192.0.2.9, 198.51.100.7, 203.0.113.7"},
        REMOTE_ADDR=PEER,
    )
    assert Entry.objects.get(verb="signin.signed_in").ip_address == expected
    assert personas.remy.user.usersession_set.get().ip == expected


def test_sign_in_needs_a_known_address(personas: Personas, client: Client, settings) -> None:
    settings.TRUSTED_PROXIES = 1
    answer = client.post(
        reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD}
    )
    assert answer.status_code == 403
    assert not Entry.objects.exists()


def test_sign_in_limit_follows_client_ip(personas: Personas, client: Client, settings) -> None:
    settings.TRUSTED_PROXIES = 1
    settings.ACCOUNT_RATE_LIMITS = {"login": "3/m/ip"}

    def post(forwarded: str) -> int:
        return client.post(
            reverse("account_login"),
            {"login": "remy@acme.example", "password": "wrong"},
            headers={"X-Forwarded-For": forwarded},
        ).status_code

    forged = [post(f"192.0.2.{number}, 203.0.113.7") for number in range(4)]
    assert forged == [200, 200, 200, 429]
    assert post("203.0.113.8") == 200


def test_guess_limit_follows_client_ip(personas: Personas, client: Client, settings) -> None:
    settings.TRUSTED_PROXIES = 1
    settings.NOT_FOUND_RATE_LIMITS = {"members:accept_invitation": (2, 600)}

    def get(forwarded: str) -> int:
        link = reverse("members:accept_invitation", args=["guess"])
        return client.get(link, headers={"X-Forwarded-For": forwarded}).status_code

    forged = [get(f"192.0.2.{number}, 203.0.113.7") for number in range(3)]
    assert forged == [410, 410, 429]
    assert get("203.0.113.8") == 410


@pytest.mark.parametrize(("proxies", "secure", "warned"), [("0", False, True), ("1", True, False)])
def test_https_needs_a_trusted_proxy(proxies: str, secure: bool, warned: bool) -> None:
    result = run_in_production(
        "from django.core.checks import run_checks; from django.test import RequestFactory; "
        "request = RequestFactory().get('/', headers={'X-Forwarded-Proto': 'https'}); "
        "warnings = run_checks(include_deployment_checks=True); "
        "print(request.is_secure(), 'portal.W003' in {w.id for w in warnings})",
        TRUSTED_PROXIES=proxies,
    )
    assert result.stdout.split() == [str(secure), str(warned)], result.stderr


@pytest.mark.parametrize("value", ["-1", "true"])
def test_trusted_proxies_must_be_a_number(value: str) -> None:
    ended = run_in_production("", TRUSTED_PROXIES=value)
    assert ended.returncode
    assert "TRUSTED_PROXIES must be a whole number" in ended.stderr
