"""Invitations: mailed links that work once, for one address, for a week."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Membership, User
from portal.audit.models import Entry
from portal.members import invitations, memberships, tasks
from portal.members.models import Invitation
from portal.notifications import delivery, message_queue
from tests.factories import MembershipFactory
from tests.personas import Personas
from tests.portal.signin.fake_provider import (
    FakeProvider,
    configure_sso,
    mock_service,
    sign_in_with_sso,
)
from tests.queue import list_queued_tasks

MEMBERS = "/members/"
NEW = {"email": "New@acme.example", "role": "recruiter"}
GOOD = {"name": "Nia New", "password": "an-uncommon-password-9"}


@pytest.fixture
def link(personas: Personas, sign_in, run_tasks) -> str:
    """The path in an invitation's mail."""
    sign_in(personas.ada).post(MEMBERS, NEW)
    run_tasks()
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


def test_link_expires_after_a_week(link: str, advance_clock, client: Client) -> None:
    advance_clock(8 * 24 * 3600)
    assert client.get(link).status_code == 410
    assert client.post(link, GOOD).status_code == 410
    assert not User.objects.filter(email="new@acme.example").exists()


def test_resent_invitation_replaces_link(
    link: str, personas: Personas, sign_in, run_tasks, client: Client
) -> None:
    resend = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/resend/"
    assert sign_in(personas.zoe).post(resend).status_code == 404
    sign_in(personas.ada).post(resend)
    run_tasks()
    newer = re.search(r"(/invitation/\S+)", mail.outbox[-1].body).group(1)
    assert client.get(link).status_code == 410
    assert "Join Acme" in client.get(newer).content.decode()
    assert Entry.objects.filter(verb="member.invitation_resent").count() == 1


def test_revoked_link_opens_nothing(link: str, personas: Personas, sign_in, client: Client) -> None:
    pk = Invitation.objects.get().pk
    sign_in(personas.ada).post(f"{MEMBERS}invitations/{pk}/")
    assert client.get(link).status_code == 410


def test_made_up_link_opens_nothing(personas: Personas, client: Client) -> None:
    assert client.get("/invitation/made-up/").status_code == 410


def test_link_deleted_after_mail_is_sent(link: str) -> None:
    token = link.split("/")[2]
    invitation = Invitation.objects.get()
    assert invitation.token == ""
    assert token not in str(vars(invitation))


def test_queue_carries_no_link(personas: Personas, sign_in, run_tasks) -> None:
    sign_in(personas.ada).post(MEMBERS, NEW)
    ((_, arguments),) = list_queued_tasks()
    assert arguments == (Invitation.objects.get().pk,)


def test_second_invitation_sends_no_mail(personas: Personas, sign_in, run_tasks) -> None:
    ada = sign_in(personas.ada)
    ada.post(MEMBERS, NEW)
    ada.post(MEMBERS, {**NEW, "email": "new@ACME.example"})
    run_tasks()
    assert len(mail.outbox) == 1
    assert Invitation.objects.count() == 1


def test_expired_invitation_can_be_repeated(
    link: str, advance_clock, personas: Personas, sign_in, run_tasks
) -> None:
    advance_clock(8 * 24 * 3600)
    sign_in(personas.ada).post(MEMBERS, NEW)
    run_tasks()
    assert len(mail.outbox) == 2
    assert [invitation.is_open for invitation in Invitation.objects.order_by("id")] == [False, True]


def test_member_is_not_invited_again(personas: Personas, sign_in, run_tasks) -> None:
    answer = sign_in(personas.ada).post(MEMBERS, {**NEW, "email": "REMY@acme.example"})
    assert answer.status_code == 422
    assert "is already a member" in answer.content.decode()


def test_weak_password_refused_with_reason(link: str, client: Client) -> None:
    answer = client.post(link, {"name": "Nia", "password": "12345"})
    assert answer.status_code == 422
    assert "too short" in answer.content.decode()
    assert Invitation.objects.get().is_open


def test_existing_account_signs_in_to_accept(link: str, personas: Personas, client: Client) -> None:
    user = User.objects.create_user("new@acme.example", "whatever-password-3")
    assert "You already have an account. Sign in to accept." in client.get(link).content.decode()
    client.post(link, GOOD)  # has the link but is not signed in
    assert not Membership.objects.filter(user=user).exists()
    client.force_login(personas.zoe.user)
    client.post(link)
    assert not Membership.objects.filter(user=user).exists()
    client.force_login(user)
    client.post(link)
    assert Membership.objects.get(user=user).organization == personas.ada.organization


def test_other_account_signs_out_and_returns_to_link(
    link: str, personas: Personas, sign_in
) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3")
    zoe = sign_in(personas.zoe)
    page = zoe.get(link).content.decode()
    assert "You're signed in as zoe@other.example" in page
    assert f'name="next" value="{link}"' in page
    back = zoe.post("/sign-out/", {"next": link}, follow=True)
    assert back.redirect_chain == [(link, 302)]
    assert "You already have an account. Sign in to accept." in back.content.decode()


