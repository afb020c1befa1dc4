"""Changes of pending rejections: what is kept and told of them, and what they lose to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction, Batch
from portal.applications.pending import changes, releasing
from portal.audit.models import Entry
from portal.decisions.models import Decision
from portal.sync.models import Application, JobGrant, RejectionReason
from portal.sync.records.candidate_erasure import erase_candidates
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    get_sandbox_application,
    list_applications,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE
from tests.portal.applications.pending_helpers import (
    HOUR,
    LIST,
    accept_email,
    change_pending,
    get_pending,
    plan_batch,
    plan_rejection,
)
from tests.portal.applications.pending_helpers import application as application
from tests.portal.applications.pending_helpers import become_due as become_due
from tests.portal.applications.pending_helpers import remy as remy

Status = ApplicationAction.Status
DAY = timedelta(days=1)
pytestmark = any_generation


@pytest.fixture
def noon(time_machine) -> None:
    """Rejections are planned for Thursday at 9:00."""
    time_machine.move_to(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=True)


def test_change_is_in_activity_log(
    remy: Client, application: Application, personas: Personas, noon: None
) -> None:
    plan_rejection(remy, application)
    assert Entry.objects.get(verb="application.rejection_planned").by == personas.remy.user
    change_pending(remy, get_pending(), send_time="16:30")
    entry = Entry.objects.get(verb="application.rejection_changed")
    assert entry.by == personas.remy.user
    assert (entry.subject, entry.subject_id) == ("sync.application", application.pk)
    assert entry.before == {"at": "2026-12-03T09:00:00+00:00", "working_days": 2}
    assert entry.after == {"at": "2026-12-03T16:30:00+00:00", "working_days": 2}


def test_rejection_is_sent_as_changed(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application, notes="Too junior.")
    action = get_pending()
    reason = RejectionReason.objects.exclude(pk=action.reason_id).order_by("remote_id")[0]
    change_pending(remy, action, reason=reason.pk, notes="Next year.")
    become_due()
    assert get_sandbox_application(sandbox, application).rejection_reason_id == reason.remote_id
    decision = Decision.objects.get()
    assert (decision.reason, decision.free_text["note"]) == (reason.name, "Next year.")


def test_stage_on_screen_is_that_of_the_change(
    remy: Client, application: Application, sandbox: Sandbox, become_due
) -> None:
    plan_rejection(remy, application)
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    moved = get_sandbox_application(sandbox, application)
    Application.objects.filter(pk=application.pk).update(
        stage_remote_id=moved.stage_id, stage_entry_id=None, stage_name="Moved here"
    )
    change_pending(remy, get_pending())
    become_due()
    decision = Decision.objects.get()
    assert (decision.result, decision.from_stage) == ("done", "Moved here")


def test_second_confirmation_changes_nothing(
    remy: Client, application: Application, personas: Personas
) -> None:
    plan_rejection(remy, application)
    planned_at = get_pending().due_at
    ApplicationAction.objects.update(due_at=None)
    waiting = ApplicationAction.objects.all()
    assert changes.confirm_rejections(waiting, personas.remy) == 1
    assert get_pending().due_at == planned_at  # which has not passed
    assert changes.confirm_rejections(waiting, personas.remy) == 0
    assert Entry.objects.filter(verb="application.rejection_confirmed").count() == 1


@pytest.mark.parametrize("late_hours", [0, 3])
def test_release_loses_to_change(
    remy: Client, application: Application, run_tasks, advance_clock, late_hours: int
) -> None:
    plan_rejection(remy, application)
    stale = get_pending()
    assert stale.due_at is not None
    changed_to = stale.due_at + DAY
    ApplicationAction.objects.update(due_at=changed_to)
    mail.outbox.clear()
    advance_clock((stale.due_at - datetime.now(UTC)).total_seconds() + 1 + late_hours * HOUR)
    assert not releasing.release_pending(stale)
    run_tasks()
    assert get_pending().due_at == changed_to
    assert mail.outbox == []


def test_release_waits_only_for_its_application(
    remy: Client, application: Application, advance_clock, monkeypatch
) -> None:
    other = list_applications()[1]
    assert other != application
    submit_action(remy, "advance", other)  # not sent yet
    plan_rejection(remy, application)
    pending = get_pending()
    assert pending.due_at is not None
    advance_clock((pending.due_at - datetime.now(UTC)).total_seconds() + 1)
    submit_action(remy, "advance", application)
    assert not releasing.release_pending(pending)
    # As when the action is requested just after release_pending looked for one.
    with monkeypatch.context() as patch:
        patch.setattr(releasing, "has_open_action", lambda _: False)
        assert not releasing.release_pending(pending)
    ApplicationAction.objects.filter(application=application, kind="advance").delete()
    assert releasing.release_pending(pending)


def test_batch_wakes_for_time_that_is_earlier(remy: Client, sandbox: Sandbox, noon: None) -> None:
    batch = plan_batch(remy, sandbox, count=2)
    action = batch.actions.order_by("pk")[0]
    for send_time in ("08:00", "10:00"):
        change_pending(remy, action, send_time=send_time)
        batch.refresh_from_db()
        assert batch.due_at == datetime(2026, 12, 3, 8, tzinfo=UTC)
    action.refresh_from_db()
    assert action.due_at == datetime(2026, 12, 3, 10, tzinfo=UTC)


def test_author_is_asked_once_about_late_rejections(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    for row in list_applications()[:2]:
        accept_email(sandbox, row)
        plan_rejection(remy, row)
    due_at = ApplicationAction.objects.earliest("due_at").due_at
    assert due_at is not None
    ApplicationAction.objects.update(due_at=due_at)
    mail.outbox.clear()
    advance_clock((due_at - datetime.now(UTC)).total_seconds() + 3 * HOUR)
    outbox.release_due_actions()
    run_tasks()
    assert ApplicationAction.objects.filter(status=Status.PENDING, due_at=None).count() == 2
    [email] = mail.outbox
    assert email.to == ["remy@acme.example"]
    assert "The portal wasn't running when it was due. Nothing is sent until" in email.body


def test_erased_candidates_of_batch_are_told_once(
    remy: Client, sandbox: Sandbox, run_tasks
) -> None:
    batch = plan_batch(remy, sandbox, count=3)
    *erased, last = [action.application for action in batch.actions.all()]
    mail.outbox.clear()
    erase_candidates(last.connection, [a.candidate.remote_id for a in erased])
    run_tasks()
    [email] = mail.outbox
    assert "Pending rejections of a batch were not sent" in email.subject
    assert [decision.result for decision in Decision.objects.all()] == ["canceled", "canceled"]
    assert get_pending().application == last
    assert not Batch.objects.filter(due_at=None).exists()
    erase_candidates(last.connection, [last.candidate.remote_id])
    assert Batch.objects.get(due_at=None) == batch
    assert not list_writes(sandbox)


def test_ended_rejections_are_in_decision_record(
    remy: Client, application: Application, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    """Also those that nobody confirmed, and that a colleague decided before they were due."""
    plan_rejection(remy, application)
    ApplicationAction.objects.update(due_at=None, give_up_at=datetime.now(UTC))
    advance_clock(60)
    releasing.end_unconfirmed()
    plan_rejection(remy, application)
    reject_application(sign_in(personas.sam), application)
    advance_clock(11)
    outbox.release_due_actions()
    run_tasks()
    unconfirmed, *others = [decision.result for decision in Decision.objects.all()]
    assert (unconfirmed, sorted(others)) == ("failed", ["conflict", "done"])


def _list_not_sent(client: Client, query: str = "") -> list[int]:
    return [action.pk for action, _ in client.get(f"{LIST}{query}").context["not_sent"]]


def test_not_sent_is_listed_for_its_author(
    remy: Client,
    application: Application,
    sandbox: Sandbox,
    personas: Personas,
    sign_in,
    become_due,
    run_tasks,
    advance_clock,
) -> None:
    submit_action(remy, "advance", application)  # decided before
    run_tasks()
    application.refresh_from_db()
    plan_rejection(remy, application)
    action = get_pending()
    sandbox.dataset().candidates[application.candidate.remote_id].can_email = False
    become_due()
    submit_action(remy, "advance", list_applications()[-1])  # of somebody else
    assert _list_not_sent(remy) == [action.pk]
    assert _list_not_sent(sign_in(personas.sam), "?of=all") == []
    grants = JobGrant.objects.filter(job=application.job_id, gone_at=None)
    pks = list(grants.values_list("pk", flat=True))
    grants.update(gone_at=datetime.now(UTC))
    assert _list_not_sent(remy) == []
    JobGrant.objects.filter(pk__in=pks).update(gone_at=None)
    advance_clock(29 * 24 * HOUR)
    remy = sign_in(personas.remy)
    assert _list_not_sent(remy) == [action.pk]
    remy.post(build_action_url("dismiss_action", action.pk), **HTMX)
    assert _list_not_sent(remy) == []
    ApplicationAction.objects.update(dismissed_at=None)
    advance_clock(25 * HOUR)
    assert _list_not_sent(remy) == []


def test_refused_rejection_without_plan_is_not_listed(
    remy: Client, application: Application, sandbox: Sandbox, settings, run_tasks
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    sandbox.faults.add_fault(
        regex=WRITE, method="POST", status=403, body={"message": "Access Denied"}, times=1
    )
    reject_application(remy, application)
    run_tasks()
    assert ApplicationAction.objects.get().status == Status.REFUSED
    assert _list_not_sent(remy) == []
