"""Releases scheduled actions when due, cancels them, and recovers lost ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.applications.actions import audit_log
from portal.applications.actions.action_requests import SEND_TASK
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.latest_actions import get_latest_action
from portal.applications.actions.refusals import delete_expired_refusals
from portal.applications.actions.settlement import actions_settled
from portal.applications.models import ApplicationAction
from portal.applications.pending.notices import log_pending
from portal.applications.pending.releasing import end_unconfirmed, release_pending
from portal.core import queue, transitions
from portal.core.database import read_only
from portal.core.database.compiled_queries import compile_once
from portal.core.tenancy.scope import all_organizations
from portal.sync.models import Application

Status = ApplicationAction.Status

RECONCILE_TASK = "portal.applications.tasks.reconcile_action"
# A worker needs seconds; after this long it is presumed dead.
WORKER_TIMEOUT = timedelta(minutes=3)
# How often unknown outcomes are reconciled: at first, and after SLOW_RECONCILE_AFTER.
RECONCILE_INTERVAL, SLOW_RECONCILE_INTERVAL = timedelta(seconds=20), timedelta(minutes=5)
SLOW_RECONCILE_AFTER = timedelta(minutes=10)
MAX_ACTIONS_PER_RUN = 200
_WHY_CANCELED = "canceled before it was sent"
_RELEASED_STATUSES = (Status.SCHEDULED, Status.PENDING)


@all_organizations("looks at the due actions of all customers")
def release_due_actions() -> None:
    """Enqueue what is due. Several workers may call this at once."""
    now = timezone.now()
    for action in _find_due_actions(now):
        release_action(action)
    for pk, due_at, sent_at, organization_id in _find_unknown_actions(now):
        rows = ApplicationAction.objects.filter(pk=pk, due_at=due_at, status=Status.UNKNOWN)
        pause = (
            SLOW_RECONCILE_INTERVAL
            if sent_at and sent_at < now - SLOW_RECONCILE_AFTER
            else RECONCILE_INTERVAL
        )
        if rows.update(due_at=now + pause):
            queue.enqueue_task(RECONCILE_TASK, pk, organization_id=organization_id)


@compile_once
def _find_due_actions(now: datetime) -> QuerySet[ApplicationAction]:
    due = ApplicationAction.objects.filter(
        due_at__lte=now, status__in=_RELEASED_STATUSES, batch=None
    )
    return due.select_related("membership")[:MAX_ACTIONS_PER_RUN]


@compile_once
def _find_unknown_actions(now: datetime) -> QuerySet[ApplicationAction, tuple[Any, ...]]:
    due = ApplicationAction.objects.filter(due_at__lte=now, status=Status.UNKNOWN)
    return due.values_list("pk", "due_at", "sent_at", "membership__organization_id")[
        :MAX_ACTIONS_PER_RUN
    ]


def release_action(action: ApplicationAction) -> None:
    """Enqueue a scheduled action if it is due; does nothing in read-only mode."""
    if read_only.is_read_only():
        return
    if action.batch_id is not None or action.seconds_left > 0:
        return
    if action.is_pending:
        is_released = release_pending(action)
    else:
        # Unless its undo period was extended in the meantime.
        is_released = action.status == Status.SCHEDULED and transitions.try_move(
            action, Status.QUEUED, why="due", unchanged_fields=("due_at",)
        )
    if is_released:
        queue.enqueue_task(SEND_TASK, action.pk, organization_id=action.membership.organization_id)


def release_latest_action(application: Application, member: Membership) -> ApplicationAction | None:
    """The latest action as the member sees it, enqueued first if it is due."""
    action = get_latest_action(application, member)
    if action is not None:
        release_action(action)
    return action


def cancel_action(action: ApplicationAction, *, by: User) -> bool:
    """Cancel an action that is not sent yet. False if a worker has already claimed it."""
    was_pending = action.is_pending
    with transaction.atomic(savepoint=False):
        canceled = transitions.try_move(
            action, Status.CANCELED, by=by, why=_WHY_CANCELED, **_build_canceled_fields(action)
        )
        if canceled and was_pending:
            _log_canceled_pending(action, by)
        if canceled:
            actions_settled.run([action])
    return canceled


def cancel_actions(actions: QuerySet[ApplicationAction], *, by: User) -> int:
    """Cancel those of a batch that are not sent yet, and return how many were canceled.

    The number of statements depends on the kinds of action, not on how many there are.
    """
    cancelable = actions.filter(status__in=ApplicationAction.CANCELABLE_STATUSES)
    canceled_ids: list[int] = []
    with transaction.atomic(savepoint=False):
        pending_ids = set(cancelable.filter(status=Status.PENDING).values_list("pk", flat=True))
        kinds = cancelable.order_by().values_list("kind", "undoes").distinct()
        for kind, is_original in {(kind, undoes is None) for kind, undoes in kinds}:
            rows = cancelable.filter(kind=kind, undoes__isnull=is_original)
            if example := rows.first():
                canceled_ids += transitions.move_rows(
                    rows,
                    Status.CANCELED,
                    by=by,
                    why=_WHY_CANCELED,
                    **_build_canceled_fields(example),
                )
        canceled = list(ApplicationAction.objects.filter(pk__in=canceled_ids))
        pending_count = len(pending_ids.intersection(canceled_ids))
        if pending_count and canceled[0].batch is not None:
            audit_log.log_canceled_batch(canceled[0].batch, pending_count, by=by)
        actions_settled.run(canceled)
    return len(canceled_ids)


def _log_canceled_pending(action: ApplicationAction, by: User) -> None:
    log_pending(action, "rejection_canceled", "canceled the pending rejection of", by=by)


def _build_canceled_fields(action: ApplicationAction) -> dict[str, Any]:
    noun = ACTION_HANDLERS[action.kind].get_noun(action)
    return {
        "outcome": f"{noun} canceled. Nothing was sent.",
        "settled_at": timezone.now(),
        "due_at": None,
    }


def recover_lost_actions() -> None:
    """Re-enqueue what was lost: stale queued rows, silent workers, unknown outcomes."""
    release_due_actions()
    end_unconfirmed()
    delete_expired_refusals()
    long_ago = timezone.now() - WORKER_TIMEOUT
    queued = ApplicationAction.objects.filter(status=Status.QUEUED, queued_at__lt=long_ago)
    lost = queue.exclude_queued(queued, SEND_TASK)
    rows = lost.values_list("pk", "membership__organization_id")[:MAX_ACTIONS_PER_RUN]
    queue.requeue_lost_tasks(SEND_TASK, dict(rows))
    for action in ApplicationAction.objects.filter(status=Status.SENDING, sent_at__lt=long_ago):
        # It may have been sent, so read the outcome instead of resending.
        transitions.try_move(
            action, Status.UNKNOWN, why="its worker stopped responding", due_at=timezone.now()
        )
    release_due_actions()
