"""Releases pending rejections that are due, and stops those that are not to be sent anymore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.applications.actions import batch_completion
from portal.applications.actions.settlement import actions_settled
from portal.applications.models import ActionKind, ApplicationAction, Batch
from portal.applications.pending import notices
from portal.applications.pending.plans import MAX_LATENESS
from portal.connections.models import Connection
from portal.core import transitions

Status = ApplicationAction.Status

LATE_MESSAGE = "The portal wasn’t running when it was due. Nothing was sent. Confirm it or cancel."
RESTORED_MESSAGE = (
    "The portal was restored from a backup, which may lack a cancellation. Nothing was sent. "
    "Confirm it or cancel."
)
ERASED_MESSAGE = "The candidate was erased in Greenhouse. Nothing was sent."
DISCONNECTED_MESSAGE = "Greenhouse was disconnected. Nothing was sent."
MAX_RELEASED = 200  # of a batch in one turn


def release_pending(action: ApplicationAction, to: str = Status.QUEUED) -> bool:
    """Hand a due rejection to the outbox. False if it was canceled, changed or is too late."""
    if action.due_at is None or action.due_at > timezone.now():
        return False
    if action.due_at < timezone.now() - MAX_LATENESS:
        _stop_late(action)
        return False
    return transitions.try_move(
        action,
        to,
        why="due",
        unchanged_fields=("due_at",),  # unless it was changed in the meantime
        give_up_at=action.due_at + MAX_LATENESS,
    )


def release_pending_of_batch(batch: Batch) -> None:
    due = batch.actions.filter(status=Status.PENDING, due_at__lte=timezone.now())
    for action in due.select_related("application", "membership__user")[:MAX_RELEASED]:
        release_pending(action, Status.SCHEDULED)


def _stop_late(action: ApplicationAction) -> None:
    with transaction.atomic():
        stopped = ApplicationAction.objects.filter(
            pk=action.pk, status=Status.PENDING, due_at=action.due_at
        ).update(due_at=None, outcome=LATE_MESSAGE)
        if stopped and action.due_at is not None:
            key = f"late:{action.due_at.isoformat()}"
            why = "The portal wasn’t running when they were due."
            notices.ask_to_confirm(action.membership, why, key)


def stop_for_confirmation(actions: QuerySet[ApplicationAction], message: str, key: str) -> int:
    """Take the time of these pending rejections, so that their authors look at them first."""
    memberships: set[Membership] = set()
    stopped_count = 0
    for action in actions.filter(status=Status.PENDING).select_related("membership__user"):
        stopped = ApplicationAction.objects.filter(pk=action.pk, status=Status.PENDING).update(
            due_at=None, outcome=message
        )
        if stopped:
            memberships.add(action.membership)
            stopped_count += 1
    for membership in memberships:
        notices.ask_to_confirm(membership, message, key)
    return stopped_count


def supersede_pending(done: ApplicationAction) -> list[ApplicationAction]:
    """A decision on the application was done, so a rejection that waits does not fit anymore.

    Returns those that ended, for the caller to run `actions_settled`.
    """
    superseded = []
    pending = ApplicationAction.objects.filter(
        application=done.application_id, status=Status.PENDING
    ).exclude(pk=done.pk)
    for action in pending.select_related("application", "membership__user"):
        is_own = done.membership_id == action.membership_id
        author = "You" if is_own else str(done.membership.user)
        message = f"{author} decided on this application before it was due. Nothing was sent."
        status = Status.CANCELED if is_own else Status.CONFLICT
        if not _settle(action, status, message, by=done.membership.user):
            continue
        superseded.append(action)
        if not is_own:
            notices.report_not_sent(action, message)
    return superseded


@transaction.atomic
def cancel_of_erased(candidates: Sequence[int]) -> None:
    settled, pending = (
        [],
        ApplicationAction.objects.filter(
            application__candidate__in=candidates, status=Status.PENDING
        ),
    )
    for action in pending.select_related("application", "membership__user"):
        if _settle(action, Status.CANCELED, ERASED_MESSAGE):
            notices.report_not_sent(action, ERASED_MESSAGE)
            settled.append(action)
    actions_settled.run(settled)


def count_pending(connection: Connection) -> int:
    return _filter_pending(connection).count()


@transaction.atomic
def cancel_of_connection(connection: Connection, *, by: User) -> int:
    """When Greenhouse is disconnected: the synced data goes, and these with it."""
    settled: list[ApplicationAction] = []
    for action in _filter_pending(connection).select_related("membership__user"):
        if _settle(action, Status.CANCELED, DISCONNECTED_MESSAGE, by=by):
            settled.append(action)
    for membership, count in Counter(action.membership for action in settled).items():
        key = f"disconnected:{timezone.now().isoformat()}"
        notices.report_canceled(membership, count, "Greenhouse was disconnected.", key)
    actions_settled.run(settled)
    return len(settled)


def _filter_pending(connection: Connection) -> QuerySet[ApplicationAction]:
    return ApplicationAction.objects.filter(
        application__connection=connection, status=Status.PENDING, kind=ActionKind.REJECT
    )


def _settle(action: ApplicationAction, status: str, message: str, by: User | None = None) -> bool:
    with transaction.atomic(savepoint=False):
        settled = transitions.try_move(
            action,
            status,
            by=by,
            why=message,
            outcome=message,
            settled_at=timezone.now(),
            due_at=None,
        )
        if settled and action.batch_id is not None:
            batch_completion.complete_batch(action.batch_id)
    return settled
