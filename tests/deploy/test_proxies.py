"""The proxy configurations in docs/deploy, run by the real programs in front of a real gunicorn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as test_settings
from django.conf.global_settings import PASSWORD_HASHERS
from django.test import Client
from django.urls import reverse

from portal.audit.models import Entry
from tests.demo_process import find_free_port
from tests.deploy.proxies import (
    HOST,
    STAFF_NETWORK,
    Proxy,
    run_gunicorn,
    run_proxy,
)
from tests.factories import PASSWORD
from tests.personas import Personas

STAFF_ADDRESS, OTHER_ADDRESS = "127.0.0.70", "127.0.0.5"
FORGED = {
    "X-Forwarded-For": STAFF_ADDRESS,
    "X_Forwarded_For": STAFF_ADDRESS,
    "X-Real-IP": STAFF_ADDRESS,
    "Forwarded": f"for={STAFF_ADDRESS}",
}
CSRF_TOKEN = "a" * 32

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("proxies")]

PROGRAMS = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("nginx", "caddy")]


@pytest.fixture(scope="module")
def portal_port(
    django_db_setup: None, static_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("portal")
    trusted = {"TRUSTED_PROXIES": "1", "ADMIN_NETWORKS": STAFF_NETWORK}
    with run_gunicorn(folder, static_root, **trusted) as port:
        yield port


@pytest.fixture(scope="module", params=PROGRAMS)
def proxy(
    request: pytest.FixtureRequest, portal_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp(request.param)
    with run_proxy(request.param, folder, f"127.0.0.1:{portal_port}") as running:
        yield running


@pytest.fixture
def people(transactional_db: None, personas: Personas) -> Personas:
    """The cast, committed: another process serves them."""
    return personas


def _cookies_of(client: Client) -> dict[str, str]:
    return {"__Host-session": client.cookies[test_settings.SESSION_COOKIE_NAME].value}


def test_pages_work_over_https(proxy: Proxy, people: Personas, sign_in) -> None:
    with proxy.client() as browser:
        browser.cookies.update(_cookies_of(sign_in(people.remy)))
        page = browser.get(reverse("jobs:list"))
    assert page.status_code == 200
    assert "Requisitions" in page.text


def test_plain_http_redirects_to_https(proxy: Proxy) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{proxy.http_port}/accounts/login/?next=/",
        headers={"Host": HOST, "X-Forwarded-Proto": "https"},
    )
    assert answer.status_code in {301, 308}
    assert httpx.URL(answer.headers["Location"]).copy_with(port=None) == (
        f"https://{HOST}/accounts/login/?next=/"
    )


def test_admin_opens_from_its_network_only(proxy: Proxy, people: Personas, sign_in) -> None:
    session = _cookies_of(sign_in(people.cas))
    for source, headers, status in (
        (STAFF_ADDRESS, {}, 200),
        (STAFF_ADDRESS, {"X-Forwarded-For": "203.0.113.7"}, 200),
        (OTHER_ADDRESS, {}, 404),
        (OTHER_ADDRESS, FORGED, 404),
        (OTHER_ADDRESS, {"X-Forwarded-For": f"{STAFF_ADDRESS}, {STAFF_ADDRESS}"}, 404),
    ):
        with proxy.client(source, **headers) as browser:
            browser.cookies.update(session)
            assert browser.get(reverse("admin:index")).status_code == status, (source, headers)


def test_recorded_address_cannot_be_forged(proxy: Proxy, people: Personas, settings) -> None:
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    people.remy.user.set_password(PASSWORD)
    people.remy.user.save()
    with proxy.client(OTHER_ADDRESS, Origin=f"https://{HOST}", **FORGED) as browser:
        page = browser.get(reverse("account_login"))
        answer = browser.post(
            reverse("account_login"),
            data={
                "login": people.remy.user.email,
                "password": PASSWORD,
                "csrfmiddlewaretoken": browser.cookies["__Host-csrf"],
            },
        )
    assert (page.status_code, answer.status_code) == (200, 302)
    assert Entry.objects.get(verb="signin.signed_in").ip_address == OTHER_ADDRESS
    assert UserSession.objects.get().ip == OTHER_ADDRESS


def test_rate_limit_cannot_be_evaded(proxy: Proxy, people: Personas) -> None:
    tries, _ = test_settings.NOT_FOUND_RATE_LIMITS["members:accept_invitation"]
    source = f"127.0.1.{proxy.https_port % 200 + 1}"  # counted apart from other tests
    with proxy.client(source) as browser:
        statuses = [
            browser.get(
                reverse("members:accept_invitation", args=[f"guess-{number}"]),
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            ).status_code
            for number in range(tries + 1)
        ]
    assert statuses == [410] * tries + [429]


def test_request_path_cannot_be_replaced(proxy: Proxy) -> None:
    for headers in ({"PATH_INFO": "/readyz"}, {"SCRIPT_NAME": "/elsewhere"}):
        with proxy.client() as browser:
            answer = browser.get("/healthz", headers=headers)
        assert answer.status_code == 200, headers
        assert answer.text.startswith("ok\n"), headers


def test_request_id_is_not_the_clients(proxy: Proxy) -> None:
    with proxy.client() as browser:
        answer = browser.get("/healthz", headers={"X-Request-ID": "chosen-by-the-client"})
    assert answer.headers["X-Request-ID"] != "chosen-by-the-client"
    assert len(answer.headers["X-Request-ID"]) >= 32  # the proxy's; the portal's own is shorter


def test_other_hosts_are_not_served(proxy: Proxy) -> None:
    with proxy.client() as browser:
        try:
            answer = browser.get(reverse("account_login"), headers={"Host": "evil.example"})
        except httpx.RemoteProtocolError:
            return  # closed without an answer
    assert "Sign in" not in answer.text


def test_large_bodies_are_refused(proxy: Proxy) -> None:
    with proxy.client(Origin=f"https://{HOST}") as browser:
        browser.cookies["__Host-csrf"] = CSRF_TOKEN
        answer = browser.post(reverse("account_login"), content=b"x" * (1024 * 1024 + 1))
    assert answer.status_code in {413, 502}  # Caddy 2.6 answers 502; the portal would 400


def test_slow_bodies_occupy_no_thread(proxy: Proxy) -> None:
    head = (
        f"POST {reverse('account_login')} HTTP/1.1\nHost: {HOST}\nOrigin: https://{HOST}\n"
        f"Cookie: __Host-csrf={CSRF_TOKEN}\nContent-Length: 100000\n"
        f"Content-Type: application/x-www-form-urlencoded\n\nlogin={'x' * 50_000}"
    )
    with ExitStack() as stack:
        for _ in range(4):  # gunicorn has two threads
            stack.enter_context(proxy.send_unfinished(head))
        with proxy.client() as browser:
            assert browser.get(reverse("account_login")).status_code == 200


@pytest.mark.parametrize("program", PROGRAMS)
def test_errors_log_no_addresses(program: str, tmp_path) -> None:
    with run_proxy(program, tmp_path, f"127.0.0.1:{find_free_port()}") as running:
        with running.client() as browser:
            answer = browser.get("/invitations/a-live-token/?q=Jane+Doe")
        assert answer.status_code == 502
    assert "Jane" not in running.log.read_text()
    assert "a-live-token" not in running.log.read_text()
