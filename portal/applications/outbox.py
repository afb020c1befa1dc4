"""What waits to be sent: held for a while, due, taken back, or lost on the way.

A click is held until `due_at`. Each second a worker looks at what is due (`release`), so that it
goes out whether or not the person stays on the page; once a minute the sweep looks for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from portal.accounts.models import User
from portal.applications.clicks import SEND
from portal.applications.models import ApplicationAction
from portal.applications.refusals import forget
from portal.core import queue, readonly, transitions

Status = ApplicationAction.Status

SETTLE = "portal.applications.tasks.settle"
# A worker needs seconds; after this long it is gone and the row is asked for again.
SILENT_AFTER = timedelta(minutes=3)
# How often it is asked what became of an unknown one: at first, and once it takes long.
ASK_AGAIN, ASK_SELDOM = timedelta(seconds=20), timedelta(minutes=5)
LONG = timedelta(minutes=10)
MOST = 200


def release() -> None:
    """Put what is due on the queue. Called each second, by several workers at once."""
    now = timezone.now()
    due = ApplicationAction.objects.filter(due_at__lte=now)
    for action in due.filter(status=Status.HELD, batch=None)[:MOST]:
        release_one(action)
    unknown = due.filter(status=Status.UNKNOWN).values_list("pk", "due_at", "sent_at")
    for pk, at, sent_at in unknown[:MOST]:
        rows = ApplicationAction.objects.filter(pk=pk, due_at=at, status=Status.UNKNOWN)
        pause = ASK_SELDOM if sent_at and sent_at < now - LONG else ASK_AGAIN
        if rows.update(due_at=now + pause):
            queue.enqueue(SETTLE, pk)


def release_one(action: ApplicationAction) -> None:
    """Put a held one on the queue if its time has come; who may only look leaves it to others."""
    if readonly.holds():
        return
    due = action.status == Status.HELD and action.seconds_left == 0 and action.batch_id is None
    if due and transitions.won(action, Status.QUEUED, why="its time came"):
        queue.enqueue(SEND, action.pk)


def withdraw(action: ApplicationAction, *, by: User) -> bool:
    """Take back what was not sent yet. False when a worker has it already."""
    return transitions.won(
        action,
        Status.WITHDRAWN,
        by=by,
        why="taken back before it was sent",
        outcome="Taken back in time. Nothing was sent to Greenhouse.",
        settled_at=timezone.now(),
        due_at=None,
    )


def newest_on(applications: Sequence[int], *, but: Collection[str] = ()) -> dict[int, int]:
    """The newest action on each of these applications, by the application; `but`: leaving out those
    in these states.
    """
    rows = ApplicationAction.objects.filter(application__in=applications).order_by()
    rows = rows.exclude(status__in=but)
    newest = rows.values_list("application").annotate(newest=Max("pk"))
    return dict(newest)


def sweep() -> None:
    """Ask again for what was lost on the way: queued rows, silent workers, unknown outcomes."""
    release()
    forget()
    long_ago = timezone.now() - SILENT_AFTER
    lost = ApplicationAction.objects.filter(status=Status.QUEUED, queued_at__lt=long_ago)
    for pk in lost.values_list("pk", flat=True)[:MOST]:
        queue.enqueue(SEND, pk)
    for action in ApplicationAction.objects.filter(status=Status.SENDING, sent_at__lt=long_ago):
        # It may have been sent: nobody knows, so it is read, not repeated.
        transitions.won(action, Status.UNKNOWN, why="its worker fell silent", due_at=timezone.now())
    release()
