"""Invitations: mailed links that work once, for one address, for a week."""

from __future__ import annotations

import re

import pytest
import responses
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Membership, User
from portal.audit.models import Entry
from portal.members import invite, roles, tasks
from portal.members.models import Invitation
from tests.cast import Cast
from tests.factories import MembershipFactory
from tests.portal.signin.provider import Provider, configure, walk
from tests.queue import queued

MEMBERS = "/members/"
NEW = {"email": "New@acme.example", "role": "recruiter"}
GOOD = {"name": "Nia New", "password": "an-uncommon-password-9"}


@pytest.fixture
def link(cast: Cast, sign_in, work) -> str:
    """The path in an invitation's mail."""
    sign_in(cast.ada).post(MEMBERS, NEW)
    work()
    return re.search(r"(/invitation/\S+)", mail.outbox[-1].body).group(1)


def test_invited_person_joins_with_password(link: str, client: Client) -> None:
    page = client.get(link)
    assert "Join Acme" in page.content.decode()
    answer = client.post(link, GOOD)
    assert answer.status_code == 302
    joined = Membership.objects.get(user__email="new@acme.example")
    assert (joined.organization.name, joined.role) == ("Acme", "recruiter")
    assert client.get("/requisitions/").status_code == 200  # signed in already
    assert Client().login(email="new@acme.example", password=GOOD["password"])


def test_link_works_once(link: str) -> None:
    Client().post(link, GOOD)
    second = Client().post(link, {**GOOD, "password": "another-password-11"})
    assert second.status_code == 410
    assert User.objects.filter(email="new@acme.example").count() == 1


def test_link_expires_after_a_week(link: str, later, client: Client) -> None:
    later(8 * 24 * 3600)
    assert client.get(link).status_code == 410
    assert client.post(link, GOOD).status_code == 410
    assert not User.objects.filter(email="new@acme.example").exists()


def test_resent_invitation_replaces_link(
    link: str, cast: Cast, sign_in, work, client: Client
) -> None:
    resend = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/again/"
    assert sign_in(cast.zoe).post(resend).status_code == 404
    sign_in(cast.ada).post(resend)
    work()
    newer = re.search(r"(/invitation/\S+)", mail.outbox[-1].body).group(1)
    assert client.get(link).status_code == 410
    assert "Join Acme" in client.get(newer).content.decode()
    assert Entry.objects.filter(verb="member.invited_again").count() == 1


def test_revoked_link_opens_nothing(link: str, cast: Cast, sign_in, client: Client) -> None:
    pk = Invitation.objects.get().pk
    sign_in(cast.ada).post(f"{MEMBERS}invitations/{pk}/")
    assert client.get(link).status_code == 410


def test_made_up_link_opens_nothing(cast: Cast, client: Client) -> None:
    assert client.get("/invitation/made-up/").status_code == 410


def test_link_deleted_after_mail_is_sent(link: str) -> None:
    token = link.split("/")[2]
    invitation = Invitation.objects.get()
    assert invitation.link == ""
    assert token not in str(vars(invitation))


def test_queue_carries_no_link(cast: Cast, sign_in, work) -> None:
    sign_in(cast.ada).post(MEMBERS, NEW)
    ((_, arguments),) = queued()
    assert arguments == (Invitation.objects.get().pk,)


def test_second_invitation_sends_no_mail(cast: Cast, sign_in, work) -> None:
    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    ada.post(MEMBERS, {**NEW, "email": "new@ACME.example"})
    work()
    assert len(mail.outbox) == 1
    assert Invitation.objects.count() == 1


def test_expired_invitation_can_be_repeated(link: str, later, cast: Cast, sign_in, work) -> None:
    later(8 * 24 * 3600)
    sign_in(cast.ada).post(MEMBERS, NEW)
    work()
    assert len(mail.outbox) == 2
    assert [invitation.is_open for invitation in Invitation.objects.order_by("id")] == [False, True]


def test_member_is_not_invited_again(cast: Cast, sign_in, work) -> None:
    answer = sign_in(cast.ada).post(MEMBERS, {**NEW, "email": "REMY@acme.example"})
    assert answer.status_code == 422
    assert "already in your organization" in answer.content.decode()


def test_weak_password_refused_with_reason(link: str, client: Client) -> None:
    answer = client.post(link, {"name": "Nia", "password": "12345"})
    assert answer.status_code == 422
    assert "too short" in answer.content.decode()
    assert Invitation.objects.get().is_open


