from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from portal.accounts.models import Membership, Organization, User
from portal.core.tenancy.scope import all_organizations
from portal.demo.people import PASSWORD, PEOPLE, Person
from portal.signin import email_confirmation
from portal.support.access.roles import CSM

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Command(BaseCommand):
    help = "Makes the demo's organizations and people. Only where Greenhouse is a sandbox."

    @all_organizations("creates the demo's organizations")
    def handle(self, *args: Any, **options: Any) -> None:
        if urlsplit(settings.GREENHOUSE_API_URL).hostname not in LOOPBACK:
            raise CommandError(
                "These people have a password that everybody knows. They are made only where "
                "GREENHOUSE_API_URL is a sandbox on this machine (http://127.0.0.1:...)."
            )
        created_count = create_people()
        self.stdout.write(f"{len(PEOPLE)} people, {created_count} of them new")


@transaction.atomic
def create_people() -> int:
    """Create missing people and return their number; existing ones stay unchanged."""
    existing_emails = set(User.objects.values_list("email", flat=True))
    missing = [person for person in PEOPLE if person.email not in existing_emails]
    if missing:
        password = make_password(PASSWORD)  # hash once: it is slow on purpose
        for person in missing:
            _create_person(person, password)
    return len(missing)


def _create_person(person: Person, password: str) -> None:
    user = User.objects.create(
        email=person.email,
        name=person.name,
        password=password,
        is_staff=bool(person.staff),
        is_superuser=person.staff == "operator",
    )
    email_confirmation.confirm_email(user)
    if person.organization:
        organization, _ = Organization.objects.get_or_create(
            slug=slugify(person.organization), defaults={"name": person.organization}
        )
        Membership.objects.create(user=user, organization=organization, role=person.role)
    elif person.staff == "customer success":
        user.groups.add(Group.objects.get(name=CSM))
