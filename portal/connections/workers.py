"""What silent workers mean: an issue a customer, opened by the web side, closed by a worker.

Nobody else can tell: a cluster that is dead runs no task that would say so. So whoever serves the
admin or answers for the portal's health looks (`look`), and the first sign of a worker ends it.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.core import pulse
from portal.issues import book
from portal.issues.models import Issue

State = Connection.State
CAUSE = Issue.Cause.WORKER_DEAD


def look() -> pulse.Sign:
    """What was heard of the workers; opens the issues when their silence is new."""
    sign = pulse.look()
    if sign.silent:
        with transaction.atomic():  # a worker that returns meanwhile waits, then closes them all
            if pulse.noticed_silence():
                _say(sign)
    return sign


def beat() -> None:
    """A worker's sign of life; closes the issues when there was silence before."""
    pulse.beat_now()
    with transaction.atomic():
        if not pulse.silence_is_over():
            return
        told = Organization.objects.filter(issues__cause=CAUSE, issues__closed_at=None)
        for organization in told:
            book.solved(organization, CAUSE, why="a worker was heard again")


def _say(sign: pulse.Sign) -> None:
    at_work = Organization.objects.filter(connection__isnull=False).exclude(
        connection__state__in=(State.DRAFT, State.DISCONNECTED)
    )
    for organization in at_work:
        book.seen(
            organization,
            CAUSE,
            title="No background worker is running",
            words=(
                f"No worker has been heard for more than {settings.WORKER_SILENT_MINUTES} minutes, "
                f"since {sign.since:%H:%M} UTC. Syncs, checks, clicks and mails wait. "
                "The operator starts the worker cluster (python manage.py qcluster) and reads its "
                "log; it closes this by itself."
            ),
            severity=Issue.Severity.MUST_ACT,
            fixer=Issue.Fixer.OPERATOR,
            still_works="Everything that was read before is shown. Clicks are kept and sent later.",
        )
