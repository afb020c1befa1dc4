"""Moving a row from one state to another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from portal.core import transitions
from portal.core.models import Transition
from portal.members.models import Invitation
from portal.mirror.models import SyncRun
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
    transitions.move(
        run, Status.RUNNING, why="a worker took it", by=user, facts={"n": 1}, holder="me"
    )
    for moved in (run, _stored(run)):
        assert (moved.status, moved.holder) == (Status.RUNNING, "me")
    transition = Transition.objects.get()
    assert (transition.subject, transition.subject_id) == ("mirror.syncrun", run.pk)
    assert (transition.old, transition.new) == (Status.QUEUED, Status.RUNNING)
    assert (transition.by, transition.why) == (user, "a worker took it")
    assert transition.facts == {"n": 1}


def test_move_without_details_keeps_none(run: SyncRun) -> None:
    transitions.move(run, Status.RUNNING, why="taken")
    transition = Transition.objects.get()
    assert (transition.by, transition.facts) == (None, {})


def test_move_cuts_long_reason(run: SyncRun) -> None:
    transitions.move(run, Status.RUNNING, why="x" * 400)
    assert Transition.objects.get().why == "x" * 300


def test_lost_race_changes_nothing(run: SyncRun) -> None:
    other = SyncRun.objects.create(connection=ConnectionFactory(organization__name="Other"))
    SyncRun.objects.filter(pk=run.pk).update(status=Status.RUNNING)
    with transaction.atomic():  # a caller's transaction stays usable
        with pytest.raises(transitions.Raced, match=f"{run.pk} is no longer queued"):
            transitions.move(run, Status.RUNNING, why="taken", holder="me")
        assert not Transition.objects.exists()
    assert run.status == Status.QUEUED
    assert _stored(run).holder == ""
    assert _stored(other).status == Status.QUEUED


def test_undeclared_move_is_refused(run: SyncRun) -> None:
    with pytest.raises(transitions.NotAllowed, match="queued → done"):
        transitions.move(run, Status.DONE, why="skipped a step")
    assert _stored(run).status == Status.QUEUED


def test_won_tells_whether_it_moved(run: SyncRun) -> None:
    stale = _stored(run)
    assert transitions.won(run, Status.RUNNING, why="first")
    assert not transitions.won(stale, Status.RUNNING, why="second")
    assert not transitions.won(run, Status.RUNNING, why="again")
    assert Transition.objects.get().why == "first"


def test_give_up_moves_only_what_is_old(run: SyncRun, later) -> None:
    """It is the time in the state that counts, not the age of the row."""
    transitions.move(run, Status.RUNNING, why="taken")
    waiting = SyncRun.objects.create(connection=ConnectionFactory(organization__name="Other"))
    rows = SyncRun.objects.all()
    later(59)
    transitions.give_up(rows, Status.RUNNING, Status.FAILED, after=timedelta(minutes=1))
    assert _stored(run).status == Status.RUNNING
    later(2)
    transitions.give_up(
        rows, Status.RUNNING, Status.FAILED, after=timedelta(minutes=1), failure="silent"
    )
    assert (_stored(run).status, _stored(run).failure) == (Status.FAILED, "silent")
    assert _stored(waiting).status == Status.QUEUED
    assert Transition.objects.get(new=Status.FAILED).why == "its worker fell silent"


def test_give_up_ignores_other_subjects(run: SyncRun, later) -> None:
    """What another kind of row, or another row, did lately keeps nothing alive."""
    transitions.move(run, Status.RUNNING, why="taken")
    later(61)
    for subject, subject_id in (("other.model", run.pk), ("mirror.syncrun", run.pk + 1)):
        Transition.objects.create(
            subject=subject, subject_id=subject_id, old="", new=Status.RUNNING, why="lately"
        )
    Transition.objects.create(
        subject="mirror.syncrun", subject_id=run.pk, old="", new=Status.QUEUED, why="lately"
    )
    transitions.give_up(
        SyncRun.objects.all(), Status.RUNNING, Status.FAILED, after=timedelta(minutes=1)
    )
    assert _stored(run).status == Status.FAILED


def test_give_up_moves_other_fields(later) -> None:
    invitation = Invitation.objects.create(
        organization=OrganizationFactory(), email="new@acme.example", expires_at=timezone.now()
    )
    transitions.move(invitation, Invitation.Mail.SENDING, why="taken", field="mail")
    later(61)
    transitions.give_up(
        Invitation.objects.all(),
        Invitation.Mail.SENDING,
        Invitation.Mail.FAILED,
        after=timedelta(minutes=1),
        field="mail",
    )
    invitation.refresh_from_db()
    assert invitation.mail == Invitation.Mail.FAILED


def test_move_costs_two_queries(run: SyncRun, django_assert_num_queries) -> None:
    """It opens no savepoint of its own within a caller's transaction."""
    with transaction.atomic(), django_assert_num_queries(2):
        transitions.move(run, Status.RUNNING, why="taken")
