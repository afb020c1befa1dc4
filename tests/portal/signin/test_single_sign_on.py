"""Single sign-on: an organization's own service lets its people in, and nobody else."""

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


def test_a_new_colleague_is_made_a_recruiter_on_the_way_in(
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
    [asked] = provider.tokens_asked()
    assert asked["code_verifier"]
    assert {"signin.joined", "signin.in"} <= set(Entry.objects.values_list("verb", flat=True))


def test_who_is_known_by_that_address_is_the_same_person(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email": "REMY@acme.example"})
    people = User.objects.count()
    for _ in range(2):
        assert walk(Client(), cast.ada.organization).url == reverse("home")
    assert User.objects.count() == people
    assert Membership.objects.get(user=cast.remy.user).organization == cast.ada.organization


@pytest.mark.parametrize("verified", [False, None, "false"])
def test_an_address_that_the_service_does_not_vouch_for_opens_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock, verified: object
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email_verified": verified})
    answer = walk(client, cast.ada.organization)
    assert answer.status_code == 403
    assert "did not confirm your e-mail address" in answer.content.decode()
    assert not User.objects.filter(email__iexact="nina@acme.example").exists()


@pytest.mark.parametrize("address", ["zoe@other.example", "cas@portal.example"])
def test_a_service_speaks_only_for_its_own_domains(
    cast: Cast, client: Client, mocked: responses.RequestsMock, address: str
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA | {"email": address})
    answer = walk(client, cast.ada.organization)
    assert answer.status_code == 403
    assert "does not speak for" in answer.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_a_service_never_opens_the_account_of_another_organization_or_of_staff(
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


def test_a_refusal_at_the_service_is_said_and_leads_back(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    answer = walk(client, cast.ada.organization, error="server_error")
    assert answer.status_code == 403
    assert "did not let you in" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()


def test_an_answer_that_nobody_asked_for_opens_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    address = reverse("openid_connect_callback", kwargs={"provider_id": cast.ada.organization.slug})
    answer = client.get(address, {"state": "made-up", "code": "c1"})
    assert answer.status_code == 403
    assert client.get(reverse("jobs:list")).status_code == 302


def test_the_address_leads_to_the_service_by_a_link(cast: Cast, client: Client) -> None:
    configure(cast.ada.organization, "acme.example")
    page = client.get(reverse("single_sign_on"), {"login": "new@ACME.example", "next": "/log/"})
    start = reverse("openid_connect_login", kwargs={"provider_id": cast.ada.organization.slug})
    assert f'href="{start}?next=%2Flog%2F"' in page.content.decode()


def test_an_address_without_a_service_is_told_so_next_to_the_field(
    cast: Cast, client: Client
) -> None:
    page = client.get(reverse("single_sign_on"), {"login": "zoe@other.example"})
    assert page.status_code == 422
    assert "no single sign-on here" in page.content.decode()


def test_where_it_is_required_a_password_opens_nothing(cast: Cast, client: Client) -> None:
    configure(cast.ada.organization, "acme.example", required=True)
    right = {"login": "remy@acme.example", "password": PASSWORD}
    page = client.post(reverse("account_login"), right)
    assert "Acme signs in with Acme login" in page.content.decode()
    assert client.get(reverse("jobs:list")).status_code == 302


def test_switched_off_it_is_not_there(cast: Cast, client: Client) -> None:
    SingleSignOn.objects.filter(pk=configure(cast.ada.organization, "acme.example").pk).update(
        enabled=False
    )
    slug = cast.ada.organization.slug
    answer = client.get(reverse("openid_connect_login", kwargs={"provider_id": slug}))
    assert answer.status_code == 404


def test_its_secret_lies_encrypted(cast: Cast) -> None:
    configure(cast.ada.organization, "acme.example")
    with database.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM signin_singlesignon")
        assert SECRET not in str(cursor.fetchone())


def test_somebody_without_an_organization_joins_the_one_that_vouches(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    UserFactory(email="nina@acme.example")
    configure(cast.ada.organization, "acme.example")
    Provider(mocked, NINA)
    walk(client, cast.ada.organization)
    assert Membership.objects.filter(user__email="nina@acme.example").count() == 1


# -- the service's own number for somebody ---------------------------------------------------------
def _says(mocked: responses.RequestsMock, **claims: object) -> None:
    """What the service answers from now on."""
    mocked.replace("GET", "https://idp.example/userinfo", json=NINA | claims)


def _sees(client: Client, cast: Cast) -> set[str]:
    """Which organizations a browser is in."""
    page = client.get(reverse("members:list"), follow=True).content.decode()
    return {name for name in ("Acme", "Other Inc") if f"belongs to {name}" in page}


def test_who_was_given_another_address_and_organization_is_not_opened_by_the_old_service(
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
    assert _sees(client, cast) == set()
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
def test_a_number_that_leads_to_an_account_elsewhere_opens_nothing(
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


@pytest.mark.parametrize("changed", [{"is_active": False}, {"is_staff": True}])
def test_whom_the_number_leads_to_is_judged_whatever_address_comes_with_it(
    cast: Cast, mocked: responses.RequestsMock, changed: dict[str, bool]
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    walk(Client(), acme)
    User.objects.filter(email="nina@acme.example").update(**changed)
    _says(mocked, email="nina.married@acme.example")
    assert walk(Client(), acme).status_code == 403


def test_who_married_is_the_same_person_and_the_new_address_is_not_taken_for_confirmed(
    cast: Cast, client: Client, mocked: responses.RequestsMock
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    walk(Client(), acme)
    User.objects.update(email_confirmed_at=None)
    _says(mocked, email="nina.married@acme.example")
    assert walk(client, acme).url == reverse("home")
    nina = User.objects.get(email="nina@acme.example")
    assert nina.email_confirmed_at is None
    assert not User.objects.filter(email="nina.married@acme.example").exists()


def test_nobody_adds_a_service_to_the_account_that_is_signed_in(
    cast: Cast, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, dict(NINA))
    assert walk(sign_in(cast.ada), acme, process="connect").status_code == 403
    assert not SocialAccount.objects.exists()


# -- taken out, and invited ------------------------------------------------------------------------
def test_who_was_taken_out_stays_out_and_reads_what_to_do(
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


def test_invited_again_they_come_back_by_it_in_the_new_role(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    ada = sign_in(cast.ada)
    ada.post(f"/members/{cast.remy.pk}/", {"take_out": "yes"})
    ada.post("/members/", {"email": "remy@acme.example", "role": "admin"})
    assert walk(client, acme).url == reverse("home")
    back = Membership.objects.get(user=cast.remy.user)
    assert (back.pk, back.role) == (cast.remy.pk, "admin")


def test_invited_again_under_the_address_that_the_service_knows_by_now_they_come_back(
    cast: Cast, client: Client, mocked: responses.RequestsMock, sign_in
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example", required=True)
    Provider(mocked, NINA | {"email": "remy@acme.example"})
    walk(Client(), acme)
    sign_in(cast.ada).post(f"/members/{cast.remy.pk}/", {"take_out": "yes"})
    _says(mocked, email="remy.new@acme.example")
    invite.invite(acme, "remy.new@acme.example", role="admin", by=cast.ada.user)
    assert walk(client, acme).url == reverse("home")
    assert Membership.objects.get(user=cast.remy.user).role == "admin"
    assert not Invitation.objects.get().is_open


def test_an_address_that_is_corrected_within_the_same_service_opens_the_same_account(
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
    people = User.objects.count()
    walk(client, acme)
    assert client.get(reverse("home"), follow=True).wsgi_request.user == remy
    assert User.objects.count() == people


def test_an_invitation_gives_the_role_and_is_used_up_by_it(
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


def test_an_invitation_that_has_ended_gives_nothing(
    cast: Cast, client: Client, mocked: responses.RequestsMock, later
) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example")
    invite.invite(acme, "nina@acme.example", role="admin", by=cast.ada.user)
    later(8 * 24 * 3600)
    Provider(mocked, dict(NINA))
    walk(client, acme)
    assert Membership.objects.get(user__email="nina@acme.example").role == "recruiter"