def test_existing_account_signs_in_to_accept(link: str, cast: Cast, client: Client) -> None:
    user = User.objects.create_user("new@acme.example", "whatever-password-3")
    assert "Sign in with it to accept" in client.get(link).content.decode()
    client.post(link, GOOD)  # has the link but is not signed in
    assert not Membership.objects.filter(user=user).exists()
    client.force_login(cast.zoe.user)
    client.post(link)
    assert not Membership.objects.filter(user=user).exists()
    client.force_login(user)
    client.post(link)
    assert Membership.objects.get(user=user).organization == cast.ada.organization


def test_other_account_signs_out_and_returns_to_link(link: str, cast: Cast, sign_in) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3")
    zoe = sign_in(cast.zoe)
    page = zoe.get(link).content.decode()
    assert "You are signed in as zoe@other.example" in page
    assert f'name="next" value="{link}"' in page
    back = zoe.post("/sign-out/", {"next": link}, follow=True)
    assert back.redirect_chain == [(link, 302)]
    assert "Sign in with it to accept" in back.content.decode()


def test_deactivated_account_is_told(link: str, client: Client) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3", is_active=False)
    for page in (client.get(link), client.post(link, GOOD)):
        text = page.content.decode()
        assert "Your account is switched off" in text
        assert "Sign in" not in text.split("<h1>")[1]
    assert not Membership.objects.filter(user__email="new@acme.example").exists()


