"""Every form says in its own words what is missing or wrong in a field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from django import forms
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string

import portal

DEFAULT = str(forms.Field.default_error_messages["required"])
# The admin's own editing of records uses Django's words.
RECORD_FORMS = ("portal.support.admin.", "portal.support.actions.bulk_actions")


def _list_forms(base: type[forms.BaseForm]) -> Iterator[type[forms.BaseForm]]:
    for form in base.__subclasses__():
        yield form
        yield from _list_forms(form)


def _import_forms() -> None:
    for module in pkgutil.walk_packages(portal.__path__, "portal."):
        if module.name.endswith((".forms", "_page")) or ".forms." in module.name:
            importlib.import_module(module.name)


def _find_default_errors() -> list[str]:
    _import_forms()
    return [
        f"{form.__module__}.{form.__name__}.{name}"
        for form in set(_list_forms(forms.BaseForm))
        if form.__module__.startswith("portal.") and not form.__module__.startswith(RECORD_FORMS)
        if not hasattr(form, "_required_errors")  # theirs get our words when they are made
        for name, field in form.base_fields.items()
        if field.required and field.label and field.error_messages["required"] == DEFAULT
    ]


def test_required_fields_have_own_words() -> None:
    assert _find_default_errors() == []


@pytest.mark.parametrize("path", [*settings.ACCOUNT_FORMS.values(), *settings.MFA_FORMS.values()])
def test_library_forms_have_own_words(path: str) -> None:
    messages = import_string(path)._required_errors
    fields = import_string(path).base_fields
    assert set(fields) - {"login", "remember"} <= set(messages)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("account_login", ["Enter your email.", "Enter your password."]),
        ("account_reset_password", ["Enter your email."]),
    ],
)
def test_empty_sign_in_says_what_to_enter(db: None, view: str, expected: list[str]) -> None:
    page = Client().post(reverse(view), {}).content.decode()
    assert [page.count(message) for message in expected] == [2] * len(expected)
    assert DEFAULT not in page


@pytest.mark.parametrize(
    ("view", "values", "expected"),
    [
        ("sso_settings", {"name": "x" * 81}, "Use at most 80 characters. This has 81."),
        ("notifications:preferences", {"frequency": "x"}, "This option is no longer available."),
        ("jobs:set_time_zone", {"time_zone": "Mars"}, "This option is no longer available."),
    ],
)
def test_bad_values_answered_in_own_words(
    personas, sign_in, view: str, values: dict[str, str], expected: str
) -> None:
    page = sign_in(personas.ada).post(reverse(view), values).content.decode()
    assert page.count(expected) == 2  # beside the field, and in the summary
    assert "Ensure" not in page
    assert "valid choice" not in page


def test_single_sign_on_says_what_to_enter(personas, sign_in) -> None:
    page = sign_in(personas.ada).post(reverse("sso_settings"), {}).content.decode()
    for message in ("Enter a name.", "Enter the issuer.", "Enter the client ID."):
        assert page.count(message) == 2, message
    assert DEFAULT not in page
