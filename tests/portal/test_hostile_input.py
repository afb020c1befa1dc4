"""Hostile values in every path, query parameter and form field, as every role: never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import Resolver404, URLPattern, resolve, reverse
from django.urls.converters import IntConverter
from django.utils.encoding import repercent_broken_unicode

from portal.sync.models import Application
from portal.webhooks.endpoint import create_endpoint
from tests.personas import Personas
from tests.portal import url_crawler

HOSTILE_PATHS = [
    "9223372036854775808",
    "1" + "0" * 29,
    "0",
    "-1",
    "%00",
    "a%00b",
    "%ED%A0%80",
    "１２",
]
HOSTILE_VALUES = [
    "9223372036854775808",
    "1" + "0" * 29,
    "-1",
    "\0",
    "a\0b@acme.example",
    "１２",
    "1e3",
    "NaN",
    "\ufeff1",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59",
    "a\r\nb: c",
    "[" * 2000,
    "WyIxMDAiLCAxXQ",
    "x" * 5000,
]
ROLES = ["ada", "remy", "zoe", "uma", "cas", "ola", ""]
_NAME = re.compile(r"""<(?:input|select|textarea|button)\b[^>]*\bname="([^"]+)\"""")
_PARAMETER = re.compile(r"""[?&](?:amp;)?([a-z_]+)=""")
_COMMON = {"q", "page", "after", "before", "next", "origin", "list_query", "stage", "status"}
_COMMON |= {"selected", "all_matching", "application", "return_to", "key", "position", "state"}
_COMMON |= {"source", "days", "applied_from", "applied_to", "custom", "answer", "sort", "filters"}
_COMMON |= {"code", "job", "about", "kind", "user", "user_page", "version", "role", "action"}


@pytest.fixture
def addresses(connect, personas: Personas) -> dict[str, str]:
    connection = connect()
    create_endpoint(connection, by=personas.ada.user, request=None)
    application = (
        Application.objects.filter(status="active", job__status="open", candidate__private=False)
        .select_related("job", "candidate", "connection")
        .first()
    )
    urls = url_crawler.build_urls(url_crawler.create_url_arguments(application, personas.ada))
    for name, entry in url_crawler.iterate_url_patterns():
        if name in url_crawler.PUBLIC_URL_NAMES:
            urls[name] = reverse(name, kwargs=dict.fromkeys(entry.pattern.converters, "x"))
    return urls


def _open_browser(personas: Personas, sign_in, role: str) -> Client:
    client = sign_in(getattr(personas, role)) if role else Client()
    client.raise_request_exception = False
    return client


def _request(client: Client, method: str, address: str, data: Any = None) -> Any:
    """A request whose changes are taken back, so that each finds the same rows."""
    with transaction.atomic():
        response = getattr(client, method)(address, data)
        transaction.set_rollback(True)
    return response


def _find_names(page: Any) -> set[str]:
    if page.streaming or "html" not in page.headers.get("Content-Type", ""):
        return _COMMON
    text = page.content.decode()
    return _COMMON | set(_NAME.findall(text)) | set(_PARAMETER.findall(text))


def _iterate_hostile_paths(address: str) -> Iterator[tuple[str, str]]:
    """The value and the address with that value in one place, for each place."""
    segments = address.split("/")
    for place, segment in enumerate(segments):
        if segment.isdigit() or segment in ("x", "jobs.list", "switch"):
            for value in HOSTILE_PATHS:
                yield value, "/".join([*segments[:place], value, *segments[place + 1 :]])


def _has_view(path: str) -> bool:
    try:
        resolve(repercent_broken_unicode(unquote_to_bytes(path)).decode())
    except Resolver404:
        return False
    return True


@pytest.mark.slow("asks every address for each class of value")
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role or "anonymous")
def test_hostile_paths_are_never_a_500(
    addresses: dict[str, str], personas: Personas, sign_in, role: str
) -> None:
    client = _open_browser(personas, sign_in, role)
    failed, unknown_values = set(), set()
    for name, address in addresses.items():
        methods = ["get", "post"]
        paths = list(_iterate_hostile_paths(address))
        for value, path in paths if role == "ada" else paths[:: len(ROLES)]:
            if not _has_view(path):  # the same answer whichever address it stands in
                if value in unknown_values:
                    continue
                unknown_values.add(value)
            failed |= {(name, *case) for case in _list_failures(client, methods, path)}
    assert not failed
    assert unknown_values


def _list_failures(
    client: Client, methods: list[str], path: str, data: Any = None
) -> Iterator[tuple[str, str]]:
    """Ask with each method; forget those that the address refuses."""
    for method in list(methods):
        status = _request(client, method, path, data).status_code
        if status == 405:
            methods.remove(method)
        elif status >= 500:
            yield method, path


@pytest.mark.slow("fills every form with each class of value")
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role or "anonymous")
def test_hostile_values_are_never_a_500(
    addresses: dict[str, str], personas: Personas, sign_in, role: str
) -> None:
    client = _open_browser(personas, sign_in, role)
    # Each address gets some of the values in turn; fewer from others, who see few pages.
    stride = 2 if role == "ada" else 8
    failed = set()
    for place, (name, address) in enumerate(addresses.items()):
        methods = ["get", "post"]
        names = _find_names(_request(client, "get", address))
        for value in HOSTILE_VALUES[place % stride :: stride]:
            data = dict.fromkeys(names, value)
            for method, _ in _list_failures(client, methods, address, data):
                if name not in ("readyz", "healthz"):
                    failed.add((name, method, value[:40]))
    assert not failed


ADMIN_NAMES = {"q", "o", "p", "e", "all", "_to_field", "_popup", "_changelist_filters", "customer"}
ADMIN_NAMES |= {"action", "_selected_action", "select_across", "app_label", "model_name", "term"}
ADMIN_NAMES |= {"field_name", "before", "kind", "reason", "email", "job", "post"}


@pytest.fixture
def admin_addresses(addresses: dict[str, str], personas: Personas) -> dict[str, str]:
    """Every address of the admin, about a row of its model where there is one."""
    urls = url_crawler.build_admin_urls()
    for model in admin.site._registry:
        row = model._default_manager.order_by("pk").first()
        for page in ("change", "delete", "history"):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
            if row is not None and name in urls:
                urls[name] = reverse(name, args=[row.pk])
    urls.pop("admin:logout")
    return urls


def _list_filter_names(model_admin: Any) -> set[str]:
    """The query parameters of a list's filters."""
    filters = [entry[0] if isinstance(entry, tuple) else entry for entry in model_admin.list_filter]
    names = {getattr(entry, "parameter_name", entry) for entry in filters}
    texts = {name for name in names if isinstance(name, str)}
    return texts | {f"{name}__exact" for name in texts} | {f"{name}__id__exact" for name in texts}


