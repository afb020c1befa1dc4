"""Pending rejections that come due while something is in their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import tasks
from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch, RejectionPreset
from portal.applications.pending import releasing
from portal.audit.models import Entry
from portal.sync.models import Application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    list_applications,
    list_writes,
    submit_action,
)
from tests.portal.applications.batch_helpers import first_reason_pk
from tests.portal.applications.pending_helpers import (
    HOUR,
    accept_email,
    get_pending,
    get_template,
    plan_batch,
    plan_rejection,
    read_list,
)
from tests.portal.applications.pending_helpers import application as application
from tests.portal.applications.pending_helpers import remy as remy

Status = ApplicationAction.Status


def _advance_to(due_at: datetime | None, advance_clock, seconds: float = 1) -> None:
    assert due_at is not None
    advance_clock((due_at - datetime.now(UTC)).total_seconds() + seconds)


@any_generation
def test_open_action_delays_release(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    pending = get_pending()
    _advance_to(pending.due_at, advance_clock, -5)
    submit_action(remy, "advance", application)  # queued, not sent yet
    advance_clock(10)
    outbox.release_due_actions()
    pending.refresh_from_db()
    assert pending.status == Status.PENDING
    run_tasks()
    outbox.release_due_actions()
    run_tasks()
    pending.refresh_from_db()
    assert pending.status == Status.CANCELED
    assert not sandbox.dataset().mails


@any_generation
def test_stopped_workers_send_nothing_late(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    pending = get_pending()
    _advance_to(pending.due_at, advance_clock)
    outbox.release_due_actions()
    pending.refresh_from_db()
    assert pending.status == Status.QUEUED
    advance_clock(3 * HOUR)
    run_tasks()
    pending.refresh_from_db()
    assert not list_writes(sandbox)
    assert (pending.status, pending.due_at) == (Status.PENDING, None)


@any_generation
def test_late_rejection_gives_way_to_newer_one(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    first = get_pending()
    _advance_to(first.due_at, advance_clock)
    outbox.release_due_actions()
    plan_rejection(remy, application)  # from a stale tab
    second = get_pending()
    advance_clock(3 * HOUR)
    run_tasks()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.status == Status.CANCELED
    assert second.due_at is not None
    assert not list_writes(sandbox)


@any_generation
def test_blocked_rejection_waits_for_author(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    """What became of a colleague's action is unknown for hours."""
    plan_rejection(remy, application)
    pending = get_pending()
    submit_action(remy, "advance", application)
    ApplicationAction.objects.exclude(pk=pending.pk).update(status=Status.UNKNOWN)
    _advance_to(pending.due_at, advance_clock, 2 * HOUR + 60)
    outbox.release_due_actions()
    pending.refresh_from_db()
    assert pending.needs_confirmation
    assert "Another action" in pending.outcome
    assert not list_writes(sandbox)


