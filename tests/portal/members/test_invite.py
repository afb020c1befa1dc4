"""Inviting people: a link by mail, that works once, for one address, and ends."""

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
from tests.portal.signin.provider import Provider, configure, walk
from tests.queue import queued

MEMBERS = "/members/"
NEW = {"email": "New@acme.example", "role": "recruiter"}
GOOD = {"name": "Nia New", "password": "an-uncommon-password-9"}


@pytest.fixture
def link(cast: Cast, sign_in, work) -> str:
    """The path that the mail of an invitation leads to."""
    sign_in(cast.ada).post(MEMBERS, NEW)
    work()
    return re.search(r"(/invitation/\S+)", mail.outbox[-1].body).group(1)


def test_an_invited_person_chooses_a_password_and_is_in(link: str, client: Client) -> None:
    page = client.get(link)
    assert "Join Acme" in page.content.decode()
    answer = client.post(link, GOOD)
    assert answer.status_code == 302
    joined = Membership.objects.get(user__email="new@acme.example")
    assert (joined.organization.name, joined.role) == ("Acme", "recruiter")
    assert client.get("/requisitions/").status_code == 200  # signed in already
    assert Client().login(email="new@acme.example", password=GOOD["password"])


def test_a_link_works_once(link: str) -> None:
    Client().post(link, GOOD)
    again = Client().post(link, {**GOOD, "password": "another-password-11"})
    assert again.status_code == 410
    assert User.objects.filter(email="new@acme.example").count() == 1


def test_a_link_ends_after_a_week(link: str, later, client: Client) -> None:
    later(8 * 24 * 3600)
    assert client.get(link).status_code == 410
    assert client.post(link, GOOD).status_code == 410
    assert not User.objects.filter(email="new@acme.example").exists()


def test_an_admin_sends_it_again_and_only_the_new_link_opens(
    link: str, cast: Cast, sign_in, work, client: Client
) -> None:
    again = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/again/"
    assert sign_in(cast.zoe).post(again).status_code == 404
    sign_in(cast.ada).post(again)
    work()
    newer = re.search(r"(/invitation/\S+)", mail.outbox[-1].body).group(1)
    assert client.get(link).status_code == 410
    assert "Join Acme" in client.get(newer).content.decode()
    assert Entry.objects.filter(verb="member.invited_again").count() == 1


def test_a_revoked_link_opens_nothing(link: str, cast: Cast, sign_in, client: Client) -> None:
    pk = Invitation.objects.get().pk
    sign_in(cast.ada).post(f"{MEMBERS}invitations/{pk}/")
    assert client.get(link).status_code == 410


def test_a_made_up_link_opens_nothing(cast: Cast, client: Client) -> None:
    assert client.get("/invitation/made-up/").status_code == 410


def test_the_link_is_kept_nowhere_once_the_mail_has_left(link: str) -> None:
    token = link.split("/")[2]
    invitation = Invitation.objects.get()
    assert invitation.link == ""
    assert token not in str(vars(invitation))


def test_the_queue_carries_no_link(cast: Cast, sign_in, work) -> None:
    sign_in(cast.ada).post(MEMBERS, NEW)
    ((_, arguments),) = queued()
    assert arguments == (Invitation.objects.get().pk,)


def test_inviting_twice_sends_one_mail(cast: Cast, sign_in, work) -> None:
    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    ada.post(MEMBERS, {**NEW, "email": "new@ACME.example"})
    work()
    assert len(mail.outbox) == 1
    assert Invitation.objects.count() == 1


def test_after_it_expired_somebody_can_be_invited_again(
    link: str, later, cast: Cast, sign_in, work
) -> None:
    later(8 * 24 * 3600)
    sign_in(cast.ada).post(MEMBERS, NEW)
    work()
    assert len(mail.outbox) == 2
    assert [one.is_open for one in Invitation.objects.order_by("id")] == [False, True]


def test_a_member_is_not_invited_again(cast: Cast, sign_in, work) -> None:
    answer = sign_in(cast.ada).post(MEMBERS, {**NEW, "email": "REMY@acme.example"})
    assert answer.status_code == 422
    assert "already in your organization" in answer.content.decode()