ALL_FILTER_NAMES = set[str]().union(*map(_list_filter_names, admin.site._registry.values()))


@pytest.mark.slow("asks the admin for each class of value")
@pytest.mark.parametrize(("role", "stride"), [("ola", 16), ("cas", 16)])
def test_hostile_values_in_admin_are_never_a_500(
    admin_addresses: dict[str, str], personas: Personas, sign_in, role: str, stride: int
) -> None:
    client = _open_browser(personas, sign_in, role)
    failed = set()
    for place, (name, address) in enumerate(admin_addresses.items()):
        names = _find_names(_request(client, "get", address)) | ADMIN_NAMES
        names |= ALL_FILTER_NAMES if name.endswith("_changelist") else set()
        for value in HOSTILE_VALUES[place % stride :: stride]:
            for method in ("get", "post"):
                response = _request(client, method, address, dict.fromkeys(names, value))
                if response.status_code >= 500:
                    failed.add((name, method, value[:40]))
        for _, path in list(_iterate_hostile_paths(address))[place % stride :: stride]:
            if _request(client, "get", path).status_code >= 500:
                failed.add((name, "get", path))
    assert not failed


@pytest.mark.slow("asks each list of the admin for each parameter alone")
def test_hostile_filters_in_admin_are_never_a_500(
    admin_addresses: dict[str, str], personas: Personas, sign_in
) -> None:
    """One parameter at a time, because the first odd one ends a list's work."""
    client = _open_browser(personas, sign_in, "ola")
    failed, place = set(), 0
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        for parameter in sorted(_list_filter_names(model_admin) | {"q", "o", "p", "e"}):
            place += 1
            for value in HOSTILE_VALUES[place % 16 :: 16]:
                response = _request(client, "get", admin_addresses[name], {parameter: value})
                if response.status_code >= 500:
                    failed.add((name, parameter, value[:40]))
    assert not failed


def test_ids_in_paths_are_bounded() -> None:
    def has_unbounded_id(entry: URLPattern) -> bool:
        converters = getattr(entry.pattern, "converters", {})
        return any(isinstance(converter, IntConverter) for converter in converters.values())

    patterns = dict(url_crawler.iterate_url_patterns())
    ours = {n: e for n, e in patterns.items() if not n.startswith("admin:")}
    assert [name for name, entry in ours.items() if has_unbounded_id(entry)] == []


@pytest.mark.parametrize("cookie", ['"aaaaaaaa\\000"', '"\\000"'])
def test_null_in_cookie_is_signed_out(db: None, cookie: str) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x"
    response = client.get("/requisitions/", headers={"cookie": f"sessionid={cookie}"})
    assert response.status_code == 302
