"""Staff actions for a customer: confirmed first and recorded in the customer's log."""

from __future__ import annotations

import re

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from django_q.brokers import get_broker

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Organization
from portal.audit.models import Entry
from portal.connections.models import Connection, FixLink
from portal.connections.permissions import fix_link_email
from portal.core.secrets.secret_field import reveal_secret
from portal.issues import service
from portal.issues.models import Issue
from portal.members import invitations
from portal.members.models import Invitation
from portal.notifications import message_queue
from portal.sync.models import Job, RefreshRequest
from tests.personas import Personas
from tests.queue import list_queued_tasks

MISSING = {"applications.reject", "job_posts.list"}


def _customer_url(organization: Organization) -> str:
    return reverse("admin:accounts_organization_summary", args=[organization.pk])


def _action_url(organization: Organization, name: str, *more: object) -> str:
    return reverse(f"admin:accounts_organization_{name}", args=[organization.pk, *more])


def _read_customer_log(personas: Personas, sign_in) -> str:
    return str(sign_in(personas.ada).get(reverse("audit:log")).content.decode())


def _find_fix_links(text: str) -> list[str]:
    return re.findall(r"/setup/fix/[\w-]+/", text)


def test_csm_check_and_sync_appear_in_customer_log(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connection = connect()
    cas, acme = sign_in(personas.cas), personas.ada.organization
    for key in ("check", "sync"):
        page = cas.get(_action_url(acme, "run_action", key)).content.decode()
        assert "activity log under your name" in page
        assert cas.post(_action_url(acme, "run_action", key)).url == _customer_url(acme)
        run_tasks()
    assert connection.checks.first().requested_by == personas.cas
    assert connection.syncs.first().requested_by == personas.cas
    log = _read_customer_log(personas, sign_in)
    assert "requested a permission check" in log
    assert "requested a sync" in log


def test_csm_pauses_and_resumes_connection(connect, personas: Personas, sign_in, run_tasks) -> None:
    connection = connect()
    cas, acme = sign_in(personas.cas), personas.ada.organization
    assert (
        "Until then, recruiters see no requisitions"
        in cas.get(_action_url(acme, "run_action", "pause")).content.decode()
    )
    cas.post(_action_url(acme, "run_action", "pause"))
    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    page = cas.get(_customer_url(acme)).content.decode()
    assert "Resume" in page
    second = cas.post(_action_url(acme, "run_action", "pause"), follow=True).content.decode()
    assert "Not available while the connection is “Paused”." in second
    cas.post(_action_url(acme, "run_action", "resume"))
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    log = _read_customer_log(personas, sign_in)
    assert "paused the connection" in log
    assert "resumed the connection" in log
    assert Entry.objects.filter(verb="support.connection_paused").count() == 1


def test_impossible_actions_explain_why(personas: Personas, sign_in) -> None:
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    assert "No credential yet." in cas.get(_customer_url(acme)).content.decode()
    for address in (
        _action_url(acme, "run_action", "sync"),
        _action_url(acme, "run_action", "pause"),
        _action_url(acme, "refresh_job"),
        _action_url(acme, "fix_link"),
    ):
        answer = cas.post(address, follow=True)
        assert "No credential yet." in answer.content.decode(), address
    assert not Entry.objects.filter(verb__startswith="support.").exists()
    assert cas.get(_action_url(acme, "run_action", "nonsense")).status_code == 404


# -- refreshing a job ------------------------------------------------------------------------------


def test_csm_refreshes_one_job(
    connect, personas: Personas, sign_in, run_tasks, sandbox: Sandbox
) -> None:
    connect()
    cas, acme = sign_in(personas.cas), personas.ada.organization
    job = Job.objects.filter(confidential=False, status="open").first()
    page = cas.get(_action_url(acme, "refresh_job"), {"q": job.remote_id}).content.decode()
    assert job.name in page
    cas.post(_action_url(acme, "refresh_job"), {"job": job.pk})
    [(task, _)] = list_queued_tasks()
    assert task == "portal.sync.tasks.refresh_record"
    run_tasks()
    assert not RefreshRequest.objects.exists()
    job.refresh_from_db()
    assert job.read_at is not None
    assert f"requested a refresh of requisition {job.remote_id}" in _read_customer_log(
        personas, sign_in
    )


def test_confidential_job_refreshed_without_name(connect, personas: Personas, sign_in) -> None:
    connect()
    cas, acme = sign_in(personas.cas), personas.ada.organization
    job = Job.objects.filter(confidential=True).first()
    by_name = cas.get(_action_url(acme, "refresh_job"), {"q": job.name}).content.decode()
    assert "No requisitions match" in by_name
    by_id = cas.get(_action_url(acme, "refresh_job"), {"q": job.remote_id}).content.decode()
    assert "A confidential requisition" in by_id
    assert job.name not in by_id


def test_other_customers_job_cannot_be_refreshed(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    Connection.objects.filter(pk=connection.pk).update(organization=personas.zoe.organization)
    other = Connection.objects.create(organization=personas.ada.organization, state="live")
    connection.credentials.update(connection=other)
    answer = sign_in(personas.cas).post(
        _action_url(personas.ada.organization, "refresh_job"), {"job": Job.objects.first().pk}
    )
    assert answer.status_code == 404
    assert not RefreshRequest.objects.exists()


# -- fix links -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_mailed_fix_link_closes_its_issue(
    connect,
    personas: Personas,
    sign_in,
    run_tasks,
    mailoutbox: list[EmailMessage],
    sandbox: Sandbox,
) -> None:
    connection, cas, acme = (
        connect(without=MISSING),
        sign_in(personas.cas),
        personas.ada.organization,
    )
    run_tasks()
    mailoutbox.clear()
    issue = Issue.objects.get(cause="missing_permission", key="harvest:applications:reject")
    send = reverse("admin:issues_issue_send_message", args=[issue.pk])
    address = _action_url(acme, "fix_link")
    assert cas.get(send).url == address
    page = cas.get(address).content.decode()
    assert "harvest:applications:reject" in page
    assert not _find_fix_links(page)
    invalid = cas.post(address, {"send": "yes", "to": "else", "other": ""})
    assert invalid.status_code == 422
    unclear = {"send": "yes", "to": "ada@acme.example", "other": "gia@acme.example"}
    assert "to send it to gia@acme.example" in cas.post(address, unclear).text
    assert not FixLink.objects.exists()
    assert cas.post(address, {"send": "yes", "to": "else", "other": "gia@acme.example"}).url
    assert reveal_secret(FixLink.objects.get().token) not in str(list_queued_tasks())
    run_tasks()
    [mail] = mailoutbox
    assert mail.to == ["gia@acme.example"]
    assert "harvest:applications:reject" in mail.body
    [path] = _find_fix_links(mail.body)
    link = FixLink.objects.get()
    assert (link.email_status, link.token, link.created_by) == ("sent", "", personas.cas)
    assert "sent it to gia@acme.example" in _read_customer_log(personas, sign_in)

    client_id = connection.credential.get_secrets()["client_id"]
    sandbox.credentials.find_credential(client_id).grant_permissions(MISSING)
    gia = Client()
    assert "harvest:applications:reject" in gia.get(path).content.decode()
    gia.post(path)
    run_tasks()
    assert "All permissions granted" in gia.get(path).content.decode()
    issue.refresh_from_db()
    assert not issue.is_open
    assert not Issue.objects.filter(cause="missing_permission", closed_at=None).exists()


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_copied_fix_link_shown_once_and_revocable(connect, personas: Personas, sign_in) -> None:
    connect(without=MISSING)
    cas, acme = sign_in(personas.cas), personas.ada.organization
    address = _action_url(acme, "fix_link")
    [path] = _find_fix_links(cas.post(address, {"copy": "yes"}).content.decode())
    assert Client().get(path).status_code == 200
    page = cas.get(address).content.decode()
    assert not _find_fix_links(page)
    assert "Copied, not emailed" in page
    cas.post(_action_url(acme, "revoke_fix_link", FixLink.objects.get().pk))
    assert Client().get(path).status_code == 410
    log = _read_customer_log(personas, sign_in)
    assert "revoked a fix link" in log
    assert (
        cas.post(
            _action_url(personas.zoe.organization, "revoke_fix_link", FixLink.objects.get().pk)
        ).status_code
        == 404
    )


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_at_most_five_links_are_open(connect, personas: Personas, sign_in) -> None:
    connect(without=MISSING)
    cas, address = sign_in(personas.cas), _action_url(personas.ada.organization, "fix_link")
    for _ in range(6):
        answer = cas.post(address, {"copy": "yes"}).content.decode()
    assert "Five links are open already" in answer
    assert FixLink.objects.count() == 5


def test_no_link_without_missing_permissions(connect, personas: Personas, sign_in) -> None:
    connect()
    answer = sign_in(personas.cas).post(
        _action_url(personas.ada.organization, "fix_link"), {"copy": "yes"}
    )
    assert "No permissions are missing" in answer.content.decode()
    assert not FixLink.objects.exists()


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_lost_mail_task_is_queued_again(
    connect, personas: Personas, sign_in, run_tasks, advance_clock, mailoutbox: list[EmailMessage]
) -> None:
    connect(without=MISSING)
    mailoutbox.clear()
    ada = {"send": "yes", "to": "ada@acme.example"}
    sign_in(personas.cas).post(_action_url(personas.ada.organization, "fix_link"), ada)
    get_broker().purge_queue()
    advance_clock(message_queue.REQUEUE_AFTER.total_seconds() + 1)
    fix_link_email.MESSAGES.recover_lost()
    run_tasks()
    assert [mail.to for mail in mailoutbox] == [["ada@acme.example"]]


# -- invitations and messages ----------------------------------------------------------------------


def test_resent_invitation_replaces_link(
    personas: Personas, sign_in, run_tasks, advance_clock, mailoutbox: list[EmailMessage]
) -> None:
    acme = personas.ada.organization
    invitations.create_invitation(acme, "nia@acme.example", role="admin", by=personas.ada.user)
    run_tasks()
    advance_clock(invitations.LINK_LIFETIME.total_seconds() + 60)
    cas = sign_in(personas.cas)
    page = cas.get(_customer_url(acme)).content.decode()
    assert "nia@acme.example" in page
    assert "expired" in page
    invitation = Invitation.objects.get()
    address = _action_url(acme, "resend_invitation", invitation.pk)
    assert "stops working" in cas.get(address).content.decode()
    cas.post(address)
    cas.post(address)
    run_tasks()
    first, second = (
        path for mail in mailoutbox for path in re.findall(r"/invitation/\S+", mail.body)
    )
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200
    assert "resent the invitation to nia@acme.example" in _read_customer_log(personas, sign_in)
    assert Entry.objects.filter(verb="support.invitation_resent").count() == 1
    assert (
        cas.post(
            _action_url(personas.zoe.organization, "resend_invitation", invitation.pk)
        ).status_code
        == 404
    )


def test_message_to_admin_sent_once_an_hour(
    personas: Personas, sign_in, run_tasks, mailoutbox: list[EmailMessage]
) -> None:
    issue, _ = service.open_issue(
        personas.ada.organization,
        Issue.Cause.UNMATCHED_PEOPLE,
        title="2 people have no Greenhouse match",
        description="Compare the addresses.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.ADMIN,
        still_works="Everybody else sees and acts as before.",
    )
    cas = sign_in(personas.cas)
    run_tasks()
    mailoutbox.clear()
    address = reverse("admin:issues_issue_send_message", args=[issue.pk])
    assert "Compare the addresses." in cas.get(address).content.decode()
    cas.post(address)
    cas.post(address)
    run_tasks()
    [mail] = mailoutbox
    assert mail.to == ["ada@acme.example"]
    assert reverse("onboarding:setup") in mail.body
    assert "Everybody else sees and acts as before." in mail.body
    assert Entry.objects.filter(verb="support.message_sent").count() == 1


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
@pytest.mark.parametrize("name", ["ada", "zoe"])
def test_customers_cannot_use_staff_actions(
    connect, personas: Personas, sign_in, name: str
) -> None:
    connect(without=MISSING)
    acme, client = personas.ada.organization, sign_in(getattr(personas, name))
    for address in (
        _action_url(acme, "fix_link"),
        _action_url(acme, "refresh_job"),
        _action_url(acme, "run_action", "pause"),
    ):
        assert client.post(address, {"copy": "yes"}).status_code == 302
    assert not FixLink.objects.exists()
