"""The people of the demo, and what `manage.py demo_prepare` makes ready."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from pytest_django import Settings

from portal.accounts.models import Membership, User
from portal.demo.people import PASSWORD, PEOPLE

pytestmark = pytest.mark.django_db


def _make() -> str:
    out = StringIO()
    call_command("demo_people", stdout=out)
    return out.getvalue()


def test_everybody_can_sign_in() -> None:
    _make()
    for person in PEOPLE:
        user = authenticate(username=person.email, password=PASSWORD)
        assert user is not None, person.email


def test_everybody_has_their_place() -> None:
    _make()
    places = {
        (member.user.email, member.organization.name, member.role)
        for member in Membership.objects.select_related("user", "organization")
    }
    assert places == {(p.email, p.organization, p.role) for p in PEOPLE if p.organization}
    cas, ola = (User.objects.get(email=f"{name}@portal.example") for name in ("cas", "ola"))
    assert cas.is_staff
    assert not cas.is_superuser
    assert cas.has_perm("connections.view_connection")
    assert not cas.has_perm("connections.change_credential")
    assert ola.is_superuser


def test_a_second_time_changes_nobody() -> None:
    _make()
    ada = User.objects.get(email="ada@acme.example")
    ada.name = "Ada Lovelace"
    ada.save()
    assert _make() == f"{len(PEOPLE)} people, 0 of them new\n"
    ada.refresh_from_db()
    assert ada.name == "Ada Lovelace"


def test_nobody_is_made_beside_a_real_greenhouse(settings: Settings) -> None:
    settings.GREENHOUSE_API_URL = "https://harvest.greenhouse.io"
    with pytest.raises(CommandError, match="password that everybody knows"):
        _make()
    assert not User.objects.exists()


def test_all_is_made_ready_at_once(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    call_command("demo_prepare", stdout=StringIO())
    assert User.objects.count() == len(PEOPLE)
    assert (tmp_path / "css" / "portal.css").exists()
