"""New customers: created with an invited admin, never twice by mistake."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Membership, Organization
from portal.audit.models import Entry
from portal.members import invitations
from portal.members.models import Invitation
from portal.support.actions import new_customer
from tests.factories import UserFactory
from tests.personas import Personas

PAGE = "admin:support_new_customer"
BOLT = {"name": "Bolt & Söhne", "email": "Bea@bolt.example", "note": "See you on Monday."}
NIA = {"name": "Nia", "password": "an-uncommon-password-9"}


def _confirm(page: str) -> dict[str, list[str]]:
    return {"confirmed": re.findall(r'name="confirmed" value="([^"]+)"', page)}


def _find_link(mail: EmailMessage) -> str:
    return re.search(r"(/invitation/\S+)", mail.body).group(1)


def test_new_customer_admin_joins_and_lands_on_setup(
    personas: Personas, sign_in, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    cas = sign_in(personas.cas)
    for page in ("admin:index", "admin:accounts_organization_changelist"):
        assert reverse(PAGE) in cas.get(reverse(page)).text
    state_page = cas.post(reverse(PAGE), BOLT).url
    bolt = Organization.objects.get(slug="bolt-sohne")
    assert "Sending" in cas.get(state_page).text
    run_tasks()
    [mail] = mailoutbox
    assert mail.to == ["bea@bolt.example"]
    assert "See you on Monday." in mail.body
    assert "not opened yet" in cas.get(state_page).text
    bea = Client()
    bea.get(_find_link(mail))
    assert "was opened" in cas.get(state_page).text
    answer = bea.post(_find_link(mail), NIA, follow=True)
    assert answer.request["PATH_INFO"].startswith("/setup/")
    assert "Accepted" in cas.get(state_page).text
    membership = Membership.objects.get(organization=bolt)
    assert (membership.user.email, membership.role) == ("bea@bolt.example", "admin")
    log = bea.get(reverse("audit:log")).text
    assert "invited bea@bolt.example as admin" in log
    assert Entry.objects.filter(organization=bolt, by=personas.cas).count() == 2


def test_invitation_can_be_resent_and_revoked(
    personas: Personas, sign_in, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    cas = sign_in(personas.cas)
    state_page = cas.post(reverse(PAGE), BOLT).url
    run_tasks()
    cas.post(state_page, {"resend": "yes"})
    run_tasks()
    first, second = map(_find_link, mailoutbox)
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200
    cas.post(state_page, {"revoke": "yes"})
    assert "Revoked" in cas.get(state_page).text
    assert Client().get(second).status_code == 410
    verbs = set(Entry.objects.values_list("verb", flat=True))
    assert {"support.invitation_resent", "support.invitation_revoked"} <= verbs


def test_expired_invitation_is_shown(personas: Personas, sign_in, run_tasks, advance_clock) -> None:
    state_page = sign_in(personas.cas).post(reverse(PAGE), BOLT).url
    run_tasks()
    advance_clock(invitations.LINK_LIFETIME.total_seconds() + 60)
    assert "Expired" in sign_in(personas.cas).get(state_page).text


def test_same_name_needs_confirmation(personas: Personas, sign_in) -> None:
    cas, form = sign_in(personas.cas), BOLT | {"name": "ACME"}
    answer = cas.post(reverse(PAGE), form)
    assert answer.status_code == 422
    assert "already a customer called Acme" in answer.text
    assert "Create anyway" in answer.text
    assert Organization.objects.count() == 2
    assert cas.post(reverse(PAGE), form | _confirm(answer.text)).status_code == 302
    assert Organization.objects.get(name="ACME").slug == "acme-2"


def test_other_customers_member_needs_confirmation(personas: Personas, sign_in) -> None:
    cas, form = sign_in(personas.cas), BOLT | {"email": "zoe@other.example"}
    answer = cas.post(reverse(PAGE), form)
    assert "zoe@other.example is already an admin of Other Inc" in answer.text
    changed = form | _confirm(answer.text) | {"email": "ada@acme.example"}
    assert "ada@acme.example is already" in cas.post(reverse(PAGE), changed).text
    assert not Invitation.objects.exists()
    cas.post(reverse(PAGE), form | _confirm(answer.text))
    assert Invitation.objects.get().email == "zoe@other.example"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "ola@portal.example"}, "one of our own accounts"),
        ({"email": "nobody"}, "valid email"),
        ({"name": ""}, "Enter the company"),
    ],
)
def test_unusable_customer_is_not_created(
    personas: Personas, sign_in, changes: dict[str, str], message: str
) -> None:
    answer = sign_in(personas.cas).post(reverse(PAGE), BOLT | changes)
    assert answer.status_code == 422
    assert message in answer.text
    assert Organization.objects.count() == 2


def test_read_only_staff_cannot_create_customers(personas: Personas, sign_in) -> None:
    reader = UserFactory(email="rae@portal.example", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = sign_in(reader)
    assert client.get(reverse("admin:accounts_organization_changelist")).status_code == 200
    assert client.post(reverse(PAGE), BOLT).status_code == 403
    assert sign_in(personas.ada).post(reverse(PAGE), BOLT).status_code == 302
    assert Organization.objects.count() == 2


def test_adding_other_customers_member_asks_first(personas: Personas, sign_in) -> None:
    cas, address = sign_in(personas.cas), reverse("admin:accounts_membership_add")
    acme, zoe = personas.ada.organization, personas.zoe.user
    form = {"user": zoe.pk, "organization": acme.pk, "role": "admin"}
    answer = cas.post(address, form)
    assert "Zoe belongs to Other Inc" in answer.text
    assert not Membership.objects.filter(user=zoe, organization=acme).exists()
    confirmed = form | {"confirmed_user": re.search(
        r'name="confirmed_user" value="(\d+)"', answer.text).group(1)}  # fmt: skip
    assert cas.post(address, confirmed).status_code == 302
    assert Membership.objects.filter(user=zoe, organization=acme).exists()


def test_double_submission_makes_one_customer(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    first, second = (cas.post(reverse(PAGE), BOLT) for _ in range(2))
    assert first.url == second.url
    assert Organization.objects.filter(name=BOLT["name"]).count() == 1
    assert "was created already" in cas.get(second.url).text


def test_same_name_at_the_same_time_is_a_question(personas: Personas, sign_in, monkeypatch) -> None:
    """Somebody else's customer of this name is stored after this form was checked."""
    list_concerns, checked = new_customer.list_concerns, []

    def list_before_the_other(*args: str) -> list[new_customer.Concern]:
        checked.append(args)
        return [] if len(checked) == 1 else list_concerns(*args)

    Organization.objects.create(name=BOLT["name"], slug="bolt-sohne")
    monkeypatch.setattr(new_customer, "list_concerns", list_before_the_other)
    monkeypatch.setattr(new_customer, "_derive_slug", lambda _: "bolt-sohne")
    answer = sign_in(personas.cas).post(reverse(PAGE), BOLT)
    assert answer.status_code == 422
    assert "already a customer called Bolt" in answer.text
    assert not Invitation.objects.exists()
