"""A restored backup sends nothing again that was sent after it was taken."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.core import outbox_fence
from portal.core.models import DatabaseIdentity, QueuedTask
from portal.members.models import Invitation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    list_applications,
    list_writes,
    reject_application,
    submit_action,
)
from tests.portal.applications.pending_helpers import accept_email, plan_rejection

Status = ApplicationAction.Status


@pytest.fixture(autouse=True)
def _check_fence_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(outbox_fence, "CHECK_SECONDS", 0.0)
    yield
    outbox_fence._was_fenced = False


@pytest.fixture
def backup(connect, personas: Personas, sign_in) -> dict[str, Any]:
    """A database with two clicks that wait, and an invitation."""
    connect()
    outbox_fence.remember_identity()
    sent, unsent = list_applications("sam")[:2]
    for application in (sent, unsent):
        assert reject_application(sign_in(personas.sam), application).status_code == 200
    sign_in(personas.ada).post("/members/", {"email": "nia@acme.example", "role": "recruiter"})
    mail.outbox.clear()
    return {"sent": sent, "unsent": unsent}


def _restore() -> None:
    """As a dump restored into a new database, whose identity differs from the stored one."""
    DatabaseIdentity.objects.update(identity="another:database")


def test_restored_database_is_recognized(personas: Personas, run_tasks, client: Client) -> None:
    outbox_fence.remember_identity()
    assert not outbox_fence.is_fenced()
    _restore()
    assert outbox_fence.is_fenced()
    assert b"outbox: fenced, run release_outbox" in client.get("/readyz").content


def test_fenced_workers_take_nothing(
    backup: dict[str, Any], sandbox, run_tasks, advance_clock
) -> None:
    _restore()
    advance_clock(60)
    assert run_tasks() == 0
    assert list_writes(sandbox) == []
    assert mail.outbox == []


def test_release_compares_actions_with_greenhouse(
    backup: dict[str, Any], sandbox, run_tasks, advance_clock
) -> None:
    sandbox.run_mutation("reject_application", application_id=backup["sent"].remote_id)
    _restore()
    advance_clock(60)
    call_command("release_outbox", verbosity=0)
    actions = ApplicationAction.objects
    assert actions.get(application=backup["sent"]).status == Status.DONE
    assert actions.get(application=backup["unsent"]).status == Status.FAILED
    invitation = Invitation.objects.get()
    assert (invitation.email_status, invitation.token) == ("failed", "")
    advance_clock(120)
    run_tasks()
    assert (mail.outbox, list_writes(sandbox)) == ([], [])


def test_pending_rejections_are_confirmed_after_restore(
    connect, personas: Personas, sign_in, sandbox, run_tasks, advance_clock
) -> None:
    """One was due and may have been sent; the other may have been canceled since."""
    connect()
    outbox_fence.remember_identity()
    sam = sign_in(personas.sam)
    due, future = list_applications("sam")[:2]
    for application in (due, future):
        accept_email(sandbox, application)
        plan_rejection(sam, application)
    ApplicationAction.objects.filter(application=due).update(due_at=timezone.now())
    sandbox.run_mutation("reject_application", application_id=due.remote_id)
    _restore()
    advance_clock(60)
    assert run_tasks() == 0
    mail.outbox.clear()
    out = io.StringIO()
    call_command("release_outbox", stdout=out)
    assert "1 pending rejections wait for their authors" in out.getvalue()
    advance_clock(20 * 24 * 3600)
    outbox.release_due_actions()
    run_tasks()
    assert ApplicationAction.objects.get(application=due).status == Status.DONE
    waiting = ApplicationAction.objects.get(application=future)
    assert (waiting.status, waiting.due_at) == (Status.PENDING, None)
    assert (list_writes(sandbox), list(sandbox.dataset().mails)) == ([], [])
    assert "Pending rejections to confirm" in mail.outbox[0].subject


def test_workers_go_on_after_release(personas: Personas, sign_in, run_tasks) -> None:
    outbox_fence.remember_identity()
    _restore()
    call_command("release_outbox", verbosity=0)
    sign_in(personas.ada).post("/members/", {"email": "new@acme.example", "role": "recruiter"})
    assert run_tasks() > 0
    assert len(mail.outbox) == 1


def test_fence_can_be_raised_by_hand(personas: Personas, sign_in, run_tasks) -> None:
    call_command("release_outbox", "--raise", verbosity=0)
    sign_in(personas.ada).post("/members/", {"email": "new@acme.example", "role": "recruiter"})
    assert run_tasks() == 0
    call_command("release_outbox", verbosity=0)
    assert QueuedTask.objects.count() == 0
    with pytest.raises(CommandError, match="not fenced"):
        call_command("release_outbox", verbosity=0)


def test_pending_beside_open_action_is_confirmed_after_restore(
    connect, personas: Personas, sign_in, sandbox, run_tasks, advance_clock
) -> None:
    connect()
    outbox_fence.remember_identity()
    sam = sign_in(personas.sam)
    application = list_applications("sam")[0]
    accept_email(sandbox, application)
    submit_action(sam, "advance", application)
    plan_rejection(sam, application)
    pending = ApplicationAction.objects.get(status=Status.PENDING)
    ApplicationAction.objects.filter(pk=pending.pk).update(due_at=timezone.now())
    _restore()
    advance_clock(60)
    call_command("release_outbox", verbosity=0)
    pending.refresh_from_db()
    assert pending.needs_confirmation
    assert (list_writes(sandbox), list(sandbox.dataset().mails)) == ([], [])
