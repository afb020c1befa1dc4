"""Send due batches. A worker sends for a short time and then requeues, so single actions are not
blocked.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.greenhouse.provider import Provider
from portal.applications.actions import batch_completion, perform
from portal.applications.models import ApplicationAction, Batch
from portal.applications.pending import releasing
from portal.applications.pending.plans import PLAN_PARAMETER
from portal.connections.client import attribute_writes_to, open_provider
from portal.core import queue
from portal.core.database import read_only
from portal.core.database.compiled_queries import compile_once
from portal.core.secrets.secret_field import SecretUnreadable
from portal.core.tenancy.scope import all_organizations

Status = ApplicationAction.Status
SEND_BATCH_TASK = "portal.applications.tasks.send_batch"
SEND_SECONDS_PER_TURN = 2.0
ANSWERED_STATUSES = (Status.DONE, Status.CONFLICT, Status.REFUSED)
LEASE = timedelta(minutes=1)  # after which a silent worker loses its turn
UNTIL_CONFIRMED = timedelta(days=1)


@all_organizations("looks at the due batches of all customers")
def release_due_batches() -> None:
    """Called every second by several workers, and by batch pages."""
    if read_only.is_read_only():
        return
    now = timezone.now()
    for pk, due, organization_id in _find_due_batches(now):
        if Batch.objects.filter(pk=pk, due_at=due).update(due_at=now + LEASE):
            queue.enqueue_task(SEND_BATCH_TASK, pk, organization_id=organization_id)


@compile_once
def _find_due_batches(now: datetime) -> QuerySet[Batch, tuple[Any, ...]]:
    due_batches = Batch.objects.filter(due_at__lte=now)
    return due_batches.values_list("pk", "due_at", "membership__organization_id")[:20]


def wake_batches() -> None:
    """Batches that would come too late for one of their actions, because it was changed while a
    worker planned their next turn.
    """
    now = timezone.now()
    late = ApplicationAction.objects.filter(
        status=Status.PENDING, due_at__lte=now, batch__due_at__gt=now + LEASE
    )
    Batch.objects.filter(pk__in=late.values("batch")).update(due_at=now)


def send_batch_turn(batch: Batch) -> None:
    releasing.release_pending_of_batch(batch)
    if _is_other_batch_sending(batch):
        _set_due_at(batch, timezone.now() + timedelta(seconds=1))
        return
    credential = batch.job.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        deadline = settings.INTERACTIVE_DEADLINE_SECONDS
        provider = open_provider(credential, lane=Lane.SYNC, deadline_seconds=deadline)
        with attribute_writes_to(credential):
            _send_until_turn_ends(batch, provider)
    except SecretUnreadable:
        for action in _query_actions(batch).filter(status=Status.SCHEDULED):
            perform.send_action(action)  # records why it fails
    _schedule_next_turn(batch)


def _send_until_turn_ends(batch: Batch, provider: Provider) -> None:
    deadline = time.monotonic() + SEND_SECONDS_PER_TURN
    while (action := _get_next_due_action(batch)) is not None:
        waited = _start_give_up_timer(action)
        perform.send_action_with(provider, action)
        if action.status == Status.SCHEDULED:  # Greenhouse does not respond
            _postpone_remaining(batch, action)
        elif waited and action.status in ANSWERED_STATUSES:
            _clear_give_up_timers(batch)
        if time.monotonic() > deadline:
            break


def _query_actions(batch: Batch) -> Any:
    return batch.actions.select_related(
        "application__connection", "membership__user", "membership__organization", "reason"
    )


def _get_next_due_action(batch: Batch) -> ApplicationAction | None:
    due_actions = _query_actions(batch).filter(status=Status.SCHEDULED, due_at__lte=timezone.now())
    action: ApplicationAction | None = due_actions.order_by("id").first()
    return action


def _is_other_batch_sending(batch: Batch) -> bool:
    """One batch at a time per connection, so that a worker stays free for single actions."""
    earlier_batches = Batch.objects.filter(
        job__connection_id=batch.job.connection_id, pk__lt=batch.pk, due_at__isnull=False
    )
    return earlier_batches.filter(actions__status=Status.SENDING).exists()


def _start_give_up_timer(action: ApplicationAction) -> bool:
    if action.give_up_at is not None:
        return True
    action.give_up_at = timezone.now() + timedelta(minutes=settings.OUTBOX_RETRY_MINUTES)
    action.save(update_fields=["give_up_at"])
    return False


def _postpone_remaining(batch: Batch, action: ApplicationAction) -> None:
    """Delay all remaining actions with this one, so an outage is waited out only once."""
    remaining = batch.actions.filter(status=Status.SCHEDULED)
    remaining.update(due_at=action.due_at, outcome=action.outcome)
    remaining.filter(give_up_at=None).update(give_up_at=action.give_up_at)


def _clear_give_up_timers(batch: Batch) -> None:
    """Greenhouse responds again: actions that only waited get their full time, except rejections
    that waited for their day, whose time ends at an hour.
    """
    waiting = batch.actions.filter(status=Status.SCHEDULED, attempts=0)
    waiting.exclude(parameters__has_key=PLAN_PARAMETER).update(give_up_at=None)


def _schedule_next_turn(batch: Batch) -> None:
    waiting = batch.actions.filter(status__in=(Status.SCHEDULED, Status.PENDING))
    due_times = waiting.exclude(due_at=None).order_by("due_at")
    next_due_at = due_times.values_list("due_at", flat=True).first()
    if next_due_at is None:
        # What waits for a person sets its own time once it is confirmed.
        _set_due_at(batch, timezone.now() + (UNTIL_CONFIRMED if waiting.exists() else LEASE))
        batch_completion.complete_batch(batch.pk)
    elif next_due_at <= timezone.now():
        _set_due_at(batch, timezone.now() + LEASE)
        queue.enqueue_task(
            SEND_BATCH_TASK, batch.pk, organization_id=batch.job.connection.organization_id
        )
    else:
        _set_due_at(batch, next_due_at)


def _set_due_at(batch: Batch, due_at: datetime) -> None:
    """Does nothing if the batch was completed concurrently."""
    Batch.objects.filter(pk=batch.pk, due_at__isnull=False).update(due_at=due_at)