def test_link_revoked_during_acceptance_opens_nothing(
    link: str, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create_user("new@acme.example", "whatever-password-3")
    original_accept = invite.accept

    def revoke_then_accept(invitation: Invitation, accepting: User) -> Membership:
        invite.revoke(invitation)
        return original_accept(invitation, accepting)

    monkeypatch.setattr(invite, "accept", revoke_then_accept)
    assert sign_in(user).post(link).status_code == 410
    assert not Membership.objects.filter(user=user).exists()


def test_too_long_address_refused(cast: Cast, sign_in) -> None:
    longest = ".".join(["b" * 60] * 4)
    answer = sign_in(cast.ada).post(MEMBERS, {**NEW, "email": f"{'a' * 60}@{longest}.example"})
    assert answer.status_code == 422
    assert "at most 254 characters" in answer.content.decode()


def test_required_sso_link_joins_through_sso(link: str, cast: Cast, client: Client) -> None:
    acme = cast.ada.organization
    configure(acme, "acme.example", required=True)
    start = reverse("openid_connect_login", kwargs={"provider_id": acme.slug})
    for page in (client.get(link), client.post(link, GOOD)):
        assert f'href="{start}"' in page.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        Provider(mocked, {"sub": "7", "email": "new@acme.example", "email_verified": True})
        assert walk(client, acme).url == "/"
    joined = Membership.objects.get(user__email="new@acme.example")
    assert joined.role == NEW["role"]
    assert not joined.user.has_usable_password()
    assert client.get(link).url == "/", "the link leads a member to the portal"
    assert Client().get(link).status_code == 410


def test_foreign_required_sso_link_opens_nothing(link: str, cast: Cast, client: Client) -> None:
    configure(cast.zoe.organization, "acme.example", required=True)
    page = client.post(link, GOOD).content.decode()
    assert "This address belongs to another organization" in page
    assert "/login/" not in page
    assert not User.objects.filter(email="new@acme.example").exists()


def test_mail_failure_shown_to_admin(cast: Cast, sign_in, work, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    work()
    assert "could not be sent" in ada.get(MEMBERS).content.decode()
    assert Invitation.objects.get().link == ""


def test_interrupted_mail_fails_and_can_be_resent(
    cast: Cast, sign_in, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    with monkeypatch.context() as patched:
        patched.setattr(invite, "send_mail", die)
        with pytest.raises(SystemExit):
            work()
    later(5 * 60)
    tasks.sweep()
    assert Invitation.objects.get().mail == "sending", "it may still be sent"
    later(6 * 60)
    tasks.sweep()
    invitation = Invitation.objects.get()
    assert (invitation.mail, invitation.link) == ("failed", "")
    assert "could not be sent" in ada.get(MEMBERS).content.decode()
    ada.post(f"{MEMBERS}invitations/{invitation.pk}/again/")
    work()
    assert len(mail.outbox) == 1


def test_resending_is_rate_limited(link: str, cast: Cast, sign_in, settings) -> None:
    limit, _ = settings.LIMITS["members:resend"]
    resend = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/again/"
    ada = sign_in(cast.ada)
    assert [ada.post(resend).status_code for _ in range(limit + 1)] == [302] * limit + [429]


def test_every_membership_change_is_logged(link: str, cast: Cast, sign_in, client: Client) -> None:
    client.post(link, GOOD)
    remy = cast.remy
    ada = sign_in(cast.ada)
    ada.post(f"{MEMBERS}{remy.pk}/", {"role": "admin"})
    ada.post(f"{MEMBERS}{remy.pk}/", {"take_out": "yes"})
    verbs = list(Entry.objects.order_by("id").values_list("verb", flat=True))
    expected_verbs = ["member.invited", "member.joined", "member.role_changed", "member.taken_out"]
    assert [verb for verb in verbs if verb.startswith("member.")] == expected_verbs


def test_removed_member_cannot_use_old_link(link: str, cast: Cast, sign_in) -> None:
    new = User.objects.create_user("new@acme.example", "whatever-password-3")
    member = Membership.objects.create(user=new, organization=cast.ada.organization)
    sign_in(cast.ada).post(f"{MEMBERS}{member.pk}/", {"take_out": "yes"})
    assert sign_in(new).post(link).status_code == 410
    assert not Membership.objects.filter(user=new).exists()


def test_concurrent_removal_reported_to_both_admins(
    cast: Cast, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    original_take_out = roles.take_out

    def take_out_twice(member: Membership, *, by: User) -> None:
        original_take_out(member, by=by)
        original_take_out(member, by=by)

    monkeypatch.setattr(roles, "take_out", take_out_twice)
    page = sign_in(cast.ada).post(f"{MEMBERS}{cast.remy.pk}/", {"take_out": "y"}, follow=True)
    assert "Remy was taken out meanwhile" in page.content.decode()


def test_last_admin_cannot_leave(cast: Cast, sign_in) -> None:
    ada = sign_in(cast.ada)
    for change in ({"role": "recruiter"}, {"take_out": "yes"}):
        ada.post(f"{MEMBERS}{cast.ada.pk}/", change)
        assert Membership.objects.filter(pk=cast.ada.pk, role="admin").exists()


def test_last_active_admin_cannot_leave_role(cast: Cast, sign_in) -> None:
    """An admin whose account is deactivated cannot sign in, so they are no replacement."""
    Membership.objects.filter(pk=cast.remy.pk).update(role="admin")
    User.objects.filter(pk=cast.remy.user_id).update(is_active=False)
    ada = sign_in(cast.ada)
    for change in ({"role": "recruiter"}, {"take_out": "yes"}):
        ada.post(f"{MEMBERS}{cast.ada.pk}/", change)
        cast.ada.refresh_from_db()
        assert cast.ada.is_admin
        assert cast.ada.ended_at is None


def test_former_admin_lands_on_jobs(cast: Cast, sign_in) -> None:
    Membership.objects.filter(pk=cast.remy.pk).update(role="admin")
    page = sign_in(cast.ada).post(f"{MEMBERS}{cast.ada.pk}/", {"role": "recruiter"}, follow=True)
    assert page.status_code == 200
    assert page.redirect_chain[-1][0] == "/requisitions/"
    assert "You are recruiter now." in page.content.decode()


def test_other_customers_and_recruiters_have_no_access(link: str, cast: Cast, sign_in) -> None:
    pk = Invitation.objects.get().pk
    zoe = sign_in(cast.zoe)
    assert "acme.example" not in zoe.get(MEMBERS).content.decode()
    assert zoe.post(f"{MEMBERS}invitations/{pk}/").status_code == 404
    assert zoe.post(f"{MEMBERS}{cast.remy.pk}/", {"take_out": "yes"}).status_code == 404
    assert sign_in(cast.remy).get(MEMBERS).status_code == 403
    assert Invitation.objects.get().is_open


def test_query_count_independent_of_members(
    cast: Cast, sign_in, django_assert_max_num_queries, django_assert_num_queries
) -> None:
    ada = sign_in(cast.ada)
    with django_assert_max_num_queries(8) as baseline:
        ada.get(MEMBERS)
    MembershipFactory.create_batch(12, organization=cast.ada.organization)
    with django_assert_num_queries(len(baseline)):
        ada.get(MEMBERS)