def test_deactivated_account_is_told(link: str, client: Client) -> None:
    User.objects.create_user("new@acme.example", "whatever-password-3", is_active=False)
    for page in (client.get(link), client.post(link, GOOD)):
        text = page.content.decode()
        assert "Your account is deactivated" in text
        assert "Sign in" not in text.split("<h1>")[1]
    assert not Membership.objects.filter(user__email="new@acme.example").exists()


def test_link_revoked_during_acceptance_opens_nothing(
    link: str, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create_user("new@acme.example", "whatever-password-3")
    original_accept = invitations.accept_invitation

    def revoke_then_accept(invitation: Invitation, accepting: User) -> Membership:
        invitations.revoke_invitation(invitation)
        return original_accept(invitation, accepting)

    monkeypatch.setattr(invitations, "accept_invitation", revoke_then_accept)
    assert sign_in(user).post(link).status_code == 410
    assert not Membership.objects.filter(user=user).exists()


def test_too_long_address_refused(personas: Personas, sign_in) -> None:
    longest = ".".join(["b" * 60] * 4)
    answer = sign_in(personas.ada).post(MEMBERS, {**NEW, "email": f"{'a' * 60}@{longest}.example"})
    assert answer.status_code == 422
    assert "at most 254 characters" in answer.content.decode()


def test_required_sso_link_joins_through_sso(link: str, personas: Personas, client: Client) -> None:
    acme = personas.ada.organization
    configure_sso(acme, "acme.example", required=True)
    start = reverse("openid_connect_login", kwargs={"provider_id": acme.slug})
    for page in (client.get(link), client.post(link, GOOD)):
        assert f'href="{start}"' in page.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()
    with mock_service() as mocked:
        FakeProvider(mocked, {"sub": "7", "email": "new@acme.example", "email_verified": True})
        assert sign_in_with_sso(client, acme).url == "/"
    joined = Membership.objects.get(user__email="new@acme.example")
    assert joined.role == NEW["role"]
    assert not joined.user.has_usable_password()
    assert client.get(link).url == "/", "the link leads a member to the portal"
    assert Client().get(link).status_code == 410


def test_foreign_required_sso_comes_before_accepting(
    link: str, personas: Personas, client: Client
) -> None:
    other = personas.zoe.organization
    configure_sso(other, "acme.example", required=True)
    page = client.post(link, GOOD).content.decode()
    start = reverse("openid_connect_login", kwargs={"provider_id": other.slug})
    assert f'href="{start}?next={link}"' in page
    assert not User.objects.filter(email="new@acme.example").exists()
    with mock_service() as mocked:
        FakeProvider(mocked, {"sub": "7", "email": "new@acme.example", "email_verified": True})
        sign_in_with_sso(client, other)
    assert "Join Acme" in client.get(link).content.decode()
    client.post(link)
    joined = Membership.objects.filter(user__email="new@acme.example")
    assert {member.organization.name for member in joined} == {"Acme", "Other Inc"}
    assert client.get("/requisitions/").context["organization"].name == "Acme"


def test_mail_failure_shown_to_admin(
    personas: Personas, sign_in, run_tasks, advance_clock, settings
) -> None:
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    ada = sign_in(personas.ada)
    ada.post(MEMBERS, NEW)
    run_tasks()
    assert "couldn't be sent yet. Next try" in ada.get(MEMBERS).content.decode()
    for _ in range(message_queue.MAX_ATTEMPTS):
        advance_clock(2 * 3600 + 1)
        tasks.recover_lost_invitations()
        run_tasks()
    assert "couldn't be sent" in sign_in(personas.ada).get(MEMBERS).content.decode()
    assert Invitation.objects.get().token == ""


def test_interrupted_mail_fails_and_can_be_resent(
    personas: Personas, sign_in, run_tasks, advance_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    ada = sign_in(personas.ada)
    ada.post(MEMBERS, NEW)
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "send_email", die)
        with pytest.raises(SystemExit):
            run_tasks()
    advance_clock(5 * 60)
    tasks.recover_lost_invitations()
    assert Invitation.objects.get().email_status == "sending", "it may still be sent"
    advance_clock(6 * 60)
    tasks.recover_lost_invitations()
    invitation = Invitation.objects.get()
    assert (invitation.email_status, invitation.token) == ("failed", "")
    assert "couldn't be sent" in ada.get(MEMBERS).content.decode()
    ada.post(f"{MEMBERS}invitations/{invitation.pk}/resend/")
    run_tasks()
    assert len(mail.outbox) == 1


def test_resending_is_rate_limited(link: str, personas: Personas, sign_in, settings) -> None:
    limit, _ = settings.POST_RATE_LIMITS["members:resend_invitation"]
    resend = f"{MEMBERS}invitations/{Invitation.objects.get().pk}/resend/"
    ada = sign_in(personas.ada)
    assert [ada.post(resend).status_code for _ in range(limit + 1)] == [302] * limit + [429]


def test_every_membership_change_is_logged(
    link: str, personas: Personas, sign_in, client: Client
) -> None:
    client.post(link, GOOD)
    remy = personas.remy
    ada = sign_in(personas.ada)
    ada.post(f"{MEMBERS}{remy.pk}/", {"role": "admin"})
    ada.post(f"{MEMBERS}{remy.pk}/", {"remove": "yes"})
    verbs = list(Entry.objects.order_by("id").values_list("verb", flat=True))
    expected_verbs = ["member.invited", "member.joined", "member.role_changed", "member.removed"]
    assert [verb for verb in verbs if verb.startswith("member.")] == expected_verbs


def test_removed_member_cannot_use_old_link(link: str, personas: Personas, sign_in) -> None:
    new = User.objects.create_user("new@acme.example", "whatever-password-3")
    member = Membership.objects.create(user=new, organization=personas.ada.organization)
    sign_in(personas.ada).post(f"{MEMBERS}{member.pk}/", {"remove": "yes"})
    assert sign_in(new).post(link).status_code == 410
    assert not Membership.objects.filter(user=new).exists()


def test_concurrent_removal_reported_to_both_admins(
    personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    original_take_out = memberships.remove_member

    def take_out_twice(member: Membership, *, by: User) -> None:
        original_take_out(member, by=by)
        original_take_out(member, by=by)

    monkeypatch.setattr(memberships, "remove_member", take_out_twice)
    page = sign_in(personas.ada).post(f"{MEMBERS}{personas.remy.pk}/", {"remove": "y"}, follow=True)
    assert "Remy has already been removed" in page.content.decode()


def test_last_admin_cannot_leave(personas: Personas, sign_in) -> None:
    ada = sign_in(personas.ada)
    for change in ({"role": "recruiter"}, {"remove": "yes"}):
        page = ada.post(f"{MEMBERS}{personas.ada.pk}/", change, follow=True).content.decode()
        assert "Not changed: Acme needs an admin." in page
        assert Membership.objects.filter(pk=personas.ada.pk, role="admin").exists()


def test_last_active_admin_cannot_leave_role(personas: Personas, sign_in) -> None:
    """An admin whose account is deactivated cannot sign in, so they are no replacement."""
    Membership.objects.filter(pk=personas.remy.pk).update(role="admin")
    User.objects.filter(pk=personas.remy.user_id).update(is_active=False)
    ada = sign_in(personas.ada)
    for change in ({"role": "recruiter"}, {"remove": "yes"}):
        ada.post(f"{MEMBERS}{personas.ada.pk}/", change)
        personas.ada.refresh_from_db()
        assert personas.ada.is_admin
        assert personas.ada.ended_at is None


def test_former_admin_lands_on_jobs(personas: Personas, sign_in) -> None:
    Membership.objects.filter(pk=personas.remy.pk).update(role="admin")
    page = sign_in(personas.ada).post(
        f"{MEMBERS}{personas.ada.pk}/", {"role": "recruiter"}, follow=True
    )
    assert page.status_code == 200
    assert page.redirect_chain[-1][0] == "/requisitions/"
    assert "Ada is now a recruiter." in page.content.decode()


def test_other_customers_and_recruiters_have_no_access(
    link: str, personas: Personas, sign_in
) -> None:
    pk = Invitation.objects.get().pk
    zoe = sign_in(personas.zoe)
    assert "acme.example" not in zoe.get(MEMBERS).content.decode()
    assert zoe.post(f"{MEMBERS}invitations/{pk}/").status_code == 404
    assert zoe.post(f"{MEMBERS}{personas.remy.pk}/", {"remove": "yes"}).status_code == 404
    assert sign_in(personas.remy).get(MEMBERS).status_code == 403
    assert Invitation.objects.get().is_open


def test_query_count_independent_of_members(
    personas: Personas, sign_in, django_assert_max_num_queries, django_assert_num_queries
) -> None:
    ada = sign_in(personas.ada)
    ada.get(MEMBERS)  # records that the portal is in use, once a minute
    with django_assert_max_num_queries(8) as baseline:
        ada.get(MEMBERS)
    MembershipFactory.create_batch(12, organization=personas.ada.organization)
    with django_assert_num_queries(len(baseline)):
        ada.get(MEMBERS)


@pytest.mark.parametrize(
    "email",
    ["new@acme.example\n", "new@acme.example\r\nBcc: x@y.example", "new\u2028@acme.example"],
)
def test_address_with_line_break_refused(personas: Personas, sign_in, email: str) -> None:
    answer = sign_in(personas.ada).post(MEMBERS, {**NEW, "email": email})
    assert answer.status_code == 422
    assert "on one line" in answer.content.decode()
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    "name",
    ["Nia\nNew", "Nia\r\nBcc: x@y.example", "Nia\u2028New", "Nia\u202e", "\u200b", "\u3164"],
)
def test_name_must_be_visible_line(link: str, client: Client, name: str) -> None:
    assert client.post(link, {**GOOD, "name": name}).status_code == 422
    assert not User.objects.filter(email="new@acme.example").exists()


def test_name_keeps_its_script(link: str, client: Client) -> None:
    client.post(link, {**GOOD, "name": "  محمد   علي "})
    assert User.objects.get(email="new@acme.example").name == "محمد علي"
