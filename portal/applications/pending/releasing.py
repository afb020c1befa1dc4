"""Releases pending rejections that are due, and stops those that are not to be sent anymore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.applications.actions import batch_completion
from portal.applications.actions.settlement import actions_settled
from portal.applications.models import ActionKind, ApplicationAction, Batch
from portal.applications.pending import notices
from portal.applications.pending.plans import MAX_LATENESS, get_plan
from portal.connections.models import Connection
from portal.core import transitions
from portal.core.database.compiled_queries import compile_once

Status = ApplicationAction.Status

LATE_MESSAGE = "The portal wasn't running when it was due. Nothing was sent. Confirm it or cancel."
BLOCKED_MESSAGE = (
    "Another action on the application was in progress when it was due. Nothing was sent. Confirm "
    "it or cancel."
)
DUPLICATE_MESSAGE = "Another rejection of the application is pending. Nothing was sent."
RESTORED_MESSAGE = (
    "The portal was restored from a backup, which may lack a cancellation. Nothing was sent. "
    "Confirm it or cancel."
)
ERASED_MESSAGE = "The candidate was erased in Greenhouse. Nothing was sent."
DISCONNECTED_MESSAGE = "Greenhouse was disconnected. Nothing was sent."
LAST_TRY = timedelta(minutes=1)  # while Greenhouse is down: it is claimed just after its time
CONFIRM_WITHIN = timedelta(days=14)
UNCONFIRMED_MESSAGE = f"Nobody confirmed it for {CONFIRM_WITHIN.days} days. Nothing was sent."
MAX_RELEASED = 200  # of a batch in one turn, and of those that nobody confirmed


def release_pending(action: ApplicationAction, to: str = Status.QUEUED) -> bool:
    """Hand a due rejection to the outbox. False if it was canceled, changed or is too late, or has
    to wait for another action on the application.
    """
    if action.due_at is None or action.due_at > timezone.now():
        return False
    is_blocked = has_open_action(action)
    if action.due_at < timezone.now() - MAX_LATENESS:
        stop_late(action, BLOCKED_MESSAGE if is_blocked else LATE_MESSAGE)
        return False
    if is_blocked:
        return False
    try:
        with transaction.atomic():
            return transitions.try_move(
                action,
                to,
                why="due",
                unchanged_fields=("due_at",),  # unless it was changed in the meantime
                give_up_at=action.due_at + MAX_LATENESS,
            )
    except IntegrityError:  # another action was requested at this moment
        return False


def has_open_action(action: ApplicationAction) -> bool:
    """Another one on the application: only one at a time can be open."""
    return (
        ApplicationAction.objects.filter(
            ApplicationAction.IS_DECISION,
            application=action.application_id,
            status__in=ApplicationAction.OPEN_STATUSES,
        )
        .exclude(pk=action.pk)
        .exists()
    )


def release_pending_of_batch(batch: Batch) -> None:
    due = batch.actions.filter(status=Status.PENDING, due_at__lte=timezone.now())
    for action in due.select_related("application", "membership__user")[:MAX_RELEASED]:
        release_pending(action, Status.SCHEDULED)


def is_late(action: ApplicationAction) -> bool:
    """Whether a rejection that was released is past the time in which it is sent by itself."""
    plan = get_plan(action)
    return plan is not None and plan.send_at < timezone.now() - MAX_LATENESS - LAST_TRY


def stop_late(action: ApplicationAction, message: str = LATE_MESSAGE) -> None:
    """Certainly not sent, and not to be sent at another hour unless its author says so."""
    try:
        with transaction.atomic():
            if _take_time(action, message) and action.due_at is not None:
                key = f"late:{action.due_at.isoformat()}"
                why = message.partition(" Nothing was sent.")[0]
                notices.ask_to_confirm(action.membership, why, key)
    except IntegrityError:  # another was planned after this one had been released
        with transaction.atomic():
            if _settle(action, Status.CANCELED, DUPLICATE_MESSAGE):
                actions_settled.run([action])


def _take_time(action: ApplicationAction, message: str) -> bool:
    values = {
        "due_at": None,
        "outcome": message,
        "give_up_at": timezone.now() + CONFIRM_WITHIN,
    }
    if not action.is_pending:
        return transitions.try_move(action, Status.PENDING, why=message, **values)
    unchanged = ApplicationAction.objects.filter(
        pk=action.pk, status=Status.PENDING, due_at=action.due_at
    )
    return bool(unchanged.update(**values))


def stop_for_confirmation(actions: QuerySet[ApplicationAction], message: str, key: str) -> int:
    """Take the time of these pending rejections, so that their authors look at them first."""
    memberships: set[Membership] = set()
    stopped_count = 0
    for action in actions.filter(status=Status.PENDING).select_related("membership__user"):
        if _take_time(action, message):
            memberships.add(action.membership)
            stopped_count += 1
    for membership in memberships:
        notices.ask_to_confirm(membership, message, key)
    return stopped_count


def end_unconfirmed() -> None:
    """Those that nobody has looked at for long: their candidates wait for another decision."""
    unconfirmed = ApplicationAction.objects.filter(
        status=Status.PENDING, due_at=None, give_up_at__lt=timezone.now()
    )
    for action in unconfirmed.select_related("application", "membership__user")[:MAX_RELEASED]:
        with transaction.atomic():
            if _settle(action, Status.FAILED, UNCONFIRMED_MESSAGE):
                notices.report_not_sent(action, UNCONFIRMED_MESSAGE)
                actions_settled.run([action])


def supersede_pending(done: ApplicationAction) -> list[ApplicationAction]:
    """A decision on the application was done, so a rejection that waits does not fit anymore.

    Returns those that ended, for the caller to run `actions_settled`.
    """
    superseded = []
    for action in _find_other_pending(done.application_id, done.pk):
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


@compile_once
def _find_other_pending(application_id: int, action_id: int) -> QuerySet[ApplicationAction]:
    pending = ApplicationAction.objects.filter(application=application_id, status=Status.PENDING)
    return pending.exclude(pk=action_id).select_related("application", "membership__user")


@transaction.atomic
def cancel_of_erased(candidates: Sequence[int]) -> None:
    settled = []
    pending = ApplicationAction.objects.filter(
        application__candidate__in=candidates, status=Status.PENDING
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
    canceled_ids = transitions.move_rows(
        _filter_pending(connection),
        Status.CANCELED,
        by=by,
        why=DISCONNECTED_MESSAGE,
        outcome=DISCONNECTED_MESSAGE,
        settled_at=timezone.now(),
        due_at=None,
    )
    canceled = list(
        ApplicationAction.objects.filter(pk__in=canceled_ids).select_related("membership__user")
    )
    for batch_id in {action.batch_id for action in canceled if action.batch_id is not None}:
        batch_completion.complete_batch(batch_id)
    for membership, count in Counter(action.membership for action in canceled).items():
        key = f"disconnected:{timezone.now().isoformat()}"
        notices.report_canceled(membership, count, "Greenhouse was disconnected.", key)
    actions_settled.run(canceled)
    return len(canceled)


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
