"""Rejections for a later day: planned, shown, changed, canceled, and sent once with their email."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications import tasks
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction, Batch, RejectionPreset
from portal.applications.pending import releasing
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.decisions.models import Decision
from portal.sync.models import Application, Candidate, EmailTemplate, JobGrant, RejectionReason
from portal.sync.records.candidate_erasure import erase_candidates
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    find_application,
    get_latest_action,
    get_review_origin,
    get_sandbox_application,
    list_applications,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.applications.batch_helpers import confirm_batch, first_reason_pk
from tests.portal.applications.pending_helpers import (
    HOUR,
    LIST,
    accept_email,
    change_pending,
    get_pending,
    get_template,
    plan_rejection,
    read_list,
)
from tests.portal.applications.pending_helpers import application as application
from tests.portal.applications.pending_helpers import become_due as become_due
from tests.portal.applications.pending_helpers import remy as remy
from tests.portal.faults.process_kill import kill_at_statement

Status = ApplicationAction.Status


def _cancel(client: Client, action: ApplicationAction, **values: object):
    url = reverse("applications:cancel_pending", args=[action.pk])
    return client.post(url, {"origin": "pending", **values}, follow=True)


def test_rejection_is_sent_with_its_email(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, become_due
) -> None:
    response = plan_rejection(remy, application)
    assert "Rejection pending" in response.content.decode()
    action = get_pending()
    assert action.due_at is not None
    run_tasks()
    assert not list_writes(sandbox)
    assert get_sandbox_application(sandbox, application).status == "active"
    become_due()
    action.refresh_from_db()
    assert (action.status, action.outcome) == (
        Status.DONE,
        "Rejected, with the email “Thank you, not this time”.",
    )
    [sent] = sandbox.dataset().mails
    assert sent.send_email_at is None, "at once"
    assert len(list_writes(sandbox)) == 1
    assert "Undo" in fetch_row(remy, application)


@any_generation
def test_application_can_be_decided_meanwhile(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, become_due
) -> None:
    plan_rejection(remy, application)
    row = fetch_row(remy, application)
    assert "Rejection pending" in row
    assert build_action_url("advance", application.pk) in row
    action = get_pending()
    submit_action(remy, "advance", application)
    run_tasks()
    action.refresh_from_db()
    assert (action.status, action.outcome[:11]) == (Status.CANCELED, "You decided")
    assert not sandbox.dataset().mails


@any_generation
def test_colleagues_decision_is_told_to_author(
    remy: Client, application: Application, sandbox: Sandbox, sign_in, personas, run_tasks
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    mail.outbox.clear()
    submit_action(sign_in(personas.sam), "advance", application)
    run_tasks()
    action.refresh_from_db()
    assert action.status == Status.CONFLICT
    [email] = mail.outbox
    assert email.to == ["remy@acme.example"]
    assert "was not sent" in email.subject
    assert str(application.candidate) not in email.body
    assert "decided on this application" in read_list(remy)


def test_changed_application_is_not_rejected(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    """Moved by hand in Greenhouse, which no sync has read yet."""
    plan_rejection(remy, application)
    action = get_pending()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    mail.outbox.clear()
    become_due()
    action.refresh_from_db()
    assert action.status == Status.CONFLICT
    assert not sandbox.dataset().mails
    assert [email.to for email in mail.outbox] == [["remy@acme.example"]]
    assert "Not sent" in read_list(remy)
    assert Entry.objects.filter(verb="application.rejection_not_sent").exists()


@any_generation
def test_not_sent_rejection_is_decided_anew(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    person = sandbox.dataset().candidates[application.candidate.remote_id]
    person.can_email = False
    become_due()
    accept_email(sandbox, application)
    assert "Not sent" in read_list(remy)
    plan_rejection(remy, application)
    assert get_pending().pk != action.pk
    assert "Not sent" not in read_list(remy)
    assert "no longer accepts email" not in fetch_row(remy, application)


@any_generation
@pytest.mark.parametrize("mutation", ["reject_application", "hire_application"])
def test_settled_application_is_not_rejected_again(
    mutation: str, remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    status = {"reject_application": "rejected", "hire_application": "hired"}[mutation]
    row = sandbox.dataset().applications[application.remote_id]
    sandbox.dataset().update_record(row, status=status)
    become_due()
    action.refresh_from_db()
    assert action.status == Status.CONFLICT
    assert not sandbox.dataset().mails


@any_generation
def test_list_says_what_changed(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    assert "won't be sent" not in read_list(remy)
    Application.objects.filter(pk=application.pk).update(stage_remote_id=1, stage_entry_id=1)
    assert "The application changed since this was planned" in read_list(remy)


@any_generation
def test_cancel_sends_nothing(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    page = _cancel(remy, action).content.decode()
    assert "Rejection canceled. Nothing was sent." in page
    advance_clock(20 * 24 * HOUR)
    outbox.release_due_actions()
    run_tasks()
    action.refresh_from_db()
    assert action.status == Status.CANCELED
    assert not list_writes(sandbox)
    assert "no longer pending" in _cancel(remy, action).content.decode()
    entries = Entry.objects.filter(verb__startswith="application.").order_by("pk")
    assert list(entries.values_list("verb", flat=True)) == [
        "application.rejection_planned",
        "application.rejection_canceled",
    ]


@any_generation
def test_row_cancels_in_place(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    url = reverse("applications:cancel_pending", args=[get_pending().pk])
    row = remy.post(url, **HTMX).content.decode()
    assert "Rejection pending" not in row
    assert build_action_url("reject", application.pk) in row


@any_generation
def test_change_keeps_day_or_counts_from_now(
    remy: Client, application: Application, time_machine
) -> None:
    time_machine.move_to(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=True)
    plan_rejection(remy, application)
    action = get_pending()
    assert action.due_at == datetime(2026, 12, 3, 9, tzinfo=UTC)
    change_pending(remy, action, send_time="16:30", notes="Next year")
    action.refresh_from_db()
    assert action.due_at == datetime(2026, 12, 3, 16, 30, tzinfo=UTC)
    assert action.notes == "Next year"
    time_machine.move_to(datetime(2026, 12, 2, 12, tzinfo=UTC), tick=True)
    change_pending(remy, action, delay_days=3)
    action.refresh_from_db()
    assert action.due_at == datetime(2026, 12, 7, 9, tzinfo=UTC), "over the weekend"
    assert Entry.objects.filter(verb="application.rejection_changed").count() == 2


@any_generation
def test_change_loses_to_sending(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    url = reverse("applications:change_pending", args=[action.pk])
    become_due()
    assert "no longer pending" in remy.post(url, follow=True).content.decode()
    assert len(sandbox.dataset().mails) == 1


@any_generation
def test_change_after_stage_change_is_planned_anew(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    moved = get_sandbox_application(sandbox, application)
    outbox_fields = {"stage_remote_id": moved.stage_id, "stage_entry_id": None}
    Application.objects.filter(pk=application.pk).update(**outbox_fields)
    change_pending(remy, action)
    assert "won't be sent" not in read_list(remy)
    become_due()
    action.refresh_from_db()
    assert action.status == Status.DONE, action.outcome


@any_generation
def test_second_rejection_is_not_planned(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    response = plan_rejection(remy, application)
    assert response.status_code == 409
    assert "already pending" in response.content.decode()
    assert ApplicationAction.objects.count() == 1


@any_generation
def test_rejection_now_replaces_pending_one(
    remy: Client, application: Application, sandbox: Sandbox, settings, run_tasks
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    plan_rejection(remy, application)
    pending = get_pending()
    reject_application(remy, application)
    run_tasks()
    pending.refresh_from_db()
    assert pending.status == Status.CANCELED
    assert get_latest_action().status == Status.DONE
    assert not sandbox.dataset().mails


@any_generation
def test_declined_email_is_not_sent_when_due(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    sandbox.dataset().candidates[application.candidate.remote_id].can_email = False
    mail.outbox.clear()
    become_due()
    action.refresh_from_db()
    assert action.status == Status.REFUSED
    assert "no longer accepts email" in action.outcome
    assert get_sandbox_application(sandbox, application).status == "active"
    assert not sandbox.dataset().mails
    assert len(mail.outbox) == 1


@any_generation
def test_declined_email_is_not_planned(remy: Client, application: Application) -> None:
    """The rejection is sent at once, without an email, as the form says."""
    Candidate.objects.filter(pk=application.candidate_id).update(can_email=False)
    plan_rejection(remy, application)
    action = get_latest_action()
    assert (action.status, action.parameters) == (Status.SCHEDULED, {})


@any_generation
def test_lost_access_stops_rejection(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    JobGrant.objects.filter(job=application.job_id).delete()
    page = read_list(remy)
    assert "you can't see now" in page
    assert str(application.candidate) not in page
    become_due()
    action.refresh_from_db()
    assert action.status == Status.FAILED
    assert not list_writes(sandbox)


@any_generation
@pytest.mark.parametrize("leaves", ["deactivated", "removed"])
def test_author_who_left_sends_nothing(
    leaves: str,
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    personas: Personas,
    sign_in,
    become_due,
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    if leaves == "deactivated":
        personas.remy.user.is_active = False
        personas.remy.user.save()
    else:
        Membership.objects.filter(pk=personas.remy.pk).update(ended_at=datetime.now(UTC))
    page = read_list(sign_in(personas.ada), "?of=all")
    assert "can no longer sign in, so it won't be sent" in page
    mail.outbox.clear()
    become_due()
    action.refresh_from_db()
    assert action.status == Status.FAILED
    assert not list_writes(sandbox)
    assert {email.to[0] for email in mail.outbox} == {"ada@acme.example"}


@any_generation
def test_erased_candidate_gets_nothing(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application, notes="About them")
    action = get_pending()
    mail.outbox.clear()
    erase_candidates(application.connection, [application.candidate.remote_id])
    advance_clock(10 * 24 * HOUR)
    outbox.release_due_actions()
    run_tasks()
    action.refresh_from_db()
    assert (action.status, action.outcome) == (Status.CANCELED, releasing.ERASED_MESSAGE)
    assert action.notes == ""
    assert not list_writes(sandbox)
    assert not sandbox.dataset().mails
    [email] = mail.outbox
    assert f"(application {application.remote_id})" in email.subject
    assert str(application.candidate) not in email.body


@any_generation
@pytest.mark.parametrize(
    ("gone", "says"),
    [(EmailTemplate, "The email no longer exists"), (RejectionReason, "The reason no longer")],
    ids=["email", "reason"],
)
def test_gone_choice_stops_rejection(
    gone: type[Any],
    says: str,
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    become_due,
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    gone.objects.update(gone_at=datetime.now(UTC))
    become_due()
    action.refresh_from_db()
    assert action.status in {Status.FAILED, Status.REFUSED}
    assert says in action.outcome
    assert not list_writes(sandbox)


@any_generation
def test_late_portal_asks_first(
    remy: Client, application: Application, sandbox: Sandbox, become_due, run_tasks
) -> None:
    """An email for 9:00 does not arrive at night because workers were stopped."""
    plan_rejection(remy, application)
    action = get_pending()
    mail.outbox.clear()
    become_due(late_seconds=2 * HOUR + 60)
    action.refresh_from_db()
    assert (action.status, action.due_at) == (Status.PENDING, None)
    assert not list_writes(sandbox)
    assert ["confirm" in email.subject for email in mail.outbox] == [True]
    assert "The portal wasn't running" in read_list(remy)
    remy.post(reverse("applications:confirm_pending"))
    action.refresh_from_db()
    assert action.due_at is not None
    assert action.due_at > datetime.now(UTC)
    become_due()
    assert len(sandbox.dataset().mails) == 1


@any_generation
def test_short_outage_is_waited_out(
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    become_due,
    run_tasks,
    advance_clock,
    quick_retries,
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    sandbox.faults.add_fault(regex=r"^/v[13]/", status=503, times=None)
    become_due()
    action.refresh_from_db()
    assert action.status == Status.SCHEDULED
    assert action.give_up_at - action.due_at > timedelta(minutes=90)
    sandbox.faults.clear_faults()
    for _ in range(4):
        advance_clock(5 * 60)
        outbox.release_due_actions()
        run_tasks()
    action.refresh_from_db()
    assert action.status == Status.DONE, action.outcome
    assert len(sandbox.dataset().mails) == 1


@pytest.mark.slow("kills a worker before every sixth database statement")
@any_generation
def test_killed_worker_sends_once_or_not_at_all(
    remy: Client, personas: Personas, sign_in, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    sam = sign_in(personas.sam)
    for statement in range(0, 72, 6):
        picked = find_application("sam")
        accept_email(sandbox, picked)
        sent_before = len(sandbox.dataset().mails)
        plan_rejection(sam, picked)
        action = get_pending()
        ApplicationAction.objects.filter(pk=action.pk).update(due_at=datetime.now(UTC))
        outbox.release_due_actions()
        kill_at_statement(statement, lambda pk=action.pk: tasks.send_action(pk))
        for _ in range(3):
            advance_clock(240)
            tasks.recover_lost_actions()
            run_tasks()
        action.refresh_from_db()
        sent_count = len(sandbox.dataset().mails) - sent_before
        assert action.status in {Status.DONE, Status.FAILED}, statement
        assert sent_count == (action.status == Status.DONE), statement


@any_generation
def test_batch_is_sent_at_each_candidates_time(
    remy: Client, sandbox: Sandbox, become_due, time_machine
) -> None:
    time_machine.move_to(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=True)
    by_job: dict[int, list[Application]] = {}
    for row in list_applications():
        by_job.setdefault(row.job_id, []).append(row)
    chosen = max(by_job.values(), key=len)[:3]
    for row, zone in zip(chosen, ("Asia/Tokyo", "America/New_York", ""), strict=True):
        accept_email(sandbox, row, zone=zone)
    response = confirm_batch(
        remy,
        "reject",
        chosen,
        reason=first_reason_pk(),
        template=get_template().pk,
        mail_after="0",
        delay_days=2,
        send_time="09:00",
    )
    batch = Batch.objects.get()
    due = dict(batch.actions.values_list("application", "due_at"))
    assert [due[row.pk] for row in chosen] == [
        datetime(2026, 12, 3, 0, tzinfo=UTC),
        datetime(2026, 12, 3, 14, tzinfo=UTC),
        datetime(2026, 12, 3, 9, tzinfo=UTC),
    ]
    page = remy.get(response["Location"]).content.decode()
    assert "3 rejections pending" in page
    for expected_count in (1, 2):
        become_due()
        assert len(sandbox.dataset().mails) == expected_count
    batch.refresh_from_db()
    assert batch.due_at == due[chosen[1].pk]
    become_due()
    batch.refresh_from_db()
    assert batch.due_at is None
    assert batch.actions.filter(status=Status.DONE).count() == 3


@any_generation
def test_batch_cancels_what_is_pending(
    remy: Client, sandbox: Sandbox, application: Application
) -> None:
    chosen = [application]
    confirm_batch(
        remy, "reject", chosen, reason=first_reason_pk(), template=get_template().pk,
        mail_after="0", delay_days=2, send_time="09:00",
    )  # fmt: skip
    batch = Batch.objects.get()
    remy.post(reverse("applications:cancel_batch", args=[batch.pk]))
    batch.refresh_from_db()
    assert batch.due_at is None
    assert get_latest_action().status == Status.CANCELED


@any_generation
def test_preset_plans_and_undo_cancels(
    remy: Client, application: Application, sandbox: Sandbox
) -> None:
    values = {
        "name": "Kind", "digit": 1, "reason": first_reason_pk(), "template": get_template().pk,
        "mail_after": 0, "delay_days": 2, "send_time": "09:00",
    }  # fmt: skip
    assert remy.post(reverse("applications:presets"), values).status_code == 302
    preset = RejectionPreset.objects.get()
    assert "in 2 working days at 09:00" in preset.description
    remy.post(reverse("applications:start_job_review", args=[application.job_id]))
    form = build_form_values(application, preset=preset.click, origin=get_review_origin())
    page = remy.post(build_action_url("reject", application.pk), form, **HTMX).content.decode()
    assert "pending" in page
    action = get_pending()
    undo_url = build_action_url("cancel_action", action.pk)
    assert undo_url in page
    remy.post(undo_url, {"origin": get_review_origin()}, **HTMX)
    action.refresh_from_db()
    assert action.status == Status.CANCELED


@any_generation
@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"delay_days": ""}, "delay_days", "Select a number of working days."),
        ({"send_time": ""}, "send_time", "Enter a time, for example 09:00."),
        ({"send_time": "noon"}, "send_time", "Enter a time, for example 09:00."),
        ({"delay_days": "400"}, "delay_days", "no longer available"),
    ],
    ids=["no_days", "no_time", "not_a_time", "too_many_days"],
)
def test_form_says_what_is_missing(
    values: dict[str, object], field: str, says: str, remy: Client, application: Application
) -> None:
    response = plan_rejection(remy, application, **values)
    assert response.status_code == 422
    assert says in str(response.context["form"][field].errors)
    assert not ApplicationAction.objects.exists()


@any_generation
def test_form_names_time_zone(remy: Client, application: Application, sandbox: Sandbox) -> None:
    url = build_action_url("reject", application.pk)
    assert "your organization&#x27;s time zone" in remy.get(url, **HTMX).content.decode()
    accept_email(sandbox, application, zone="America/New_York")
    page = remy.get(url, **HTMX).content.decode()
    assert "In the candidate&#x27;s time zone, New York." in page
    assert "stays active in Greenhouse" in page
    preview = remy.get(
        reverse("applications:rejection_emails"),
        {
            "template": get_template().pk,
            "mail_after": 0,
            "delay_days": 2,
            "send_time": "09:00",
            "plan_zone": "America/New_York",
        },
        **HTMX,
    ).content.decode()
    assert "with the rejection" in preview
    assert "09:00 (the candidate&#x27;s time zone, New York)" in preview


@any_generation
def test_list_shows_only_visible_applications(
    remy: Client, application: Application, personas: Personas, sign_in
) -> None:
    """Nor their number; whoever may see them sees the author, and may cancel but not change."""
    plan_rejection(remy, application)
    action = get_pending()
    name = str(application.candidate)
    sam, vic, zoe = (sign_in(p) for p in (personas.sam, personas.vic, personas.zoe))
    assert name in read_list(sam, "?of=all")
    assert "by Remy" in read_list(sam, "?of=all")
    assert name not in read_list(sam)
    change_url = reverse("applications:change_pending", args=[action.pk])
    assert sam.get(change_url).status_code == 404
    JobGrant.objects.filter(job=application.job_id).delete()
    for client in (vic, zoe):
        response = client.get(f"{LIST}?of=all")
        assert name not in response.content.decode()
        assert (response.context["all_count"], response.context["hidden_count"]) == (0, 0)
        cancel_url = reverse("applications:cancel_pending", args=[action.pk])
        assert client.post(cancel_url).status_code == 404
    action.refresh_from_db()
    assert action.status == Status.PENDING


@any_generation
def test_colleague_cancels_and_author_is_told(
    remy: Client, application: Application, personas: Personas, sign_in, run_tasks
) -> None:
    plan_rejection(remy, application)
    action = get_pending()
    mail.outbox.clear()
    _cancel(sign_in(personas.sam), action, list_query="of=all")
    run_tasks()
    action.refresh_from_db()
    assert action.status == Status.CANCELED
    assert [email.to for email in mail.outbox] == [["remy@acme.example"]]


@any_generation
def test_list_costs_a_constant_number_of_queries(
    remy: Client, sandbox: Sandbox, django_assert_max_num_queries
) -> None:
    applications = sorted(list_applications(), key=lambda row: row.pk % 3)  # on several jobs
    for row in applications[:8]:
        accept_email(sandbox, row)
    for row in applications[:4]:
        plan_rejection(remy, row)
    with django_assert_max_num_queries(60) as first:
        remy.get(LIST)
    query_count = len(first.captured_queries)
    for row in applications[4:8]:
        plan_rejection(remy, row)
    with django_assert_max_num_queries(query_count):
        remy.get(LIST)


@any_generation
def test_looking_for_due_ones_costs_two_queries(
    remy: Client, sandbox: Sandbox, django_assert_num_queries
) -> None:
    for row in list_applications()[:4]:
        accept_email(sandbox, row)
        plan_rejection(remy, row)
    with django_assert_num_queries(2):
        outbox.release_due_actions()


@pytest.mark.slow("connects Greenhouse a second time")
@any_generation
def test_disconnecting_cancels_and_says_so(
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    personas: Personas,
    sign_in,
    connect,
    run_tasks,
    advance_clock,
) -> None:
    plan_rejection(remy, application)
    ada = sign_in(personas.ada)
    url = reverse("onboarding:disconnect")
    assert "1 pending rejection will be canceled" in ada.get(url).content.decode()
    mail.outbox.clear()
    ada.post(url, {"name": "Acme"})
    run_tasks()
    assert Connection.objects.get(organization=personas.ada.organization).state == "disconnected"
    assert "1 pending rejection canceled" in mail.outbox[0].subject
    assert Decision.objects.get().result == "canceled"
    connect("harvest_oauth")
    advance_clock(10 * 24 * HOUR)
    outbox.release_due_actions()
    run_tasks()
    assert not list_writes(sandbox)
    assert not sandbox.dataset().mails
