"""Addresses differ in more than ASCII case: ſ, K and ı are not s, k and i."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from integrations.ats import types as ats
from portal.accounts.models import Membership, User
from portal.connections.models import Connection
from portal.entitlements.people import Standing, match
from portal.members import invite
from portal.mirror import team
from portal.signin.models import sign_on_for
from tests.cast import Cast
from tests.factories import PASSWORD, ConnectionFactory, MembershipFactory, UserFactory
from tests.portal.entitlements import world
from tests.portal.signin.provider import Provider, configure, walk

PAIRS = [("kim", "\u212aim"), ("sam", "\u017fam"), ("ivy", "\u0131vy"), ("ivy", "\u0130vy")]
similar = pytest.mark.parametrize(
    ("name", "other"), PAIRS, ids=["kelvin sign", "long s", "dotless i", "dotted I"]
)


@pytest.fixture
def connection(cast: Cast) -> Connection:
    MembershipFactory(
        user__email="kim@acme.example", user__name="Kim", organization=cast.ada.organization
    )
    return ConnectionFactory(organization=cast.ada.organization, state=Connection.State.LIVE)


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as running:
        yield running


def _member(name: str) -> Membership:
    return Membership.objects.get(user__email=f"{name}@acme.example")


def _signed_in(client: Client) -> int | None:
    key = client.session.get("_auth_user_id")
    return int(key) if key else None


@similar
def test_password_does_not_open_similar_account(
    connection: Connection, client: Client, name: str, other: str
) -> None:
    client.post(reverse("account_login"), {"login": f"{other}@acme.example", "password": PASSWORD})
    assert _signed_in(client) is None


def test_password_ignores_ascii_case(cast: Cast, client: Client) -> None:
    client.post(reverse("account_login"), {"login": "SAM@Acme.EXAMPLE", "password": PASSWORD})
    assert _signed_in(client) == cast.sam.user_id


@similar
def test_single_sign_on_does_not_open_similar_account(
    connection: Connection,
    client: Client,
    mocked: responses.RequestsMock,
    name: str,
    other: str,
) -> None:
    acme = connection.organization
    configure(acme, "acme.example")
    claims = {"sub": "7", "email": f"{other}@acme.example", "email_verified": True}
    Provider(mocked, claims)
    assert walk(client, acme).status_code in {302, 403}
    assert _signed_in(client) != _member(name).user_id


def test_single_sign_on_domain_is_not_a_similar_one(cast: Cast) -> None:
    sign_on = configure(cast.ada.organization, "kiosk.example")
    assert sign_on_for("sam@KIOSK.example") == sign_on
    assert sign_on_for("sam@\u212aiosk.example") is None
    assert sign_on_for("sam@kio\u017fk.example") is None


@similar
def test_invitation_makes_an_account_of_its_own(
    connection: Connection, client: Client, name: str, other: str
) -> None:
    acme, address = connection.organization, f"{other}@acme.example"
    invitation, _ = invite.invite(acme, address, role="recruiter", by=None)
    client.post(
        reverse("members:accept", args=[invitation.link]),
        {"name": "Somebody", "password": "quiet-lantern-8"},
    )
    signed_in = User.objects.get(pk=_signed_in(client))
    assert signed_in.email == address
    assert signed_in.pk != _member(name).user_id


def test_invitation_finds_member_whatever_ascii_case(cast: Cast) -> None:
    with pytest.raises(invite.Refused):
        invite.invite(cast.ada.organization, "SAM@ACME.example", role="recruiter", by=None)


@similar
def test_similar_member_does_not_match_greenhouse_user(
    connection: Connection, name: str, other: str
) -> None:
    world.user(connection, f"{name}@acme.example", site_admin=True)
    member = MembershipFactory(
        user__email=f"{other}@acme.example", organization=connection.organization
    )
    assert match(member).standing == Standing.UNMATCHED
    assert match(_member(name)).standing == Standing.MATCHED


@similar
def test_similar_greenhouse_user_does_not_match_member(
    connection: Connection, name: str, other: str
) -> None:
    user = world.user(connection, site_admin=True)
    listed = ats.User(id=user.remote_id, name="Other", primary_email=f"{other}@acme.example")
    team.addresses(connection, [listed], listed=False)
    assert match(_member(name)).standing == Standing.UNMATCHED


def test_greenhouse_user_matches_whatever_ascii_case(connection: Connection) -> None:
    user = world.user(connection, site_admin=True)
    listed = ats.User(id=user.remote_id, name="Fiona", primary_email="FIONA@ACME.example")
    team.addresses(connection, [listed], listed=False)
    member = MembershipFactory(
        user__email="fiona@acme.example", organization=connection.organization
    )
    assert match(member).standing == Standing.MATCHED


@similar
def test_similar_address_is_another_account(db: None, name: str, other: str) -> None:
    for local in (name, other):
        UserFactory(email=f"{local}@acme.example")
    assert User.objects.get(email__iexact=f"{other}@ACME.example").email == f"{other}@acme.example"
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(f"{name.upper()}@acme.example")