@any_generation
def test_unconfirmed_rejection_ends(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    pending = get_pending()
    _advance_to(pending.due_at, advance_clock, 3 * HOUR)
    tasks.recover_lost_actions()
    advance_clock(13 * 24 * HOUR)
    tasks.recover_lost_actions()
    run_tasks()
    assert get_pending().needs_confirmation
    mail.outbox.clear()
    advance_clock(2 * 24 * HOUR)
    tasks.recover_lost_actions()
    run_tasks()
    pending.refresh_from_db()
    assert (pending.status, pending.outcome) == (Status.FAILED, releasing.UNCONFIRMED_MESSAGE)
    assert "Not sent" in read_list(remy)
    assert ["was not sent" in email.subject for email in mail.outbox] == [True]
    assert not list_writes(sandbox)


@any_generation
def test_confirmed_rejection_is_sent_on_next_working_day(
    remy: Client, application: Application, sandbox: Sandbox, time_machine
) -> None:
    time_machine.move_to(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=True)
    plan_rejection(remy, application, delay_days=3)
    pending = get_pending()
    assert pending.due_at == datetime(2026, 12, 4, 9, tzinfo=UTC)
    for confirmed_at, due_at in (
        (datetime(2026, 12, 4, 12, tzinfo=UTC), datetime(2026, 12, 7, 9, tzinfo=UTC)),
        (datetime(2026, 12, 8, 8, tzinfo=UTC), datetime(2026, 12, 8, 9, tzinfo=UTC)),
        (datetime(2026, 12, 12, 8, tzinfo=UTC), datetime(2026, 12, 14, 9, tzinfo=UTC)),  # Saturday
    ):
        time_machine.move_to(confirmed_at, tick=True)
        outbox.release_due_actions()
        remy.post(reverse("applications:confirm_pending"))
        pending.refresh_from_db()
        assert pending.due_at == due_at


@any_generation
def test_confirming_all_costs_constant_queries(remy: Client, sandbox: Sandbox) -> None:
    costs = []
    for count in (2, 5):
        for picked in list_applications()[:count]:
            accept_email(sandbox, picked)
            plan_rejection(remy, picked)
        pending = ApplicationAction.objects.filter(status=Status.PENDING)
        assert pending.update(due_at=None, outcome=releasing.LATE_MESSAGE) == count
        with CaptureQueriesContext(connection) as captured:
            remy.post(reverse("applications:confirm_pending"))
        costs.append(len(captured))
        entry = Entry.objects.order_by("id").last()
        assert entry.description == f"confirmed {count} pending rejections"
        assert all(action.due_at and not action.outcome for action in pending)
    assert costs[0] == costs[1]


@pytest.mark.slow("runs an outage of two hours, five minutes at a time")
@any_generation
def test_not_sent_rejection_is_planned_again(
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    run_tasks,
    advance_clock,
    quick_retries,
) -> None:
    """After an outage of hours the row offers the next working day, not the same wait again."""
    plan_rejection(remy, application, delay_days=5)
    pending = get_pending()
    _advance_to(pending.due_at, advance_clock)
    sandbox.faults.add_fault(regex=r"^/v[13]/", status=503, times=None)
    for _ in range(30):
        outbox.release_due_actions()
        run_tasks()
        advance_clock(300)
    pending.refresh_from_db()
    assert (pending.status, pending.outcome) == (
        Status.FAILED,
        "Greenhouse didn't respond. Nothing changed.",
    )
    assert "Plan again" in fetch_row(remy, application)
    sandbox.faults.clear_faults()
    form = build_form_values(application)
    remy.post(build_action_url("retry_action", pending.pk), form, **HTMX)
    again = get_pending()
    assert again.due_at is not None
    assert again.due_at - datetime.now(UTC) < timedelta(days=4), "a weekend at most"
    assert not sandbox.dataset().mails


@pytest.mark.slow("runs two outages of a batch, five minutes at a time")
@pytest.mark.parametrize("kind", ["harvest_key"], ids=["v1"], indirect=True)
def test_batch_keeps_two_hours_through_outages(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, quick_retries, settings
) -> None:
    """Also after Greenhouse has answered for one of them; one email tells of the others."""
    settings.BREAKER_FAILURES = 0
    batch = plan_batch(remy, sandbox, count=3)
    _advance_to(batch.due_at, advance_clock)
    sandbox.faults.add_fault(regex=r"^/v1/candidates/", status=503, times=None)
    _run_batches(run_tasks, advance_clock, 2)
    sandbox.faults.clear_faults()
    first = batch.actions.order_by("pk")[0].application.candidate.remote_id
    sandbox.faults.add_fault(regex=rf"^/v1/candidates/(?!{first}$)", status=503, times=None)
    _run_batches(run_tasks, advance_clock, 6)
    assert batch.actions.filter(status=Status.DONE).count() == 1
    assert batch.actions.filter(status=Status.SCHEDULED).count() == 2
    mail.outbox.clear()
    _run_batches(run_tasks, advance_clock, 20)
    assert batch.actions.filter(status=Status.FAILED).count() == 2
    assert len(sandbox.dataset().mails) == 1
    assert len(mail.outbox) == 1


@any_generation
def test_hidden_rejection_is_canceled_by_author(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    pending = get_pending()
    Application.objects.filter(pk=application.pk).update(gone_at=datetime.now(UTC))
    assert "1 of yours is on an application you can't see now" in read_list(remy)
    url = reverse("applications:cancel_hidden_pending")
    assert "1 canceled. Nothing was sent." in remy.post(url, follow=True).content.decode()
    pending.refresh_from_db()
    assert pending.status == Status.CANCELED
    assert "no longer pending" in remy.post(url, follow=True).content.decode()


def _run_batches(run_tasks, advance_clock, count: int) -> None:
    for _ in range(count):
        runner.release_due_batches()
        run_tasks()
        advance_clock(300)


@any_generation
def test_canceled_batch_is_logged_once(remy: Client, sandbox: Sandbox) -> None:
    batch = plan_batch(remy, sandbox, count=3)
    remy.post(reverse("applications:cancel_batch", args=[batch.pk]))
    assert batch.actions.filter(status=Status.CANCELED).count() == 3
    [entry] = Entry.objects.filter(verb__endswith="rejection_canceled")
    assert (entry.verb, "3 selected" in entry.description) == ("batch.rejection_canceled", True)


@any_generation
def test_paused_connection_sends_nothing(
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    personas: Personas,
    sign_in,
    run_tasks,
    advance_clock,
) -> None:
    plan_rejection(remy, application)
    pending = get_pending()
    sign_in(personas.ada).post("/setup/pause/")
    page = read_list(remy)
    assert "The connection to Greenhouse is off" in page
    assert "No pending rejections" not in page
    _advance_to(pending.due_at, advance_clock)
    outbox.release_due_actions()
    run_tasks()
    pending.refresh_from_db()
    assert pending.status == Status.FAILED
    assert not list_writes(sandbox)


@any_generation
def test_reject_form_names_pending_rejection(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    for action in ("reject", "move"):
        page = remy.get(build_action_url(action, application.pk), **HTMX).content.decode()
        assert "A rejection is already pending" in page
    row = plan_rejection(remy, application).content.decode()
    assert "already pending" in row
    assert build_action_url("cancel_pending", get_pending().pk) in row


@any_generation
def test_list_names_due_answer(remy: Client, application: Application) -> None:
    Application.objects.filter(pk=application.pk).update(
        needs_decision=True, decision_needed_at=datetime.now(UTC) - timedelta(days=90)
    )
    plan_rejection(remy, application)
    assert "answer overdue by" in read_list(remy)


@any_generation
def test_not_sent_offers_rejection_only_of_active(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    plan_rejection(remy, application)
    row = sandbox.dataset().applications[application.remote_id]
    sandbox.dataset().update_record(row, status="hired")
    _advance_to(get_pending().due_at, advance_clock)
    outbox.release_due_actions()
    run_tasks()
    page = read_list(remy)
    assert "Hired now" in page
    assert build_action_url("reject", application.pk) not in page


@any_generation
def test_preset_without_its_email_does_not_reject(remy: Client, application: Application) -> None:
    values = {
        "name": "Kind", "digit": 1, "reason": first_reason_pk(), "template": get_template().pk,
        "mail_after": 0, "delay_days": 2, "send_time": "09:00",
    }  # fmt: skip
    remy.post(reverse("applications:presets"), values)
    RejectionPreset.objects.update(template=None)
    preset = RejectionPreset.objects.get()
    assert "needs an email" in preset.description
    form = build_form_values(application, preset=preset.click)
    response = remy.post(build_action_url("reject", application.pk), form, **HTMX)
    assert "That email no longer exists" in response.content.decode()
    assert not ApplicationAction.objects.exists()


@any_generation
def test_unreadable_candidate_gets_no_email(
    remy: Client, application: Application, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    """The credential was replaced by one that may not read candidates."""
    plan_rejection(remy, application)
    pending = get_pending()
    sandbox.faults.add_fault(regex=r"/candidates", status=403, times=None)
    _advance_to(pending.due_at, advance_clock)
    outbox.release_due_actions()
    run_tasks()
    pending.refresh_from_db()
    assert (pending.status, "accepts email" in pending.outcome) == (Status.REFUSED, True)
    assert not list_writes(sandbox)


@any_generation
def test_batch_is_woken_for_its_earliest_rejection(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    batch = plan_batch(remy, sandbox, count=1)
    _advance_to(batch.due_at, advance_clock)
    Batch.objects.update(due_at=datetime.now(UTC) + timedelta(days=1))
    tasks.recover_lost_actions()
    _run_batches(run_tasks, advance_clock, 1)
    assert batch.actions.get().status == Status.DONE


@any_generation
def test_export_names_pending_rejection(remy: Client, application: Application) -> None:
    plan_rejection(remy, application)
    url = reverse("applications:export_csv", args=[application.job_id])
    due_at = get_pending().due_at
    assert due_at is not None
    text = b"".join(remy.get(url)).decode()
    assert "Rejection pending until" in text
    ApplicationAction.objects.update(due_at=None)
    assert '"not confirmed"' in b"".join(remy.get(url)).decode()
    page = remy.get(reverse("applications:applicant", args=[application.pk])).content.decode()
    assert reverse("applications:confirm_pending") in page