def test_a_weak_password_is_refused_in_words(link: str, client: Client) -> None:
    answer = client.post(link, {"name": "Nia", "password": "12345"})
    assert answer.status_code == 422
    assert "too short" in answer.content.decode()
    assert Invitation.objects.get().is_open


def test_somebody_with_an_account_signs_in_to_accept(link: str, cast: Cast, client: Client) -> None:
    known = User.objects.create_user("new@acme.example", "whatever-password-3")
    assert "Sign in with it to accept" in client.get(link).content.decode()
    client.post(link, GOOD)  # knows the link, but is not signed in
    assert not Membership.objects.filter(user=known).exists()
    client.force_login(cast.zoe.user)
    client.post(link)
    assert not Membership.objects.filter(user=known).exists()
    client.force_login(known)
    client.post(link)
    assert Membership.objects.get(user=known).organization == cast.ada.organization


def test_signed_in_as_somebody_else_one_signs_out_and_comes_back_to_it(
    link: str, cast: Cast, sign_in
) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3")
    zoe = sign_in(cast.zoe)
    page = zoe.get(link).content.decode()
    assert "You are signed in as zoe@other.example" in page
    assert f'name="next" value="{link}"' in page
    back = zoe.post("/sign-out/", {"next": link}, follow=True)
    assert back.redirect_chain == [(link, 302)]
    assert "Sign in with it to accept" in back.content.decode()


def test_who_is_switched_off_is_told_so(link: str, client: Client) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3", is_active=False)
    for page in (client.get(link), client.post(link, GOOD)):
        told = page.content.decode()
        assert "Your account is switched off" in told
        assert "Sign in" not in told.split("<h1>")[1]
    assert not Membership.objects.filter(user__email="new@acme.example").exists()


