"""Addresses differ in more than ASCII case: ſ, K and ı are not s, k and i."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from integrations.ats import types as ats
from portal.accounts.models import Membership, User
from portal.connections.models import Connection
from portal.entitlements.user_matching import MatchStatus, match_user
from portal.members import invitations
from portal.members.models import Invitation
from portal.signin.models import find_single_sign_on
from portal.sync.records import hiring_team
from tests.factories import PASSWORD, ConnectionFactory, MembershipFactory, UserFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data
from tests.portal.signin.fake_provider import (
    FakeProvider,
    configure_sso,
    mock_service,
    sign_in_with_sso,
)

PAIRS = [("kim", "\u212aim"), ("sam", "\u017fam"), ("ivy", "\u0131vy"), ("ivy", "\u0130vy")]
LOOKALIKES = [*PAIRS[:2], ("fin", "\ufb01n"), ("sam", "\uff53am"), ("sam", "s\u200bam")]
similar = pytest.mark.parametrize(
    ("name", "other"), PAIRS, ids=["kelvin sign", "long s", "dotless i", "dotted I"]
)
dotted = pytest.mark.parametrize(("name", "other"), PAIRS[2:])
lookalike = pytest.mark.parametrize(("name", "other"), LOOKALIKES)


@pytest.fixture
def connection(personas: Personas) -> Connection:
    MembershipFactory(
        user__email="kim@acme.example", user__name="Kim", organization=personas.ada.organization
    )
    return ConnectionFactory(organization=personas.ada.organization, state=Connection.State.LIVE)


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with mock_service() as running:
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


def test_password_ignores_ascii_case(personas: Personas, client: Client) -> None:
    client.post(reverse("account_login"), {"login": "SAM@Acme.EXAMPLE", "password": PASSWORD})
    assert _signed_in(client) == personas.sam.user_id


@similar
def test_single_sign_on_does_not_open_similar_account(
    connection: Connection,
    client: Client,
    mocked: responses.RequestsMock,
    name: str,
    other: str,
) -> None:
    acme = connection.organization
    configure_sso(acme, "acme.example")
    claims = {"sub": "7", "email": f"{other}@acme.example", "email_verified": True}
    FakeProvider(mocked, claims)
    assert sign_in_with_sso(client, acme).status_code in {302, 403}
    assert _signed_in(client) != _member(name).user_id


def test_single_sign_on_domain_is_not_a_similar_one(personas: Personas) -> None:
    sign_on = configure_sso(personas.ada.organization, "kiosk.example")
    assert find_single_sign_on("sam@KIOSK.example") == sign_on
    assert find_single_sign_on("sam@\u212aiosk.example") is None
    assert find_single_sign_on("sam@kio\u017fk.example") is None


@lookalike
@pytest.mark.parametrize("address", ["{}@acme.example", "{}.smith@acme.example", "sam@{}.example"])
def test_lookalike_is_never_invited(
    personas: Personas, sign_in, name: str, other: str, address: str
) -> None:
    form = {"email": address.format(other), "role": "admin"}
    answer = sign_in(personas.ada).post(reverse("members:list"), form)
    assert answer.status_code == 422
    with pytest.raises(invitations.InvitationRefused):
        invitations.create_invitation(
            personas.ada.organization, form["email"], role="admin", by=None
        )
    assert not Invitation.objects.exists()


@lookalike
def test_lookalike_account_is_never_stored(db: None, name: str, other: str) -> None:
    with pytest.raises(ValidationError):
        UserFactory(email=f"{other}@acme.example")


@lookalike
def test_provider_refused_for_lookalike(
    personas: Personas,
    client: Client,
    mocked: responses.RequestsMock,
    name: str,
    other: str,
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, {"sub": "7", "email": f"{other}@acme.example", "email_verified": True})
    answer = sign_in_with_sso(client, acme)
    assert answer.status_code == 403
    assert "claim “email”" in answer.content.decode()


@pytest.mark.parametrize("domain", ["BÜRO.example", "xn--bro-hoa.EXAMPLE"])
def test_international_domain_and_punycode_are_one(personas: Personas, domain: str) -> None:
    acme = personas.ada.organization
    sign_on = configure_sso(acme, "büro.example")
    assert find_single_sign_on(f"ina@{domain}") == sign_on
    user = User.objects.create_user("ina@büro.example")
    assert User.objects.get(email=f"INA@{domain}").pk == user.pk
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(f"ina@{domain}")


def test_member_matches_punycode_in_greenhouse(connection: Connection) -> None:
    user = synced_data.create_user(connection, site_admin=True)
    listed = ats.User(id=user.remote_id, name="Ina", primary_email="ina@xn--bro-hoa.example")
    hiring_team.replace_user_emails(connection, [listed], listed=False)
    member = MembershipFactory(user__email="ina@büro.example", organization=connection.organization)
    assert match_user(member).status == MatchStatus.MATCHED


def test_invitation_finds_member_whatever_ascii_case(personas: Personas) -> None:
    with pytest.raises(invitations.InvitationRefused):
        invitations.create_invitation(
            personas.ada.organization, "SAM@ACME.example", role="recruiter", by=None
        )


@dotted
def test_similar_member_does_not_match_greenhouse_user(
    connection: Connection, name: str, other: str
) -> None:
    synced_data.create_user(connection, f"{name}@acme.example", site_admin=True)
    member = MembershipFactory(
        user__email=f"{other}@acme.example", organization=connection.organization
    )
    assert match_user(member).status == MatchStatus.UNMATCHED
    assert match_user(_member(name)).status == MatchStatus.MATCHED


@similar
def test_similar_greenhouse_user_does_not_match_member(
    connection: Connection, name: str, other: str
) -> None:
    user = synced_data.create_user(connection, site_admin=True)
    listed = ats.User(id=user.remote_id, name="Other", primary_email=f"{other}@acme.example")
    hiring_team.replace_user_emails(connection, [listed], listed=False)
    assert match_user(_member(name)).status == MatchStatus.UNMATCHED


def test_greenhouse_user_matches_whatever_ascii_case(connection: Connection) -> None:
    user = synced_data.create_user(connection, site_admin=True)
    listed = ats.User(id=user.remote_id, name="Fiona", primary_email="FIONA@ACME.example")
    hiring_team.replace_user_emails(connection, [listed], listed=False)
    member = MembershipFactory(
        user__email="fiona@acme.example", organization=connection.organization
    )
    assert match_user(member).status == MatchStatus.MATCHED


@dotted
def test_similar_address_is_another_account(db: None, name: str, other: str) -> None:
    for local in (name, other):
        UserFactory(email=f"{local}@acme.example")
    assert User.objects.get(email__iexact=f"{other}@ACME.example").email == f"{other}@acme.example"
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(f"{name.upper()}@acme.example")
