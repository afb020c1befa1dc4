"""Response headers, cookies, and the requests that the portal refuses."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.demo_process import PROJECT
from tests.factories import PASSWORD
from tests.personas import Personas
from tests.portal.core.test_settings import run_in_production


@pytest.mark.parametrize("name", ["jobs:list", "members:list", "audit:log", "account_email"])
def test_personal_pages_are_not_cached(personas: Personas, sign_in, name: str) -> None:
    assert sign_in(personas.ada).get(reverse(name))["Cache-Control"] == "private, no-store"


def test_csp_forbids_inline_scripts(personas: Personas, sign_in) -> None:
    """No page has an inline script, so the policy needs no nonce either."""
    pages = [("ada", "jobs:list"), ("ada", "onboarding:setup"), ("cas", "admin:index")]
    for name, url_name in pages:
        policy = sign_in(getattr(personas, name)).get(reverse(url_name), follow=True)[
            "Content-Security-Policy"
        ]
        parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert parts["script-src"] == parts["style-src"] == parts["default-src"] == "'self'"
        assert parts["object-src"] == parts["base-uri"] == parts["frame-ancestors"] == "'none'"
        assert parts["form-action"] == "'self'"
        for token in ("unsafe", "nonce", "*", "http"):
            assert token not in policy


def test_page_has_security_headers(personas: Personas, sign_in) -> None:
    page = sign_in(personas.ada).get(reverse("jobs:list"))
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["X-Frame-Options"] == "DENY"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page["Content-Type"] == "text/html; charset=utf-8"


def test_file_upload_refused(personas: Personas, sign_in) -> None:
    file = SimpleUploadedFile("a.txt", b"anything")
    response = sign_in(personas.ada).post(
        reverse("members:list"), {"email": "x@acme.example", "f": file}
    )
    assert response.status_code == 400


def test_huge_form_refused(personas: Personas, sign_in) -> None:
    response = sign_in(personas.ada).post(reverse("members:list"), {"email": "x" * 1_100_000})
    assert response.status_code == 400


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "CONNECT"])
def test_unsupported_method_refused(personas: Personas, sign_in, method: str) -> None:
    for name in ("members:list", "onboarding:credential", "audit:log"):
        assert sign_in(personas.ada).generic(method, reverse(name)).status_code == 405


def test_cross_site_form_refused(personas: Personas) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(personas.ada.user)
    for headers in ({}, {"HX-Request": "true"}):
        response = client.post(
            reverse("members:list"), {"email": "x@acme.example"}, headers=headers
        )
        assert response.status_code == 403


def test_sign_in_redirects_only_within_site(personas: Personas) -> None:
    credentials = {"login": "ada@acme.example", "password": PASSWORD}
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"):
        response = Client().post(
            f"{reverse('account_login')}?next={target}", {**credentials, "next": target}
        )
        assert response.status_code == 302
        assert "evil" not in response.url
        assert response.url.startswith("/")


def test_production_cookies_bound_to_host() -> None:
    process = run_in_production(
        "from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, "
        "s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, "
        "s.SECURE_HSTS_SECONDS, s.SECURE_SSL_REDIRECT, s.DEVICE_COOKIE_NAME)"
    )
    assert process.stdout.split() == [
        "__Host-session", "__Host-csrf", "True", "True", "True", "Lax", "31536000", "True",
        "__Host-device",
    ]  # fmt: skip


def test_scripts_avoid_cookies_and_limit_storage() -> None:
    """Only the theme outlives a tab; what was typed stays in its tab."""
    stored = []
    scripts = list((PROJECT / "static" / "js").glob("*.js"))
    assert scripts
    for path in scripts:
        text = path.read_text()
        assert "document.cookie" not in text, path
        assert "indexedDB" not in text, path
        stored += [
            (path.name, *item) for item in re.findall(r"(\w+Storage)\.setItem\(([^,]+),", text)
        ]
        assert not re.search(r"Storage(\[|\.(?!setItem|getItem|removeItem))", text), path
    assert sorted(stored) == [
        ("form_drafts.js", "sessionStorage", "KEY"),
        ("form_drafts.js", "sessionStorage", "SIGNED_OUT_KEY"),
        ("theme.js", "localStorage", "KEY"),
    ]
