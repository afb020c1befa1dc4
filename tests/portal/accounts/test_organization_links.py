"""A link in an email opens in its organization, for members only."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Organization
from portal.notifications import notify
from tests.factories import MembershipFactory
from tests.personas import Personas

MEMBERS = "/members/"


@pytest.fixture
def other(personas: Personas) -> Organization:
    """Ada is an admin of Other Inc, too."""
    other = personas.zoe.organization
    MembershipFactory(user=personas.ada.user, organization=other, role="admin")
    return other


def _read_company(client: Client) -> str:
    return client.get(MEMBERS).context["organization"].name


def _find_links(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("http")]


def test_email_link_opens_its_organization(
    personas: Personas, other: Organization, sign_in, run_tasks
) -> None:
    notify.notify_users(
        [personas.ada.user], other, key="k", subject="s", body="b", path="/members/?page=1"
    )
    run_tasks()
    [link] = _find_links(mail.outbox[0].body)
    path = link.removeprefix("http://").partition("/")[2]
    ada = sign_in(personas.ada)
    assert _read_company(ada) == "Acme"
    answer = ada.get(f"/{path}")
    assert answer.url == "/members/?page=1"
    assert _read_company(ada) == "Other Inc"


def test_link_of_foreign_organization_is_ignored(personas: Personas, sign_in) -> None:
    ada = sign_in(personas.ada)
    for value in (personas.zoe.organization_id, "0", "x", "", "9" * 30):
        answer = ada.get(MEMBERS, {"organization": value})
        assert (answer.status_code, answer.context["organization"].name) == (200, "Acme")
    assert "organization_id" not in ada.session


def test_former_member_is_not_switched(personas: Personas, other: Organization, sign_in) -> None:
    ada = sign_in(personas.ada)
    other.memberships.filter(user=personas.ada.user).delete()
    assert ada.get(MEMBERS, {"organization": other.pk}).status_code == 200
    assert _read_company(ada) == "Acme"


def test_link_works_after_signing_in(personas: Personas, other: Organization) -> None:
    answer = Client().get(MEMBERS, {"organization": other.pk})
    assert answer.url == f"{reverse('account_login')}?next=/members/%3Forganization%3D{other.pk}"


def test_only_visits_switch(personas: Personas, other: Organization, sign_in) -> None:
    ada = sign_in(personas.ada)
    ada.post(f"{MEMBERS}?organization={other.pk}", {"page_organization": "x"})
    assert _read_company(ada) == "Acme"


def test_staff_links_stay_as_they_are(personas: Personas, run_tasks) -> None:
    acme = personas.ada.organization
    path = notify.get_staff_url(acme)
    notify.notify_users([personas.cas], acme, key="k", subject="s", body="b", path=path)
    run_tasks()
    [link] = _find_links(mail.outbox[0].body)
    assert link.endswith(path)
