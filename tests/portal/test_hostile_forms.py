"""Every form as it is shown, with one hostile value: never a 500.

Other values of the form are what the page has, so that nothing else refuses it first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application
from tests.portal.form_crawler import PageForm, iterate_forms
from tests.portal.test_hostile_input import (
    _open_browser,
    _request,
    addresses,  # noqa: F401  (fixtures)
    admin_addresses,  # noqa: F401
)

VALUES = [
    "9223372036854775808",
    "1" * 5000,
    "-1",
    "1e30",
    "12,5",
    "31/12/2026",
    "9999-12-31T23:59",
    "0001-01-01",
    "\0",
    "{}",
]
KINDS = ("advance", "move", "reject", "unreject")
ENDS_SESSION = ("/sign-out/", "/sessions/", "/logout/")


def _iterate_new_forms(client: Client, addresses: dict[str, str]) -> Iterator[PageForm]:  # noqa: F811
    seen = set()
    for address in addresses.values():
        page = _request(client, "get", address)
        if page.streaming or "html" not in page.headers.get("Content-Type", ""):
            continue
        for form in iterate_forms(page.content.decode(), address):
            if form.key not in seen and not any(part in form.action for part in ENDS_SESSION):
                seen.add(form.key)
                yield form


def _list_failures(client: Client, addresses: dict[str, str], stride: int) -> tuple[set[Any], int]:  # noqa: F811
    failed, place = set(), 0
    for form in _iterate_new_forms(client, addresses):
        for name in form.data:
            place += 1
            for value in VALUES[place % stride :: stride]:
                data = {**form.data, name: value}
                if _request(client, form.method, form.action, data).status_code >= 500:
                    failed.add((form.action, form.method, name, value[:20]))
    return failed, place


@pytest.mark.slow("sends every form once per field and value")
def test_one_hostile_field_is_never_a_500(
    addresses: dict[str, str],  # noqa: F811
    personas: Personas,
    sign_in,
) -> None:
    application = find_application()
    start = reverse("applications:start_batch", args=[application.job_id])
    for kind in KINDS:
        addresses[kind] = f"{start}?kind={kind}&status=active&selected={application.pk}"
    failed, count = _list_failures(_open_browser(personas, sign_in, "ada"), addresses, 5)
    assert not failed
    assert count > 100


@pytest.mark.slow("sends every form of the admin once per field and value")
def test_one_hostile_admin_field_is_never_a_500(
    admin_addresses: dict[str, str],  # noqa: F811
    personas: Personas,
    sign_in,
) -> None:
    failed, count = _list_failures(_open_browser(personas, sign_in, "ola"), admin_addresses, 10)
    assert not failed
    assert count > 100


@pytest.mark.parametrize("name", ["stage", "entry"])
@pytest.mark.parametrize("value", ["9223372036854775808", "1" + "0" * 20, "-1", "1e3", "１２"])
def test_hidden_id_is_bounded(connect, personas: Personas, sign_in, name: str, value: str) -> None:
    connect()
    application = find_application()
    address = reverse("applications:reject", args=[application.pk])
    client = _open_browser(personas, sign_in, "remy")
    forms = iterate_forms(client.get(address).content.decode(), address)
    form = next(form for form in forms if name in form.data)
    page = client.post(form.action, {**form.data, name: value})
    assert page.status_code == 422
    assert "Part of the page was missing" in page.content.decode()
