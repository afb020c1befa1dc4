"""Removing a member: access and pending work end, history stays, they may return."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, User
from portal.applications.actions.outbox import release_due_actions
from portal.applications.models import ApplicationAction
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import Consent
from portal.issues import service
from portal.issues.models import Issue
from portal.jobs.models import Pin
from portal.notifications import notify
from portal.notifications.models import Notification, Preference
from portal.privacy import member_data
from portal.support.impersonation.sessions import IMPERSONATE_PERMISSION
from portal.sync.models import Job
from tests.factories import UserFactory
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.consent_flow import complete_authorization, enable_oauth_app

MEMBERS = "/members/"


def _remove_member(ada: Client, member: Membership) -> None:
    assert ada.post(f"{MEMBERS}{member.pk}/", {"remove": "yes"}).status_code == 302


def test_removed_member_loses_access_and_keeps_history(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connect()
    remy, ada = sign_in(personas.remy), sign_in(personas.ada)
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    page = reverse("applications:history", args=[application.pk])
    assert remy.get(page).status_code == 200
    _remove_member(ada, personas.remy)
    assert remy.get(page).status_code in {302, 403, 404}
    assert personas.remy.user.email not in ada.get(MEMBERS).content.decode()
    assert ApplicationAction.objects.get().status == ApplicationAction.Status.DONE
    assert "Remy" in sign_in(personas.sam).get(page).content.decode(), "the history names them"


def test_pending_action_not_sent_after_removal(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock
) -> None:
    connect()
    reject_application(sign_in(personas.remy), find_application())
    _remove_member(sign_in(personas.ada), personas.remy)
    advance_clock(60)
    release_due_actions()
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == ApplicationAction.Status.FAILED
    assert action.outcome == "Remy is no longer a member of Acme. Nothing was sent."
    assert not list_writes(sandbox)


def test_pending_action_not_sent_after_deactivation(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock
) -> None:
    connect()
    reject_application(sign_in(personas.remy), find_application())
    User.objects.filter(pk=personas.remy.user_id).update(is_active=False)
    advance_clock(60)
    release_due_actions()
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.outcome == "The account of Remy was deactivated. Nothing was sent."
    assert not list_writes(sandbox)


def test_removed_member_and_outsider_told_apart(personas: Personas, sign_in) -> None:
    _remove_member(sign_in(personas.ada), personas.uma)
    taken_out = sign_in(personas.uma.user).get("/requisitions/").content.decode()
    assert "You're no longer a member of Acme" in taken_out
    never_in = sign_in(UserFactory()).get("/requisitions/").content.decode()
    assert "You aren't a member of a company yet" in never_in


@pytest.mark.parametrize("removal", ["taken out", "erased"])
def test_removal_revokes_personal_consent(
    personas: Personas, sandbox: Sandbox, settings, sign_in, run_tasks, removal: str
) -> None:
    enable_oauth_app(settings)
    ada, sam = sign_in(personas.ada), sign_in(personas.sam)
    complete_authorization(ada, sandbox)
    run_tasks()
    complete_authorization(sam, sandbox, start="/account/greenhouse/", who="sam")
    if removal == "erased":
        member_data.erase_member(personas.sam.user)
    else:
        _remove_member(ada, personas.sam)
        consent = Consent.objects.get(membership=personas.sam.pk)
        assert (consent.state, consent.refresh_token) == ("ended", "")
    run_tasks()
    ends = [row.ended_reason for row in sandbox.consents.rows.values()]
    assert ends == ["", "revoked by the partner"], (
        "only the member's consent ends, not the connection's"
    )


def test_reinvited_member_returns_in_new_role(personas: Personas, sign_in, run_tasks) -> None:
    ada = sign_in(personas.ada)
    _remove_member(ada, personas.remy)
    ada.post(MEMBERS, {"email": personas.remy.user.email, "role": "admin"})
    run_tasks()
    link = re.search(r"/invitation/\S+", mail.outbox[-1].body)
    assert link
    assert sign_in(personas.remy).post(link[0]).status_code == 302
    membership = Membership.objects.get(user=personas.remy.user)
    assert (membership.pk, membership.role, membership.ended_at) == (
        personas.remy.pk,
        "admin",
        None,
    )
    expected_verbs = ["member.removed", "member.invited", "member.joined"]
    verbs = Entry.objects.order_by("id").values_list("verb", flat=True)
    assert [verb for verb in verbs if verb.startswith("member.")] == expected_verbs


def test_removal_deletes_pins_and_stops_mail(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connect()
    acme, uma = personas.ada.organization, personas.uma.user
    Pin.objects.create(membership=personas.uma, job=Job.objects.first())
    Preference.objects.create(user=uma, frequency="daily")
    notify.notify_users([uma], acme, key="waits", subject="Waits", body="for the digest")
    service.open_issue(
        acme, Issue.Cause.DRIFT, title="t", description="w",
        severity=Issue.Severity.CRITICAL, fixer=Issue.Fixer.OPERATOR,
    )  # fmt: skip
    key = Notification.objects.get(subject="t", recipient=personas.ola).key
    Notification.objects.create(
        organization=acme, recipient=uma, key=key, subject="t", body="w", status="sent"
    )
    _remove_member(sign_in(personas.ada), personas.uma)
    assert not Pin.objects.exists()
    assert not Notification.objects.filter(recipient=uma, status="deferred").exists()
    service.resolve_issues(acme, Issue.Cause.DRIFT, why="it fits again")
    closed = Notification.objects.filter(subject__startswith="Resolved")
    assert [notification.recipient for notification in closed] == [personas.ola]


def test_log_names_removed_member(personas: Personas, sign_in) -> None:
    ada = sign_in(personas.ada)
    acme = personas.ada.organization
    record_entry("jobs.exported", "exported requisitions", organization=acme, by=personas.remy.user)
    _remove_member(ada, personas.remy)
    log = reverse("audit:log")
    page = ada.get(log).content.decode()
    assert "Remy (removed)" in page
    assert "exported requisitions" in page
    staff_entries = ada.get(log, {"who": "success"}).content.decode()
    assert "exported requisitions" not in staff_entries


def test_removal_ends_impersonation(personas: Personas, sign_in) -> None:
    cas, ada = sign_in(personas.cas), sign_in(personas.ada)
    assert personas.cas.has_perm(IMPERSONATE_PERMISSION)
    begin = reverse("admin:start_impersonation", args=[personas.remy.pk])
    cas.post(begin, {"reason": "Remy asks where her requisitions are"})
    assert "Viewing as Remy" in cas.get("/notifications/").content.decode()
    _remove_member(ada, personas.remy)
    assert "Viewing as Remy" not in cas.get("/notifications/").content.decode()
    assert cas.get(begin).status_code == 404


@pytest.mark.parametrize("role", ["admin", "recruiter"])
def test_removal_and_return_through_admin_site(personas: Personas, sign_in, role: str) -> None:
    acme, ola = personas.ada.organization, sign_in(personas.ola)
    delete = reverse("admin:accounts_membership_delete", args=[personas.uma.pk])
    assert ola.post(delete, {"post": "yes"}).status_code == 302
    assert not Membership.objects.filter(pk=personas.uma.pk).exists()
    assert Membership._base_manager.get(pk=personas.uma.pk).ended_at

    form = {"user": personas.uma.user_id, "organization": acme.pk, "role": role}
    assert ola.post(reverse("admin:accounts_membership_add"), form).status_code == 302
    assert Membership.objects.get(pk=personas.uma.pk).role == role
    assert Entry.objects.filter(verb="member.added").exists()
