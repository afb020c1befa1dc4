"""What each answer tells the browser, and what the portal takes in."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.cast import Cast
from tests.factories import PASSWORD
from tests.launched import PROJECT
from tests.portal.core.test_settings import production


@pytest.mark.parametrize("name", ["jobs:list", "members:list", "audit:log", "account_email"])
def test_a_readers_own_pages_are_kept_by_no_cache(cast: Cast, sign_in, name: str) -> None:
    assert sign_in(cast.ada).get(reverse(name))["Cache-Control"] == "private, no-store"


def test_the_policy_allows_no_inline_script_not_even_with_a_nonce(cast: Cast, sign_in) -> None:
    """There is none, so no nonce is needed: a policy without one cannot be got around by it."""
    pages = [("ada", "jobs:list"), ("ada", "onboarding:setup"), ("cas", "admin:index")]
    for who, name in pages:
        policy = sign_in(getattr(cast, who)).get(reverse(name), follow=True)[
            "Content-Security-Policy"
        ]
        parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert parts["script-src"] == parts["style-src"] == parts["default-src"] == "'self'"
        assert parts["object-src"] == parts["base-uri"] == parts["frame-ancestors"] == "'none'"
        assert parts["form-action"] == "'self'"
        for word in ("unsafe", "nonce", "*", "http"):
            assert word not in policy


def test_each_page_says_how_it_may_be_used(cast: Cast, sign_in) -> None:
    page = sign_in(cast.ada).get(reverse("jobs:list"))
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["X-Frame-Options"] == "DENY"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page["Content-Type"] == "text/html; charset=utf-8"


def test_no_file_is_taken_in(cast: Cast, sign_in) -> None:
    file = SimpleUploadedFile("a.txt", b"anything")
    answer = sign_in(cast.ada).post(reverse("members:list"), {"email": "x@acme.example", "f": file})
    assert answer.status_code == 400


def test_a_huge_form_is_refused(cast: Cast, sign_in) -> None:
    answer = sign_in(cast.ada).post(reverse("members:list"), {"email": "x" * 1_100_000})
    assert answer.status_code == 400


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "CONNECT"])
def test_other_methods_do_nothing(cast: Cast, sign_in, method: str) -> None:
    for name in ("members:list", "onboarding:credential", "audit:log"):
        assert sign_in(cast.ada).generic(method, reverse(name)).status_code == 405


def test_a_form_from_elsewhere_is_refused(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ada.user)
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.post(reverse("members:list"), {"email": "x@acme.example"}, headers=headers)
        assert answer.status_code == 403


def test_signing_in_leads_to_no_other_host(cast: Cast) -> None:
    told = {"login": "ada@acme.example", "password": PASSWORD}
    for there in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"):
        answer = Client().post(f"{reverse('account_login')}?next={there}", {**told, "next": there})
        assert answer.status_code == 302
        assert "evil" not in answer.url
        assert answer.url.startswith("/")


def test_cookies_in_production_are_this_hosts_own() -> None:
    told = production(
        "from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, "
        "s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, "
        "s.SECURE_HSTS_SECONDS, s.SECURE_SSL_REDIRECT)"
    )
    assert told.stdout.split() == [
        "__Host-session", "__Host-csrf", "True", "True", "True", "Lax", "31536000", "True"
    ]  # fmt: skip


def test_no_script_reads_the_csrf_cookie_or_keeps_anything_of_candidates() -> None:
    """The token stands in the page; the browser's storage holds how the page looks, no more."""
    for path in (PROJECT / "static" / "js").glob("*.js"):
        text = path.read_text()
        assert "document.cookie" not in text, path