def test_a_link_that_is_revoked_the_moment_it_is_accepted_opens_nothing(
    link: str, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = User.objects.create_user("new@acme.example", "whatever-password-3")
    real = invite.accept

    def meanwhile(invitation: Invitation, user: User) -> Membership:
        invite.revoke(invitation)
        return real(invitation, user)

    monkeypatch.setattr(invite, "accept", meanwhile)
    assert sign_in(known).post(link).status_code == 410
    assert not Membership.objects.filter(user=known).exists()


def test_an_address_that_is_too_long_to_keep_is_refused_in_words(cast: Cast, sign_in) -> None:
    longest = ".".join(["b" * 60] * 4)
    answer = sign_in(cast.ada).post(MEMBERS, {**NEW, "email": f"{'a' * 60}@{longest}.example"})
    assert answer.status_code == 422
    assert "at most 254 characters" in answer.content.decode()


def test_where_single_sign_on_is_required_the_link_leads_there_and_coming_back_is_joining(
    link: str, cast: Cast, client: Client
) -> None:
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
    assert client.get(link).url == "/", "whoever comes back to the link is in already"
    assert Client().get(link).status_code == 410


def test_where_another_organizations_sign_on_is_required_the_link_opens_nothing(
    link: str, cast: Cast, client: Client
) -> None:
    configure(cast.zoe.organization, "acme.example", required=True)
    page = client.post(link, GOOD).content.decode()
    assert "This address belongs to another organization" in page
    assert "/login/" not in page
    assert not User.objects.filter(email="new@acme.example").exists()


def test_a_mail_server_that_is_down_is_told_to_the_admin(
    cast: Cast, sign_in, work, settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    work()
    assert "could not be sent" in ada.get(MEMBERS).content.decode()
    assert Invitation.objects.get().link == ""


def test_a_mail_whose_worker_died_is_given_up_and_can_be_sent_again(
    cast: Cast, sign_in, work, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise SystemExit

    ada = sign_in(cast.ada)
    ada.post(MEMBERS, NEW)
    with monkeypatch.context() as dying:
        dying.setattr(invite, "send_mail", dies)
        with pytest.raises(SystemExit):
            work()
    later(5 * 60)
    tasks.sweep()
    assert Invitation.objects.get().mail == "sending", "it may still be on its way"
    later(6 * 60)
    tasks.sweep()
    invitation = Invitation.objects.get()
    assert (invitation.mail, invitation.link) == ("failed", "")
    assert "could not be sent" in ada.get(MEMBERS).content.decode()
    ada.post(f"{MEMBERS}invitations/{invitation.pk}/again/")
    work()
    assert len(mail.outbox) == 1


def test_sending_again_and_again_has_an_end(link: str, cast: Cast, sign_in, settings) -> None:
    most, _ = settings.LIMITS["members:resend"]
    again = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/again/"
    ada = sign_in(cast.ada)
    assert [ada.post(again).status_code for _ in range(most + 1)] == [302] * most + [429]


def test_every_deed_is_in_the_record(link: str, cast: Cast, sign_in, client: Client) -> None:
    client.post(link, GOOD)
    remy = cast.remy
    ada = sign_in(cast.ada)
    ada.post(f"{MEMBERS}{remy.pk}/", {"role": "admin"})
    ada.post(f"{MEMBERS}{remy.pk}/", {"take_out": "yes"})
    verbs = list(Entry.objects.order_by("id").values_list("verb", flat=True))
    deeds = ["member.invited", "member.joined", "member.role_changed", "member.taken_out"]
    assert [verb for verb in verbs if verb.startswith("member.")] == deeds


def test_a_link_from_before_brings_back_nobody_who_was_taken_out(
    link: str, cast: Cast, sign_in
) -> None:
    new = User.objects.create_user("new@acme.example", "whatever-password-3")
    member = Membership.objects.create(user=new, organization=cast.ada.organization)
    sign_in(cast.ada).post(f"{MEMBERS}{member.pk}/", {"take_out": "yes"})
    assert sign_in(new).post(link).status_code == 410
    assert not Membership.objects.filter(user=new).exists()


def test_two_admins_who_take_somebody_out_at_once_are_both_told(
    cast: Cast, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = roles.take_out

    def after_a_colleague(member: Membership, *, by: User) -> None:
        real(member, by=by)
        real(member, by=by)

    monkeypatch.setattr(roles, "take_out", after_a_colleague)
    page = sign_in(cast.ada).post(f"{MEMBERS}{cast.remy.pk}/", {"take_out": "y"}, follow=True)
    assert "Remy was taken out meanwhile" in page.content.decode()


def test_the_last_admin_stays(cast: Cast, sign_in) -> None:
    ada = sign_in(cast.ada)
    for deed in ({"role": "recruiter"}, {"take_out": "yes"}):
        ada.post(f"{MEMBERS}{cast.ada.pk}/", deed)
        cast.ada.refresh_from_db()
        assert cast.ada.is_admin


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


def test_who_gives_up_being_admin_lands_where_recruiters_are(cast: Cast, sign_in) -> None:
    Membership.objects.filter(pk=cast.remy.pk).update(role="admin")
    page = sign_in(cast.ada).post(f"{MEMBERS}{cast.ada.pk}/", {"role": "recruiter"}, follow=True)
    assert page.status_code == 200
    assert page.redirect_chain[-1][0] == "/requisitions/"
    assert "You are recruiter now." in page.content.decode()


def test_zoe_and_recruiters_reach_nothing_of_it(link: str, cast: Cast, sign_in) -> None:
    pk = Invitation.objects.get().pk
    zoe = sign_in(cast.zoe)
    assert "acme.example" not in zoe.get(MEMBERS).content.decode()
    assert zoe.post(f"{MEMBERS}invitations/{pk}/").status_code == 404
    assert zoe.post(f"{MEMBERS}{cast.remy.pk}/", {"take_out": "yes"}).status_code == 404
    assert sign_in(cast.remy).get(MEMBERS).status_code == 403
    assert Invitation.objects.get().is_open


def test_the_page_asks_as_many_questions_however_many_members(
    cast: Cast, sign_in, django_assert_max_num_queries
) -> None:
    ada = sign_in(cast.ada)
    with django_assert_max_num_queries(8):
        ada.get(MEMBERS)
