"""People and rows for tests, with the least that makes them valid."""

from __future__ import annotations

import factory
from django.utils.text import slugify

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import Connection
from portal.signin import email_confirmation

PASSWORD = "quiet-lantern-7"


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@acme.example")
    name = factory.LazyAttribute(lambda user: user.email.split("@")[0].title())
    password = factory.django.Password(PASSWORD)

    @factory.post_generation  # type: ignore[untyped-decorator]  # factory_boy ships no types
    def confirmed(user: User, create: bool, extracted: object, **_: object) -> None:
        """They have read a mail sent to their address."""
        email_confirmation.confirm_email(user)


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization
        django_get_or_create = ("slug",)

    name = "Acme"
    slug = factory.LazyAttribute(lambda organization: slugify(organization.name))


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    organization = factory.SubFactory(OrganizationFactory)


class ConnectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Connection

    organization = factory.SubFactory(OrganizationFactory)
