"""Removing a member: access and pending work end, history stays, they may return."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.applications.outbox import release
from portal.audit.models import Entry
from portal.audit.record import record
from portal.connections.models import Consent
from portal.issues import book
from portal.issues.models import Issue
from portal.jobs.models import Pin
from portal.mirror.models import Job
from portal.notices import tell
from portal.notices.models import Notice, Preference
from portal.privacy import people
from portal.support.looking import MAY
from tests.cast import Cast
from tests.factories import UserFactory
from tests.portal.applications.clicking import an_application, click, reject, writes
from tests.portal.consents import go_through, switch_on

MEMBERS = "/members/"


def _take_out(ada: Client, member: Membership) -> None:
    assert ada.post(f"{MEMBERS}{member.pk}/", {"take_out": "yes"}).status_code == 302


def test_removed_member_loses_access_and_keeps_history(connect, cast: Cast, sign_in, work) -> None:
    connect()
    remy, ada = sign_in(cast.remy), sign_in(cast.ada)
    application = an_application()
    click(remy, "advance", application)
    work()
    page = reverse("applications:history", args=[application.pk])
    assert remy.get(page).status_code == 200
    _take_out(ada, cast.remy)
    assert remy.get(page).status_code in {302, 403, 404}
    assert cast.remy.user.email not in ada.get(MEMBERS).content.decode()
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert "Remy" in sign_in(cast.sam).get(page).content.decode(), "the history names them"


def test_pending_action_not_sent_after_removal(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later
) -> None:
    connect()
    reject(sign_in(cast.remy), an_application())
    _take_out(sign_in(cast.ada), cast.remy)
    later(60)
    release()
    work()
    action = ApplicationAction.objects.get()
    assert action.status == ApplicationAction.Status.FAILED
    assert action.outcome == "Remy no longer belongs to Acme, so nothing was sent."
    assert not writes(sandbox)


def test_removed_member_and_outsider_told_apart(cast: Cast, sign_in) -> None:
    _take_out(sign_in(cast.ada), cast.uma)
    taken_out = sign_in(cast.uma.user).get("/requisitions/").content.decode()
    assert "You are no longer in Acme here" in taken_out
    never_in = sign_in(UserFactory()).get("/requisitions/").content.decode()
    assert "You are not in an organization yet" in never_in


@pytest.mark.parametrize("removal", ["taken out", "erased"])
def test_removal_revokes_personal_consent(
    cast: Cast, sandbox: Sandbox, settings, sign_in, work, removal: str
) -> None:
    switch_on(settings)
    ada, sam = sign_in(cast.ada), sign_in(cast.sam)
    go_through(ada, sandbox)
    work()
    go_through(sam, sandbox, start="/account/greenhouse/", who="sam")
    if removal == "erased":
        people.erase(cast.sam.user)
    else:
        _take_out(ada, cast.sam)
        consent = Consent.objects.get(membership=cast.sam.pk)
        assert (consent.state, consent.refresh_token) == ("ended", "")
    ends = [row.ended for row in sandbox.consents.rows.values()]
    assert ends == ["", "revoked by the partner"], (
        "only the member's consent ends, not the connection's"
    )


def test_reinvited_member_returns_in_new_role(cast: Cast, sign_in, work) -> None:
    ada = sign_in(cast.ada)
    _take_out(ada, cast.remy)
    ada.post(MEMBERS, {"email": cast.remy.user.email, "role": "admin"})
    work()
    link = re.search(r"/invitation/\S+", mail.outbox[-1].body)
    assert link
    assert sign_in(cast.remy).post(link[0]).status_code == 302
    membership = Membership.objects.get(user=cast.remy.user)
    assert (membership.pk, membership.role, membership.ended_at) == (cast.remy.pk, "admin", None)
    expected_verbs = ["member.taken_out", "member.invited", "member.joined"]
    verbs = Entry.objects.order_by("id").values_list("verb", flat=True)
    assert [verb for verb in verbs if verb.startswith("member.")] == expected_verbs


def test_removal_deletes_pins_and_stops_mail(connect, cast: Cast, sign_in, work) -> None:
    connect()
    acme, uma = cast.ada.organization, cast.uma.user
    Pin.objects.create(membership=cast.uma, job=Job.objects.first())
    Preference.objects.create(person=uma, how="daily")
    tell.tell([uma], acme, key="waits", subject="Waits", words="for the digest")
    book.seen(
        acme, Issue.Cause.DRIFT, title="t", words="w",
        severity=Issue.Severity.MUST_ACT, fixer=Issue.Fixer.NOBODY,
    )  # fmt: skip
    key = Notice.objects.filter(subject__contains="t", to=cast.cas).first().key
    Notice.objects.create(organization=acme, to=uma, key=key, subject="t", words="w", status="sent")
    _take_out(sign_in(cast.ada), cast.uma)
    assert not Pin.objects.exists()
    assert not Notice.objects.filter(to=uma, status="held").exists()
    book.solved(acme, Issue.Cause.DRIFT, why="it fits again")
    closed = Notice.objects.filter(subject__startswith="Solved")
    assert set(closed.values_list("to__email", flat=True)) == {
        "cas@portal.example",
        "ola@portal.example",
    }


def test_log_names_removed_member(cast: Cast, sign_in) -> None:
    ada = sign_in(cast.ada)
    acme = cast.ada.organization
    record("jobs.exported", "exported requisitions", organization=acme, by=cast.remy.user)
    _take_out(ada, cast.remy)
    log = reverse("audit:log")
    page = ada.get(log).content.decode()
    assert "Remy (taken out)" in page
    assert "exported requisitions" in page
    staff_entries = ada.get(log, {"who": "success"}).content.decode()
    assert "exported requisitions" not in staff_entries


def test_removal_ends_impersonation(cast: Cast, sign_in) -> None:
    cas, ada = sign_in(cast.cas), sign_in(cast.ada)
    assert cast.cas.has_perm(MAY)
    begin = reverse("admin:look_begin", args=[cast.remy.pk])
    cas.post(begin, {"reason": "Remy asks where her requisitions are"})
    assert "You see what Remy sees" in cas.get("/mails/").content.decode()
    _take_out(ada, cast.remy)
    assert "You see what Remy sees" not in cas.get("/mails/").content.decode()
    assert cas.get(begin).status_code == 404


@pytest.mark.parametrize("role", ["admin", "recruiter"])
def test_removal_and_return_through_admin_site(cast: Cast, sign_in, role: str) -> None:
    acme, ola = cast.ada.organization, sign_in(cast.ola)
    delete = reverse("admin:accounts_membership_delete", args=[cast.uma.pk])
    assert ola.post(delete, {"post": "yes"}).status_code == 302
    assert not Membership.objects.filter(pk=cast.uma.pk).exists()
    assert Membership._base_manager.get(pk=cast.uma.pk).ended_at

    form = {"user": cast.uma.user_id, "organization": acme.pk, "role": role}
    assert ola.post(reverse("admin:accounts_membership_add"), form).status_code == 302
    assert Membership.objects.get(pk=cast.uma.pk).role == role
    assert Entry.objects.filter(verb="member.added").exists()
