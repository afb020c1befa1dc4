from __future__ import annotations

import re

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client

from tests.conftest import SignIn
from tests.personas import Personas

CURRENT_LINK = re.compile(r'<a [^>]*aria-current="page"[^>]*>([^<]+)</a>')


def _list_current_links(client: Client, path: str) -> list[str]:
    response = client.get(path)
    assert response.status_code == 200
    return CURRENT_LINK.findall(response.content.decode())


@pytest.mark.parametrize(
    ("path", "links"),
    [
        ("/requisitions/", ["Requisitions"]),
        ("/setup/start/", ["Setup"]),
        ("/activity-log/", ["Activity log"]),
        ("/members/", ["Members"]),
        ("/account/email/", ["Email address"]),
        ("/account/one-time-codes/", ["Two-step sign-in"]),
        ("/account/password/change/", ["Password"]),
        ("/notifications/", []),
    ],
)
def test_current_entry_is_marked(
    personas: Personas, sign_in: SignIn, path: str, links: list[str]
) -> None:
    assert _list_current_links(sign_in(personas.ada), path) == links


def test_error_page_marks_no_entry() -> None:
    assert Template('{% load navigation %}{% aria_current "setup" %}').render(Context()) == ""


def test_unknown_entry_is_refused() -> None:
    with pytest.raises(TemplateSyntaxError):
        Template('{% load navigation %}{% aria_current "elsewhere" %}').render(Context())
