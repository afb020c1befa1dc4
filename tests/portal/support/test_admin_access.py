"""Access to the admin site: its address, network restriction and one-time codes."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from tests.personas import Personas
from tests.portal.core.test_settings import run_in_production

NETWORKS = [ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")]


def test_admin_opens_everywhere_without_networks(personas: Personas, sign_in) -> None:
    assert sign_in(personas.cas).get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("address", ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8::1"])
def test_admin_opens_from_allowed_network(
    personas: Personas, sign_in, settings, address: str
) -> None:
    settings.ADMIN_NETWORKS = NETWORKS
    page = sign_in(personas.cas).get(reverse("admin:index"), REMOTE_ADDR=address)
    assert page.status_code == 200


@pytest.mark.parametrize("address", ["203.0.113.7", "", "nonsense"])
@pytest.mark.parametrize("name", ["admin:index", "admin:login", "admin:accounts_user_changelist"])
def test_admin_returns_404_from_other_network(
    personas: Personas, sign_in, settings, address: str, name: str
) -> None:
    settings.ADMIN_NETWORKS = NETWORKS
    cas = sign_in(personas.cas)
    assert cas.get(reverse(name), REMOTE_ADDR=address).status_code == 404
    assert (
        cas.get(reverse("home"), REMOTE_ADDR=address).status_code == 302
    )  # the portal itself stays open


def test_gate_ignores_forged_addresses(personas: Personas, sign_in, settings) -> None:
    settings.ADMIN_NETWORKS = NETWORKS
    cas, inside, outside = sign_in(personas.cas), "198.51.100.7", "203.0.113.7"
    request = {"path": reverse("admin:index")}
    assert cas.get(**request, REMOTE_ADDR=outside, HTTP_X_FORWARDED_FOR=inside).status_code == 404
    for proxies, forwarded, status in (
        (1, f"{inside}, {outside}", 404),
        (1, f"{outside}, {inside}", 200),
        (2, f"{inside}, {outside}, {inside}", 404),
        (2, f"{outside}, {inside}, {outside}", 200),
        (2, inside, 404),
    ):
        settings.TRUSTED_PROXIES = proxies
        answer = cas.get(**request, REMOTE_ADDR=inside, HTTP_X_FORWARDED_FOR=forwarded)
        assert answer.status_code == status, (proxies, forwarded)
    assert cas.get(**request, REMOTE_ADDR=inside).status_code == 404  # not from the proxy's address


def test_staff_without_code_sent_to_activation(personas: Personas, sign_in, settings) -> None:
    settings.STAFF_ONE_TIME_CODES = True
    cas = sign_in(personas.cas)
    assert cas.get(reverse("admin:index")).url == reverse("mfa_activate_totp")
    assert cas.post(reverse("admin:logout")).status_code != 404
    cas = sign_in(personas.cas)
    Authenticator.objects.create(user=personas.cas, type="totp", data={})
    assert cas.get(reverse("admin:index")).status_code == 200


def test_customers_need_no_one_time_code(personas: Personas, sign_in, settings) -> None:
    settings.STAFF_ONE_TIME_CODES = True
    assert sign_in(personas.ada).get(reverse("jobs:list")).status_code == 200


def test_admin_path_is_configurable() -> None:
    code = "from django.urls import reverse; print(reverse('admin:index'))"
    assert run_in_production(code, ADMIN_PATH="/desk-4711/").stdout.strip() == "/desk-4711/"


def test_invalid_network_prevents_startup() -> None:
    process = run_in_production("", ADMIN_NETWORKS="10.0.0.0/8,our-office")
    assert process.returncode
    assert "ADMIN_NETWORKS: 'our-office'" in process.stderr
