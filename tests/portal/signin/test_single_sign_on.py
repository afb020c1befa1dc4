"""Single sign-on: an organization's own service admits its people, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import responses
from allauth.socialaccount.models import SocialAccount
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Membership, User
from portal.audit.models import Entry
from portal.members import invitations
from portal.members.models import Invitation
from portal.signin.models import SingleSignOn
from tests.factories import PASSWORD, UserFactory
from tests.personas import Personas
from tests.portal.signin.fake_provider import (
    CLIENT_SECRET,
    FakeProvider,
    configure_sso,
    mock_service,
    sign_in_with_sso,
)

NINA = {"sub": "77", "email": "Nina@acme.example", "email_verified": True, "name": "Nina Novak"}


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with mock_service() as running:
        yield running


def test_new_colleague_joins_as_recruiter(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    provider = FakeProvider(mocked, NINA)
    answer = sign_in_with_sso(client, personas.ada.organization)
    assert answer.url == reverse("home")
    nina = Membership.objects.get(user__email="nina@acme.example")
    assert (nina.organization, nina.role) == (personas.ada.organization, Membership.Role.RECRUITER)
    assert nina.user.name == "Nina Novak"
    assert not nina.user.has_usable_password()
    assert client.get(reverse("jobs:list")).status_code == 200
    [token_request] = provider.list_token_requests()
    assert token_request["code_verifier"]
    assert {"signin.joined", "signin.signed_in"} <= set(
        Entry.objects.values_list("verb", flat=True)
    )


def test_known_address_opens_existing_account(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA | {"email": "REMY@acme.example"})
    users_before = User.objects.count()
    for _ in range(2):
        assert sign_in_with_sso(Client(), personas.ada.organization).url == reverse("home")
    assert User.objects.count() == users_before
    assert Membership.objects.get(user=personas.remy.user).organization == personas.ada.organization


@pytest.mark.parametrize(
    ("verified", "trusted"),
    [(False, False), (None, False), ("false", False), ("False", True), ("no", True)],
)
def test_unverified_address_opens_nothing(
    personas: Personas,
    client: Client,
    mocked: responses.RequestsMock,
    verified: object,
    trusted: bool,
) -> None:
    configure_sso(personas.ada.organization, "acme.example", addresses_verified=trusted)
    FakeProvider(mocked, NINA | {"email_verified": verified})
    answer = sign_in_with_sso(client, personas.ada.organization)
    assert answer.status_code == 403
    assert "claim “email_verified”" in answer.content.decode()
    assert not User.objects.filter(email__iexact="nina@acme.example").exists()


@pytest.mark.parametrize("address", ["zoe@other.example", "cas@portal.example"])
def test_service_accepted_for_own_domains_only(
    personas: Personas, client: Client, mocked: responses.RequestsMock, address: str
) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA | {"email": address})
    answer = sign_in_with_sso(client, personas.ada.organization)
    assert answer.status_code == 403
    assert "isn&#x27;t responsible for" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_service_cannot_open_foreign_or_staff_account(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "acme.example", "other.example", "portal.example")
    provider = FakeProvider(mocked, dict(NINA))
    for address in ("zoe@other.example", "cas@portal.example"):
        provider.claims["email"] = address
        mocked.replace("GET", "https://idp.example/userinfo", json=provider.claims)
        answer = sign_in_with_sso(client, personas.ada.organization)
        assert answer.status_code == 403, address
        assert "belongs to another company" in answer.content.decode()


def test_refusal_at_service_is_explained(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA)
    answer = sign_in_with_sso(client, personas.ada.organization, error="server_error")
    assert answer.status_code == 403
    assert "didn&#x27;t confirm who you are" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()


def test_unrequested_callback_opens_nothing(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA)
    address = reverse(
        "openid_connect_callback", kwargs={"provider_id": personas.ada.organization.slug}
    )
    answer = client.get(address, {"state": "made-up", "code": "c1"})
    assert answer.status_code == 403
    assert client.get(reverse("jobs:list")).status_code == 302


def test_address_leads_to_sso_link(personas: Personas, client: Client) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    page = client.get(
        reverse("single_sign_on"), {"login": "new@ACME.example", "next": "/activity-log/"}
    )
    start = reverse("openid_connect_login", kwargs={"provider_id": personas.ada.organization.slug})
    assert f'href="{start}?next=%2Factivity-log%2F"' in page.content.decode()


def test_address_without_sso_reported_next_to_field(personas: Personas, client: Client) -> None:
    page = client.get(reverse("single_sign_on"), {"login": "zoe@other.example"})
    assert page.status_code == 422
    assert "isn&#x27;t set up for this address" in page.content.decode()


def test_required_sso_disables_password(personas: Personas, client: Client) -> None:
    configure_sso(personas.ada.organization, "acme.example", required=True)
    credentials = {"login": "remy@acme.example", "password": PASSWORD}
    page = client.post(reverse("account_login"), credentials)
    assert "Acme requires Acme login" in page.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_disabled_sso_returns_404(personas: Personas, client: Client) -> None:
    SingleSignOn.objects.filter(
        pk=configure_sso(personas.ada.organization, "acme.example").pk
    ).update(enabled=False)
    slug = personas.ada.organization.slug
    answer = client.get(reverse("openid_connect_login", kwargs={"provider_id": slug}))
    assert answer.status_code == 404


def test_client_secret_is_encrypted(personas: Personas) -> None:
    configure_sso(personas.ada.organization, "acme.example")
    with database.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM signin_singlesignon")
        assert CLIENT_SECRET not in str(cursor.fetchone())


def test_user_without_organization_joins_by_sso(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    UserFactory(email="nina@acme.example")
    configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA)
    sign_in_with_sso(client, personas.ada.organization)
    assert Membership.objects.filter(user__email="nina@acme.example").count() == 1


# -- the subject identifier ------------------------------------------------------------------------
def _set_claims(mocked: responses.RequestsMock, **claims: object) -> None:
    """Change what the service answers from now on."""
    mocked.replace("GET", "https://idp.example/userinfo", json=NINA | claims)


def _read_organizations(client: Client, personas: Personas) -> set[str]:
    """The organizations that this browser is in."""
    page = client.get(reverse("members:list"), follow=True).content.decode()
    return {name for name in ("Acme", "Other Inc") if f"People at {name}" in page}


def test_moved_account_not_opened_by_old_service(
    personas: Personas, mocked: responses.RequestsMock, sign_in
) -> None:
    acme, remy = personas.ada.organization, personas.remy
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    sign_in_with_sso(Client(), acme)
    sign_in(personas.ada).post(f"/members/{remy.pk}/", {"remove": "yes"})
    form = {
        "email": "remy@other.example", "name": "Remy", "is_active": "on",
        "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
    }  # fmt: skip
    address = reverse("admin:accounts_user_change", args=[remy.user_id])
    assert sign_in(personas.ola).post(address, form).status_code == 302
    assert not SocialAccount.objects.filter(user=remy.user).exists()
    Membership.objects.start_membership(remy.user, personas.zoe.organization, role="admin")
    client = Client()
    sign_in_with_sso(client, acme)
    assert _read_organizations(client, personas) == set()
    assert client.get(reverse("members:list")).wsgi_request.user != remy.user


def _sign_on_links(client: Client) -> list[str]:
    page = client.get(reverse("socialaccount_connections"))
    assert page.status_code == 200
    return re.findall(r"/sso/[^/]+/", page.content.decode())


def test_connections_page_shows_own_organization_only(personas: Personas, sign_in) -> None:
    acme, other = personas.ada.organization, personas.zoe.organization
    configure_sso(acme, "acme.example")
    configure_sso(other, "other.example")
    assert set(_sign_on_links(sign_in(personas.remy))) == {f"/sso/{acme.slug}/"}
    assert set(_sign_on_links(sign_in(personas.zoe))) == {f"/sso/{other.slug}/"}
    assert _sign_on_links(sign_in(personas.ola)) == []


@pytest.mark.parametrize("address", ["nobody@acme.example", "remy@acme.example"])
def test_subject_of_foreign_account_opens_nothing(
    personas: Personas, client: Client, mocked: responses.RequestsMock, address: str
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    SocialAccount.objects.create(user=personas.zoe.user, provider=acme.slug, uid="77")
    FakeProvider(mocked, NINA | {"email": address})
    answer = sign_in_with_sso(client, acme)
    assert answer.status_code == 403
    assert "zoe@" not in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


@pytest.mark.parametrize("changes", [{"is_active": False}, {"is_staff": True}])
def test_subjects_account_judged_despite_new_address(
    personas: Personas, mocked: responses.RequestsMock, changes: dict[str, bool]
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, dict(NINA))
    sign_in_with_sso(Client(), acme)
    User.objects.filter(email="nina@acme.example").update(**changes)
    _set_claims(mocked, email="nina.married@acme.example")
    assert sign_in_with_sso(Client(), acme).status_code == 403


def test_changed_address_keeps_account_unconfirmed(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, dict(NINA))
    sign_in_with_sso(Client(), acme)
    User.objects.update(email_confirmed_at=None)
    _set_claims(mocked, email="nina.married@acme.example")
    assert sign_in_with_sso(client, acme).url == reverse("home")
    nina = User.objects.get(email="nina@acme.example")
    assert nina.email_confirmed_at is None
    assert not User.objects.filter(email="nina.married@acme.example").exists()


def test_sso_cannot_be_added_to_open_session(
    personas: Personas, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, dict(NINA))
    assert sign_in_with_sso(sign_in(personas.ada), acme, process="connect").status_code == 403
    assert not SocialAccount.objects.exists()


# -- removed and invited members -------------------------------------------------------------------
def test_removed_member_stays_out_by_sso(
    personas: Personas, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    sign_in_with_sso(Client(), acme)
    sign_in(personas.ada).post(f"/members/{personas.remy.pk}/", {"remove": "yes"})
    answer = sign_in_with_sso(client, acme)
    assert answer.status_code == 403
    assert "ask an admin of Acme to invite you" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302
    assert not Membership.objects.filter(user=personas.remy.user).exists()


def test_reinvited_member_returns_in_new_role(
    personas: Personas, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    ada = sign_in(personas.ada)
    ada.post(f"/members/{personas.remy.pk}/", {"remove": "yes"})
    ada.post("/members/", {"email": "remy@acme.example", "role": "admin"})
    assert sign_in_with_sso(client, acme).url == reverse("home")
    membership = Membership.objects.get(user=personas.remy.user)
    assert (membership.pk, membership.role) == (personas.remy.pk, "admin")


def test_reinvitation_by_new_address_restores_account(
    personas: Personas, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example", required=True)
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    sign_in_with_sso(Client(), acme)
    sign_in(personas.ada).post(f"/members/{personas.remy.pk}/", {"remove": "yes"})
    _set_claims(mocked, email="remy.new@acme.example")
    invitations.create_invitation(acme, "remy.new@acme.example", role="admin", by=personas.ada.user)
    assert sign_in_with_sso(client, acme).url == reverse("home")
    assert Membership.objects.get(user=personas.remy.user).role == "admin"
    assert not Invitation.objects.get().is_open


def test_corrected_address_opens_same_account(
    personas: Personas, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme, remy = personas.ada.organization, personas.remy.user
    configure_sso(acme, "acme.example", required=True)
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    sign_in_with_sso(Client(), acme)
    page = reverse("admin:accounts_user_change", args=[remy.pk])
    form = {"email": "r.emy@acme.example", "name": "Remy", "is_active": "on",
            "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert sign_in(personas.ola).post(page, form).status_code == 302
    users_before = User.objects.count()
    sign_in_with_sso(client, acme)
    assert client.get(reverse("home"), follow=True).wsgi_request.user == remy
    assert User.objects.count() == users_before


def test_invitation_role_applied_and_used_up(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    invitations.create_invitation(acme, "nina@acme.example", role="admin", by=personas.ada.user)
    FakeProvider(mocked, dict(NINA))
    sign_in_with_sso(client, acme)
    assert Membership.objects.get(user__email="nina@acme.example").role == "admin"
    assert not Invitation.objects.get().is_open
    assert Entry.objects.get(verb="signin.joined").description == "joined with Acme login as admin"


def test_expired_invitation_gives_no_role(
    personas: Personas, client: Client, mocked: responses.RequestsMock, advance_clock
) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    invitations.create_invitation(acme, "nina@acme.example", role="admin", by=personas.ada.user)
    advance_clock(8 * 24 * 3600)
    FakeProvider(mocked, dict(NINA))
    sign_in_with_sso(client, acme)
    assert Membership.objects.get(user__email="nina@acme.example").role == "recruiter"


# -- addresses that changed hands ------------------------------------------------------------------
@pytest.fixture
def recycled(personas: Personas, mocked: responses.RequestsMock) -> Personas:
    """The provider gave Remy another address, and his old one to somebody new."""
    acme = personas.ada.organization
    configure_sso(acme, "acme.example")
    FakeProvider(mocked, NINA | {"sub": "1", "email": "remy@acme.example"})
    sign_in_with_sso(Client(), acme)
    _set_claims(mocked, sub="1", email="remy.new@acme.example")
    sign_in_with_sso(Client(), acme)
    _set_claims(mocked, sub="2", email="remy@acme.example", name="Somebody New")
    return personas


def test_recycled_address_does_not_open_account(recycled: Personas, client: Client) -> None:
    answer = sign_in_with_sso(client, recycled.ada.organization)
    assert answer.status_code == 403
    assert "is linked to another Acme login account" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302
    assert SocialAccount.objects.get().uid == "1"


def test_former_owner_keeps_account(
    recycled: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    sign_in_with_sso(Client(), recycled.ada.organization)
    _set_claims(mocked, sub="1", email="remy.new@acme.example")
    sign_in_with_sso(client, recycled.ada.organization)
    assert client.get(reverse("home"), follow=True).wsgi_request.user == recycled.remy.user


def test_admin_allows_new_subject(recycled: Personas, client: Client, sign_in) -> None:
    ada, page = sign_in(recycled.ada), f"/members/{recycled.remy.pk}/"
    assert "Allow new sign-in" in ada.get("/members/").content.decode()
    ada.post(page, {"allow_new_sign_in": "yes"})
    assert sign_in_with_sso(client, recycled.ada.organization).url == reverse("home")
    assert SocialAccount.objects.get().uid == "2"
    entry = Entry.objects.get(verb="member.sign_in_unlinked")
    assert (entry.by, entry.organization) == (recycled.ada.user, recycled.ada.organization)


def test_recruiter_cannot_allow_new_subject(recycled: Personas, sign_in) -> None:
    page = f"/members/{recycled.remy.pk}/"
    assert sign_in(recycled.sam).post(page, {"allow_new_sign_in": "yes"}).status_code == 403
    assert sign_in(recycled.zoe).post(page, {"allow_new_sign_in": "yes"}).status_code == 404
    assert SocialAccount.objects.get().uid == "1"


def test_invitation_admits_new_subject(recycled: Personas, client: Client, sign_in) -> None:
    ada = sign_in(recycled.ada)
    ada.post(f"/members/{recycled.remy.pk}/", {"remove": "yes"})
    assert sign_in_with_sso(Client(), recycled.ada.organization).status_code == 403
    ada.post("/members/", {"email": "remy@acme.example", "role": "recruiter"})
    assert sign_in_with_sso(client, recycled.ada.organization).url == reverse("home")
    assert SocialAccount.objects.get().uid == "2"


@pytest.mark.parametrize(
    ("changes", "opens"),
    [({"name": "Login"}, True), ({"server_url": "https://idp.example/"}, True),
     ({"client_id": "other"}, False), ({"server_url": "https://new.example"}, False)],
)  # fmt: skip
def test_subjects_end_with_their_provider(
    personas: Personas, mocked: responses.RequestsMock, changes: dict[str, str], opens: bool
) -> None:
    sign_on = configure_sso(personas.ada.organization, "acme.example")
    FakeProvider(mocked, NINA | {"email": "remy@acme.example"})
    sign_in_with_sso(Client(), personas.ada.organization)
    for name, value in changes.items():
        setattr(sign_on, name, value)
    sign_on.save()
    assert SocialAccount.objects.exists() == opens
    sign_on.delete()
    assert not SocialAccount.objects.exists()


def test_provider_without_verified_claim_is_trusted(
    personas: Personas, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = personas.ada.organization
    sign_on = configure_sso(acme, "acme.example")
    claims = {name: value for name, value in NINA.items() if name != "email_verified"}
    FakeProvider(mocked, claims)
    assert sign_in_with_sso(client, acme).status_code == 403
    page = reverse("admin:signin_singlesignon_change", args=[sign_on.pk])
    form = {
        "organization": acme.pk, "name": "Acme login", "server_url": sign_on.server_url,
        "client_id": "portal", "enabled": "on", "addresses_verified": "on",
        "domains-TOTAL_FORMS": 0, "domains-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert sign_in(personas.ola).post(page, form).status_code == 302
    assert sign_in_with_sso(client, acme).url == reverse("home")
    assert User.objects.get(email="nina@acme.example").email_confirmed_at


def test_text_boolean_creates_account(
    personas: Personas, client: Client, mocked: responses.RequestsMock
) -> None:
    configure_sso(personas.ada.organization, "büro.example")
    FakeProvider(mocked, NINA | {"email": "Nina@BÜRO.example", "email_verified": "true"})
    assert sign_in_with_sso(client, personas.ada.organization).url == reverse("home")
    assert User.objects.get(name="Nina Novak").email == "nina@xn--bro-hoa.example"
