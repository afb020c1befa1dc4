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
from portal.members import invite
from portal.members.models import Invitation
from portal.signin.models import SingleSignOn
from tests.cast import Cast
from tests.factories import PASSWORD, UserFactory
from tests.portal.signin.provider import SECRET, Provider, configure, walk

NINA = {"sub": "77", "email": "Nina@acme.example", "email_verified": True, "name": "Nina Novak"}


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as running:
        yield running


def test_new_colleague_joins_as_recruiter(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    provider = Provider(mocked, NINA)
    answer = walk(client, cast.ada.organization)
    assert answer.url == reverse("home")
    nina = Membership.objects.get(user__email="nina@acme.example")
    assert (nina.organization, nina.role) == (cast.ada.organization, Membership.Role.RECRUITER)
    assert nina.user.name == "Nina Novak"
    assert not nina.user.has_usable_password()
    assert client.get(reverse("jobs:list")).status_code == 200
    [token_request] = provider.tokens_asked()
    assert token_request["code_verifier"]
    assert {"signin.joined", "signin.in"} <= set(Entry.objects.values_list("verb", flat=True))


def test_known_address_opens_existing_account(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email": "REMY@acme.example"})
    users_before = User.objects.count()
    for _ in range(2):
        assert walk(Client(), cast.ada.organization).url == reverse("home")
    assert User.objects.count() == users_before
    assert Membership.objects.get(user=cast.remy.user).organization == cast.ada.organization


@pytest.mark.parametrize("verified", [False, None, "false"])
def test_unverified_address_opens_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock, verified: object
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email_verified": verified})
    answer = walk(client, cast.ada.organization)
    assert answer.status_code == 403
    assert "did not confirm your e-mail address" in answer.content.decode()
    assert not User.objects.filter(email__iexact="nina@acme.example").exists()


@pytest.mark.parametrize("address", ["zoe@other.example", "cas@portal.example"])
def test_service_accepted_for_own_domains_only(
    cast: Cast, client: Client, mocked: responses.RequestsMock, address: str
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email": address})
    answer = walk(client, cast.ada.organization)
    assert answer.status_code == 403
    assert "does not speak for" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_service_cannot_open_foreign_or_staff_account(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example", "other.example", "portal.example")
    provider = Provider(mocked, dict(NINA))
    for address in ("zoe@other.example", "cas@portal.example"):
        provider.claims["email"] = address
        mocked.replace("GET", "https://idp.example/userinfo", json=provider.claims)
        answer = walk(client, cast.ada.organization)
        assert answer.status_code == 403, address
        assert "another organization" in answer.content.decode()


def test_refusal_at_service_is_explained(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    answer = walk(client, cast.ada.organization, error="server_error")
    assert answer.status_code == 403
    assert "did not let you in" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()


def test_unrequested_callback_opens_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    address = reverse("openid_connect_callback", kwargs={"provider_id": cast.ada.organization.slug})
    answer = client.get(address, {"state": "made-up", "code": "c1"})
    assert answer.status_code == 403
    assert client.get(reverse("jobs:list")).status_code == 302


def test_address_leads_to_sso_link(cast: Cast, client: Client) -> None:
    configure(cast.ada.organization, "acme.example")
    page = client.get(reverse("single_sign_on"), {"login": "new@ACME.example", "next": "/log/"})
    start = reverse("openid_connect_login", kwargs={"provider_id": cast.ada.organization.slug})
    assert f'href="{start}?next=%2Flog%2F"' in page.content.decode()


def test_address_without_sso_reported_next_to_field(cast: Cast, client: Client) -> None:
    page = client.get(reverse("single_sign_on"), {"login": "zoe@other.example"})
    assert page.status_code == 422
    assert "no single sign-on here" in page.content.decode()


def test_required_sso_disables_password(cast: Cast, client: Client) -> None:
    configure(cast.ada.organization, "acme.example", required=True)
    credentials = {"login": "remy@acme.example", "password": PASSWORD}
    page = client.post(reverse("account_login"), credentials)
    assert "Acme signs in with Acme login" in page.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_disabled_sso_returns_404(cast: Cast, client: Client) -> None:
    SingleSignOn.objects.filter(pk=configure(cast.ada.organization, "acme.example").pk).update(
        enabled=False
    )
    slug = cast.ada.organization.slug
    answer = client.get(reverse("openid_connect_login", kwargs={"provider_id": slug}))
    assert answer.status_code == 404


def test_client_secret_is_encrypted(cast: Cast) -> None:
    configure(cast.ada.organization, "acme.example")
    with database.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM signin_singlesignon")
        assert SECRET not in str(cursor.fetchone())


def test_user_without_organization_joins_by_sso(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    UserFactory(email="nina@acme.example")
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    walk(client, cast.ada.organization)
    assert Membership.objects.filter(user__email="nina@acme.example").count() == 1


# -- the subject identifier ------------------------------------------------------------------------
def _set_claims(mocked: responses.RequestsMock, **claims: object) -> None:
    """Change what the service answers from now on."""
    mocked.replace("GET", "https://idp.example/userinfo", json=NINA | claims)


def _read_organizations(client: Client, cast: Cast) -> set[str]:
    """The organizations that this browser is in."""
    page = client.get(reverse("members:list"), follow=True).content.decode()
    return {name for name in ("Acme", "Other Inc") if f"belongs to {name}" in page}


def test_moved_account_not_opened_by_old_service(
    cast: Cast, mocked: responses.RequestsMock, sign_in
) -> None:
    acme, remy = cast.ada.organization, cast.remy
    configure(acme, "acme.example")
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    walk(Client(), acme)
    sign_in(cast.ada).post(f"/members/{remy.pk}/", {"take_out": "yes"})
    form = {
        "email": "remy@other.example", "name": "Remy", "is_active": "on",
        "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0,
    }  # fmt: skip
    address = reverse("admin:accounts_user_change", args=[remy.user_id])
    assert sign_in(cast.ola).post(address, form).status_code == 302
    assert not SocialAccount.objects.filter(user=remy.user).exists()
    Membership.objects.begin(remy.user, cast.zoe.organization, role="admin")
    client = Client()
    walk(client, acme)
    assert _read_organizations(client, cast) == set()
    assert client.get(reverse("members:list")).wsgi_request.user != remy.user


def _sign_on_links(client: Client) -> list[str]:
    page = client.get(reverse("socialaccount_connections"))
    assert page.status_code == 200
    return re.findall(r"/sso/[^/]+/", page.content.decode())


def test_connections_page_shows_own_organization_only(cast: Cast, sign_in) -> None:
    acme, other = cast.ada.organization, cast.zoe.organization
    configure(acme, "acme.example")
    configure(other, "other.example")
    assert set(_sign_on_links(sign_in(cast.remy))) == {f"/sso/{acme.slug}/"}
    assert set(_sign_on_links(sign_in(cast.zoe))) == {f"/sso/{other.slug}/"}
    assert _sign_on_links(sign_in(cast.ola)) == []


@pytest.mark.parametrize("address", ["nobody@acme.example", "remy@acme.example"])
def test_subject_of_foreign_account_opens_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock, address: str
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    SocialAccount.objects.create(user=cast.zoe.user, provider=acme.slug, uid="77")
    Provider(mocked, NINA | {"email": address})
    answer = walk(client, acme)
    assert answer.status_code == 403
    assert "zoe@" not in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


@pytest.mark.parametrize("changes", [{"is_active": False}, {"is_staff": True}])
def test_subjects_account_judged_despite_new_address(
    cast: Cast, mocked: responses.RequestsMock, changes: dict[str, bool]
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    walk(Client(), acme)
    User.objects.filter(email="nina@acme.example").update(**changes)
    _set_claims(mocked, email="nina.married@acme.example")
    assert walk(Client(), acme).status_code == 403


def test_changed_address_keeps_account_unconfirmed(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    walk(Client(), acme)
    User.objects.update(email_confirmed_at=None)
    _set_claims(mocked, email="nina.married@acme.example")
    assert walk(client, acme).url == reverse("home")
    nina = User.objects.get(email="nina@acme.example")
    assert nina.email_confirmed_at is None
    assert not User.objects.filter(email="nina.married@acme.example").exists()


def test_sso_cannot_be_added_to_open_session(
    cast: Cast, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    assert walk(sign_in(cast.ada), acme, process="connect").status_code == 403
    assert not SocialAccount.objects.exists()


# -- removed and invited members -------------------------------------------------------------------
def test_removed_member_stays_out_by_sso(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    walk(Client(), acme)
    sign_in(cast.ada).post(f"/members/{cast.remy.pk}/", {"take_out": "yes"})
    answer = walk(client, acme)
    assert answer.status_code == 403
    assert "Ask an admin of Acme to invite you" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302
    assert not Membership.objects.filter(user=cast.remy.user).exists()


def test_reinvited_member_returns_in_new_role(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    ada = sign_in(cast.ada)
    ada.post(f"/members/{cast.remy.pk}/", {"take_out": "yes"})
    ada.post("/members/", {"email": "remy@acme.example", "role": "admin"})
    assert walk(client, acme).url == reverse("home")
    membership = Membership.objects.get(user=cast.remy.user)
    assert (membership.pk, membership.role) == (cast.remy.pk, "admin")


def test_reinvitation_by_new_address_restores_account(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example", required=True)
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    walk(Client(), acme)
    sign_in(cast.ada).post(f"/members/{cast.remy.pk}/", {"take_out": "yes"})
    _set_claims(mocked, email="remy.new@acme.example")
    invite.invite(acme, "remy.new@acme.example", role="admin", by=cast.ada.user)
    assert walk(client, acme).url == reverse("home")
    assert Membership.objects.get(user=cast.remy.user).role == "admin"
    assert not Invitation.objects.get().is_open


def test_corrected_address_opens_same_account(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme, remy = cast.ada.organization, cast.remy.user
    configure(acme, "acme.example", required=True)
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    walk(Client(), acme)
    page = reverse("admin:accounts_user_change", args=[remy.pk])
    form = {"email": "r.emy@acme.example", "name": "Remy", "is_active": "on",
            "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert sign_in(cast.ola).post(page, form).status_code == 302
    users_before = User.objects.count()
    walk(client, acme)
    assert client.get(reverse("home"), follow=True).wsgi_request.user == remy
    assert User.objects.count() == users_before


def test_invitation_role_applied_and_used_up(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    invite.invite(acme, "nina@acme.example", role="admin", by=cast.ada.user)
    Provider(mocked, dict(NINA))
    walk(client, acme)
    assert Membership.objects.get(user__email="nina@acme.example").role == "admin"
    assert not Invitation.objects.get().is_open
    assert Entry.objects.get(verb="signin.joined").words == "joined through Acme login as admin"


def test_expired_invitation_gives_no_role(
    cast: Cast, client: Client, mocked: responses.RequestsMock, later
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    invite.invite(acme, "nina@acme.example", role="admin", by=cast.ada.user)
    later(8 * 24 * 3600)
    Provider(mocked, dict(NINA))
    walk(client, acme)
    assert Membership.objects.get(user__email="nina@acme.example").role == "recruiter"
