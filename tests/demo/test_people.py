"""The demo's people, and `manage.py demo_prepare`."""

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


def _create_people() -> str:
    out = StringIO()
    call_command("demo_people", stdout=out)
    return out.getvalue()


def test_demo_people_can_sign_in() -> None:
    _create_people()
    for person in PEOPLE:
        user = authenticate(username=person.email, password=PASSWORD)
        assert user is not None, person.email


def test_demo_people_have_their_roles() -> None:
    _create_people()
    memberships = {
        (member.user.email, member.organization.name, member.role)
        for member in Membership.objects.select_related("user", "organization")
    }
    assert memberships == {(p.email, p.organization, p.role) for p in PEOPLE if p.organization}
    csm, operator = (User.objects.get(email=f"{name}@portal.example") for name in ("cas", "ola"))
    assert csm.is_staff
    assert not csm.is_superuser
    assert csm.has_perm("connections.view_connection")
    assert not csm.has_perm("connections.change_credential")
    assert operator.is_superuser


def test_second_run_changes_nobody() -> None:
    _create_people()
    ada = User.objects.get(email="ada@acme.example")
    ada.name = "Ada Lovelace"
    ada.save()
    assert _create_people() == f"{len(PEOPLE)} people, 0 of them new\n"
    ada.refresh_from_db()
    assert ada.name == "Ada Lovelace"


def test_real_greenhouse_gets_no_demo_people(settings: Settings) -> None:
    settings.GREENHOUSE_API_URL = "https://harvest.greenhouse.io"
    with pytest.raises(CommandError, match="password that everybody knows"):
        _create_people()
    assert not User.objects.exists()


@pytest.mark.slow("collects and hashes all static files")
def test_demo_prepare_makes_people_and_static_files(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    call_command("demo_prepare", stdout=StringIO())
    assert User.objects.count() == len(PEOPLE)
    assert (tmp_path / "css" / "portal.css").exists()
    assert (tmp_path / "staticfiles.json").exists()  # names with a hash, as in production
    assert not [*tmp_path.rglob("*.gz"), *tmp_path.rglob("*.br")]
