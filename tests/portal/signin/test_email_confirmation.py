"""Only confirmed email addresses are matched with Greenhouse."""

from __future__ import annotations

import re

from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from portal.accounts.models import User
from portal.signin import email_confirmation
from tests.factories import PASSWORD
from tests.personas import Personas


def _read_jobs_page(client: Client) -> str:
    return client.get(reverse("jobs:list")).content.decode()


def test_unconfirmed_member_sees_no_jobs(connect, personas: Personas, sign_in) -> None:
    connect()
    sam = sign_in(personas.sam)
    links = re.compile(r'href="/requisitions/\d+/')
    assert links.search(_read_jobs_page(sam))
    email_confirmation.reset_confirmation(personas.sam.user)
    page = _read_jobs_page(sam)
    assert "confirmed yet" in page
    assert not links.search(page)


def test_confirmation_link_confirms_address(
    connect, personas: Personas, client: Client, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    connect()
    email_confirmation.reset_confirmation(personas.sam.user)
    client.post(reverse("account_login"), {"login": personas.sam.user.email, "password": PASSWORD})
    client.post(reverse("account_email"))
    run_tasks()
    [link] = re.findall(r"http://testserver(\S+confirm-email\S+)", str(mailoutbox[-1].body))
    client.post(link)
    assert "confirmed yet" not in _read_jobs_page(client)
    assert User.objects.get(pk=personas.sam.user.pk).email_confirmed_at is not None


def test_address_changed_by_staff_is_unconfirmed(personas: Personas, sign_in) -> None:
    ola, remy = sign_in(personas.ola), personas.remy.user
    address = reverse("admin:accounts_user_change", args=[remy.pk])
    form = {
        "email": "sam@elsewhere.example", "name": "Remy", "is_active": "on",
        "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert ola.post(address, form).status_code == 302
    remy.refresh_from_db()
    assert remy.email == "sam@elsewhere.example"
    assert remy.email_confirmed_at is None


def test_email_page_names_who_can_change_it(personas: Personas, sign_in) -> None:
    page = sign_in(personas.remy).get(reverse("account_email")).content.decode()
    assert "To change it, ask your customer success manager" in page
    assert "An admin of your organization" not in page


def test_member_cannot_change_own_address(
    personas: Personas, client: Client, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    client.force_login(personas.remy.user)
    client.post(reverse("account_email"), {"email": "sam@acme.example", "action_add": ""})
    personas.remy.user.refresh_from_db()
    assert personas.remy.user.email == "remy@acme.example"
    run_tasks()
    assert mailoutbox == []
