"""Moving a row from one state to another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from portal.core import transitions
from portal.core.models import Transition
from portal.members.models import Invitation
from portal.sync.models import SyncRun
from tests.factories import ConnectionFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db

Status = SyncRun.Status


@pytest.fixture
def run() -> SyncRun:
    return SyncRun.objects.create(connection=ConnectionFactory())


def _stored(run: SyncRun) -> SyncRun:
    return SyncRun.objects.get(pk=run.pk)


def test_move_writes_row_and_transition(run: SyncRun) -> None:
    user = UserFactory()
    transitions.move_state(
        run, Status.RUNNING, why="a worker took it", by=user, details={"n": 1}, lease_token="me"
    )
    for moved in (run, _stored(run)):
        assert (moved.status, moved.lease_token) == (Status.RUNNING, "me")
    transition = Transition.objects.get()
    assert (transition.subject, transition.subject_id) == ("sync.syncrun", run.pk)
    assert (transition.old, transition.new) == (Status.QUEUED, Status.RUNNING)
    assert (transition.by, transition.reason) == (user, "a worker took it")
    assert transition.details == {"n": 1}


def test_move_without_details_keeps_none(run: SyncRun) -> None:
    transitions.move_state(run, Status.RUNNING, why="taken")
    transition = Transition.objects.get()
    assert (transition.by, transition.details) == (None, {})


def test_move_cuts_long_reason(run: SyncRun) -> None:
    transitions.move_state(run, Status.RUNNING, why="x" * 400)
    assert Transition.objects.get().reason == "x" * 300


def test_lost_race_changes_nothing(run: SyncRun) -> None:
    other = SyncRun.objects.create(connection=ConnectionFactory(organization__name="Other"))
    SyncRun.objects.filter(pk=run.pk).update(status=Status.RUNNING)
    with transaction.atomic():  # a caller's transaction stays usable
        with pytest.raises(transitions.ConcurrentTransition, match=f"{run.pk} is no longer queued"):
            transitions.move_state(run, Status.RUNNING, why="taken", lease_token="me")
        assert not Transition.objects.exists()
    assert run.status == Status.QUEUED
    assert _stored(run).lease_token == ""
    assert _stored(other).status == Status.QUEUED


def test_undeclared_move_is_refused(run: SyncRun) -> None:
    with pytest.raises(transitions.TransitionNotAllowed, match="queued → done"):
        transitions.move_state(run, Status.DONE, why="skipped a step")
    assert _stored(run).status == Status.QUEUED


def test_won_tells_whether_it_moved(run: SyncRun) -> None:
    stale = _stored(run)
    assert transitions.try_move(run, Status.RUNNING, why="first")
    assert not transitions.try_move(stale, Status.RUNNING, why="second")
    assert not transitions.try_move(run, Status.RUNNING, why="again")
    assert Transition.objects.get().reason == "first"


def test_give_up_moves_only_what_is_old(run: SyncRun, advance_clock) -> None:
    """It is the time in the state that counts, not the age of the row."""
    transitions.move_state(run, Status.RUNNING, why="taken")
    waiting = SyncRun.objects.create(connection=ConnectionFactory(organization__name="Other"))
    rows = SyncRun.objects.all()
    advance_clock(59)
    transitions.move_stalled_rows(rows, Status.RUNNING, Status.FAILED, after=timedelta(minutes=1))
    assert _stored(run).status == Status.RUNNING
    advance_clock(2)
    transitions.move_stalled_rows(
        rows, Status.RUNNING, Status.FAILED, after=timedelta(minutes=1), failure="silent"
    )
    assert (_stored(run).status, _stored(run).failure) == (Status.FAILED, "silent")
    assert _stored(waiting).status == Status.QUEUED
    assert Transition.objects.get(new=Status.FAILED).reason == "its worker stopped responding"


def test_give_up_ignores_other_subjects(run: SyncRun, advance_clock) -> None:
    """What another kind of row, or another row, did lately keeps nothing alive."""
    transitions.move_state(run, Status.RUNNING, why="taken")
    advance_clock(61)
    for subject, subject_id in (("other.model", run.pk), ("sync.syncrun", run.pk + 1)):
        Transition.objects.create(
            subject=subject, subject_id=subject_id, old="", new=Status.RUNNING, reason="lately"
        )
    Transition.objects.create(
        subject="sync.syncrun", subject_id=run.pk, old="", new=Status.QUEUED, reason="lately"
    )
    transitions.move_stalled_rows(
        SyncRun.objects.all(), Status.RUNNING, Status.FAILED, after=timedelta(minutes=1)
    )
    assert _stored(run).status == Status.FAILED


def test_give_up_moves_other_fields(advance_clock) -> None:
    invitation = Invitation.objects.create(
        organization=OrganizationFactory(), email="new@acme.example", expires_at=timezone.now()
    )
    transitions.move_state(
        invitation, Invitation.EmailStatus.SENDING, why="taken", field="email_status"
    )
    advance_clock(61)
    transitions.move_stalled_rows(
        Invitation.objects.all(),
        Invitation.EmailStatus.SENDING,
        Invitation.EmailStatus.FAILED,
        after=timedelta(minutes=1),
        field="email_status",
    )
    invitation.refresh_from_db()
    assert invitation.email_status == Invitation.EmailStatus.FAILED


def test_move_is_one_statement_on_postgres(run: SyncRun, django_assert_num_queries) -> None:
    """It opens no savepoint of its own within a caller's transaction."""
    count = 1 if connection.vendor == "postgresql" else 2
    with transaction.atomic(), django_assert_num_queries(count):
        transitions.move_state(run, Status.RUNNING, why="taken")


def test_row_read_after_another_move_is_lost_race(run: SyncRun) -> None:
    transitions.move_state(run, Status.RUNNING, why="taken")
    transitions.move_state(run, Status.DONE, why="done")
    with pytest.raises(transitions.ConcurrentTransition):
        transitions.move_state(_stored(run), Status.RUNNING, why="taken again")
