"""Outgoing messages, whatever they say: how they are claimed, sent, tried again and given up.

A row is its own place in the queue. Whoever caused it and staff read from it what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Model, Q
from django.utils import timezone

from integrations.http.backoff import double_delay
from portal.core import queue, transitions
from portal.core.secrets.secret_field import SecretUnreadable
from portal.notifications.models import OutgoingMessage

MAX_ATTEMPTS = 19  # over a day, with these delays
MIN_RETRY_DELAY = timedelta(minutes=1)
MAX_RETRY_DELAY = timedelta(hours=2)
REQUEUE_AFTER = timedelta(minutes=1)  # without a worker taking it: its task may be lost
GIVE_UP_AFTER = timedelta(minutes=10)  # since a worker took it
MAX_REQUEUED = 200  # in one sweep
Status = OutgoingMessage.Status


class MessageNotSent(Exception):
    """`reason` names the error and the server's code; its text may quote addresses."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class MessageQueue:
    """The messages of one model. `prefix` precedes its fields status, attempts and due_at."""

    model: type[Model]
    label: str  # plural
    send_task: str
    organization: str = "organization"  # path to it; empty: none
    prefix: str = ""
    queued_at: str = "created_at"
    pending: Q = field(default_factory=Q)  # what may still be sent
    cleared_field: str = ""  # emptied once sent or given up
    repeats_lost: bool = False  # after a worker's death; else given up: it may have been sent

    def claim_message(self, row: Model, *, why: str = "a worker took it") -> bool:
        """Whether this worker is to send it, now."""
        attempts = getattr(row, f"{self.prefix}attempts") + 1
        return self._move(row, Status.SENDING, why, **{f"{self.prefix}attempts": attempts})

    def send_message(self, row: Model, send: Callable[[], None]) -> None:
        """Send a queued message that is due. `send` raises MessageNotSent or SecretUnreadable."""
        is_due = getattr(row, f"{self.prefix}due_at") <= timezone.now()
        if is_due and self.claim_message(row):
            self.send_claimed([row], send)

    def send_claimed(self, rows: Sequence[Model], send: Callable[[], None]) -> None:
        """Send claimed messages together; failures are retried with exponential backoff."""
        try:
            send()
        except SecretUnreadable:
            for row in rows:
                self._give_up(row, "SecretUnreadable")
        except MessageNotSent as error:
            for row in rows:
                self._retry_message(row, error.reason)
        else:
            for row in rows:
                self._move(
                    row,
                    Status.SENT,
                    "the server took it",
                    **self._select_fields(sent_at=timezone.now(), last_error=""),
                    **self._clear_field(),
                )

    def recover_lost(self) -> None:
        """Queue what is due or whose task was lost; end what a worker died over."""
        rows = self.model._default_manager.all()
        exhausted = rows
        if self.repeats_lost:
            exhausted = rows.filter(**{f"{self.prefix}attempts__gte": MAX_ATTEMPTS})
        status, why = f"{self.prefix}status", "its worker stopped responding"
        transitions.move_stalled_rows(
            exhausted,
            Status.SENDING,
            Status.FAILED,
            after=GIVE_UP_AFTER,
            field=status,
            **self._select_fields(last_error=why),
            **self._clear_field(),
        )
        if self.repeats_lost:
            transitions.move_stalled_rows(
                rows, Status.SENDING, Status.QUEUED, after=GIVE_UP_AFTER, field=status
            )
        self._requeue_lost_tasks()

    def _requeue_lost_tasks(self) -> None:
        now, due_at = timezone.now(), f"{self.prefix}due_at"
        due_filters = {
            f"{self.prefix}status": Status.QUEUED,
            f"{due_at}__lte": now,
            f"{self.queued_at}__lt": now - REQUEUE_AFTER,
        }
        rows = self.model._default_manager.filter(self.pending, **due_filters)
        due = queue.exclude_queued(rows, self.send_task).order_by(due_at)
        if self.organization:
            organization_ids = dict(due.values_list("pk", self.organization)[:MAX_REQUEUED])
        else:
            organization_ids = dict.fromkeys(due.values_list("pk", flat=True)[:MAX_REQUEUED])
        queue.requeue_lost_tasks(self.send_task, organization_ids)

    def give_up_restored(self) -> str:
        """Send none of a restored backup: they may have been sent since."""
        unsent = {f"{self.prefix}status__in": [Status.QUEUED, Status.DEFERRED, Status.SENDING]}
        rows = list(self.model._default_manager.filter(self.pending, **unsent))
        for row in rows:
            self.give_up_message(row, transitions.RESTORED)
        return f"{len(rows)} {self.label} were given up."

    def give_up_message(self, row: Model, reason: str) -> None:
        """End a message that must not be sent any more."""
        if getattr(row, f"{self.prefix}status") != Status.SENDING:
            self._move(row, Status.SENDING, reason)
        self._give_up(row, reason)

    def _retry_message(self, row: Model, reason: str) -> None:
        attempts = getattr(row, f"{self.prefix}attempts")
        if attempts >= MAX_ATTEMPTS:
            self._give_up(row, reason)
            return
        delay = double_delay(MIN_RETRY_DELAY, attempts, longest=MAX_RETRY_DELAY)
        due_at = {f"{self.prefix}due_at": timezone.now() + delay}
        last_error = self._select_fields(last_error=reason[:60])
        self._move(row, Status.QUEUED, reason, **due_at, **last_error)

    def _give_up(self, row: Model, reason: str) -> None:
        last_error = self._select_fields(last_error=reason[:60])
        self._move(row, Status.FAILED, reason, **last_error, **self._clear_field())

    def _move(self, row: Model, status: str, why: str, **fields: Any) -> bool:
        return transitions.try_move(row, status, why=why, field=f"{self.prefix}status", **fields)

    def _select_fields(self, **fields: Any) -> dict[str, Any]:
        names = {field.name for field in self.model._meta.concrete_fields}
        return {name: value for name, value in fields.items() if name in names}

    def _clear_field(self) -> dict[str, str]:
        return {self.cleared_field: ""} if self.cleared_field else {}
